// Everything of the reference back end but convolution and pooling.
#include "trainer/reference/reference_backend.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/sample_loader.hpp"

namespace guardbit::trainer {

std::size_t ReferenceBackend::element_bytes(Element element) const {
  switch (element) {
    case Element::Byte: return 1;
    case Element::Int32: return 4;
    case Element::Real:
    case Element::Float64: return 8;
  }
  check(false, "unknown element");
  return 0;
}

void ReferenceBackend::fill(const TensorView& y, double value) {
  std::fill_n(elements<double>(y), y.count(), value);
}

void ReferenceBackend::load_batch(const TensorView& images, const TensorView& labels,
                                  std::span<const SampleTransform> transforms, const nets::Preprocess& preprocess,
                                  const TensorView& x, const TensorView& y) {
  const SampleLoader<double> loader(preprocess, images.shape.c);
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    loader.load(images, transforms[i], elements<double>(x) + static_cast<std::int64_t>(i) * images.shape.count());
    elements<std::int32_t>(y)[i] = elements<std::int32_t>(labels)[transforms[i].sample];
  }
}

namespace {

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::None: return x;
    case Activation::Relu: return x < 0 ? 0 : x;
    case Activation::Relu6: return x < 0 ? 0 : x > 6 ? 6 : x;
  }
  return x;
}

// Derivative of the activation, read off its output.
double slope(Activation activation, double y) {
  switch (activation) {
    case Activation::None: return 1;
    case Activation::Relu: return y > 0 ? 1 : 0;
    case Activation::Relu6: return y > 0 && y < 6 ? 1 : 0;
  }
  return 1;
}

}  // namespace

void ReferenceBackend::batch_norm_train(const nets::BatchNormAttributes& norm, Activation activation,
                                        const TensorView& x, const BatchNormTensors& t, const TensorView& y) {
  const int channels = x.shape.c;
  const std::int64_t pixels = x.count() / channels;
  const double* in = elements<double>(x);
  for (int c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < pixels; ++i) sum += in[i * channels + c];
    const double mean = sum / static_cast<double>(pixels);
    for (std::int64_t i = 0; i < pixels; ++i) {
      const double d = in[i * channels + c] - mean;
      squares += d * d;
    }
    const double variance = squares / static_cast<double>(pixels);
    const double unbiased = pixels > 1 ? squares / static_cast<double>(pixels - 1) : variance;
    const double inverse = 1 / std::sqrt(variance + norm.epsilon);
    elements<double>(t.batch_mean)[c] = mean;
    elements<double>(t.batch_inverse)[c] = inverse;
    double& running_mean = elements<double>(t.mean)[c];
    double& running_variance = elements<double>(t.variance)[c];
    running_mean = norm.momentum * running_mean + (1 - norm.momentum) * mean;
    running_variance = norm.momentum * running_variance + (1 - norm.momentum) * unbiased;
    const double gamma = elements<double>(t.gamma)[c], beta = elements<double>(t.beta)[c];
    for (std::int64_t i = c; i < x.count(); i += channels)
      elements<double>(y)[i] = activate(activation, gamma * (in[i] - mean) * inverse + beta);
  }
}

void ReferenceBackend::batch_norm_infer(const nets::BatchNormAttributes& norm, Activation activation,
                                        const TensorView& x, const BatchNormTensors& t, const TensorView& y) {
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const std::int64_t c = i % x.shape.c;
    const double inverse = 1 / std::sqrt(elements<double>(t.variance)[c] + norm.epsilon);
    const double normal = (elements<double>(x)[i] - elements<double>(t.mean)[c]) * inverse;
    elements<double>(y)[i] = activate(activation, elements<double>(t.gamma)[c] * normal + elements<double>(t.beta)[c]);
  }
}

// dx = gamma * inverse * (g - mean(g) - normal * mean(g * normal)), g = dy behind the activation. (Ioffe and Szegedy)
void ReferenceBackend::batch_norm_backward(Activation activation, const TensorView& x, const TensorView& y,
                                           const TensorView& dy, const BatchNormTensors& t, const TensorView& dx,
                                           const TensorView& dgamma, const TensorView& dbeta) {
  const int channels = x.shape.c;
  const auto pixels = static_cast<double>(x.count() / channels);
  for (int c = 0; c < channels; ++c) {
    const double mean = elements<double>(t.batch_mean)[c], inverse = elements<double>(t.batch_inverse)[c];
    const auto gradient = [&](std::int64_t i) {
      return elements<double>(dy)[i] *
             (activation == Activation::None ? 1 : slope(activation, elements<double>(y)[i]));
    };
    const auto normal = [&](std::int64_t i) { return (elements<double>(x)[i] - mean) * inverse; };
    double sum = 0, product = 0;
    for (std::int64_t i = c; i < x.count(); i += channels) {
      sum += gradient(i);
      product += gradient(i) * normal(i);
    }
    const double gamma = elements<double>(t.gamma)[c];
    for (std::int64_t i = c; i < x.count(); i += channels)
      elements<double>(dx)[i] = gamma * inverse * (gradient(i) - sum / pixels - normal(i) * product / pixels);
    elements<double>(dgamma)[c] = product;
    elements<double>(dbeta)[c] = sum;
  }
}

void ReferenceBackend::activation_forward(Activation activation, const TensorView& x, const TensorView& y) {
  for (std::int64_t i = 0; i < x.count(); ++i) elements<double>(y)[i] = activate(activation, elements<double>(x)[i]);
}
void ReferenceBackend::activation_backward(Activation activation, const TensorView& y, const TensorView& dy,
                                           const TensorView& dx) {
  for (std::int64_t i = 0; i < y.count(); ++i)
    elements<double>(dx)[i] = slope(activation, elements<double>(y)[i]) * elements<double>(dy)[i];
}

void ReferenceBackend::add(const TensorView& a, const TensorView& b, const TensorView& y) {
  for (std::int64_t i = 0; i < y.count(); ++i)
    elements<double>(y)[i] = elements<double>(a)[i] + elements<double>(b)[i];
}
void ReferenceBackend::accumulate(const TensorView& x, const TensorView& y) {
  for (std::int64_t i = 0; i < y.count(); ++i) elements<double>(y)[i] += elements<double>(x)[i];
}
void ReferenceBackend::copy(const TensorView& x, const TensorView& y) {
  std::copy_n(elements<double>(x), x.count(), elements<double>(y));
}

void ReferenceBackend::copy_region(const Region& r, const TensorView& x, const TensorView& y) {
  const auto at = [](const TensorView& v, std::int64_t n, int h, int w, int c) -> double& {
    return elements<double>(v)[((n * v.shape.h + h) * v.shape.w + w) * v.shape.c + c];
  };
  for (std::int64_t n = 0; n < x.n; ++n)
    for (int h = 0; h < r.height; ++h)
      for (int w = 0; w < r.width; ++w)
        for (int c = 0; c < r.channels; ++c)
          at(y, n, h + r.to_y, w + r.to_x, c + r.to_c) = at(x, n, h + r.from_y, w + r.from_x, c + r.from_c);
}

void ReferenceBackend::dropout(double rate, std::uint32_t stream, const TensorView& x, const TensorView& y) {
  const DropoutKey key{.seed = step_.seed, .step = step_.step, .stream = stream, .rate = rate};
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const bool kept = (key.kept(static_cast<std::uint64_t>(i) / 4) >> (i % 4) & 1U) != 0;
    elements<double>(y)[i] = kept ? elements<double>(x)[i] / (1 - rate) : 0;
  }
}

void ReferenceBackend::softmax(const TensorView& x, const TensorView& y) {
  const int classes = x.shape.c;
  for (std::int64_t row = 0; row < x.count() / classes; ++row) {
    const double* in = elements<double>(x) + row * classes;
    double* out = elements<double>(y) + row * classes;
    const double top = *std::max_element(in, in + classes);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += out[c] = std::exp(in[c] - top);
    for (int c = 0; c < classes; ++c) out[c] /= sum;
  }
}

void ReferenceBackend::cross_entropy(double smoothing, const TensorView& logits, const TensorView& labels,
                                     const TensorView& metrics, const TensorView& dlogits) {
  const int classes = logits.shape.c;
  double* total = elements<double>(metrics);
  for (std::int64_t row = 0; row < logits.n; ++row) {
    const double* in = elements<double>(logits) + row * classes;
    const int label = elements<std::int32_t>(labels)[row];
    const double top = *std::max_element(in, in + classes);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(in[c] - top);
    int better = 0;
    double loss = 0;
    for (int c = 0; c < classes; ++c) {
      const double log_probability = in[c] - top - std::log(sum);
      const double target = (c == label ? 1 - smoothing : 0) + smoothing / classes;
      loss -= target * log_probability;
      if (!(in[c] < in[label] || (in[c] == in[label] && c >= label))) ++better;
      if (dlogits)
        elements<double>(dlogits)[row * classes + c] =
            (std::exp(log_probability) - target) / static_cast<double>(logits.n);
    }
    total[0] += loss;
    total[1] += better < 1 ? 1 : 0;
    total[2] += better < 5 && in[label] == in[label] ? 1 : 0;
    total[3] += 1;
  }
}

// Sgd (with weight decay as L2, PyTorch's form): g += decay w; m = momentum m + g; w -= lr (nesterov: g + momentum m,
// otherwise m). Adam (Kingma and Ba): decay as L2; AdamW (Loshchilov and Hutter): w -= lr decay w, apart. RmsProp as
// TensorFlow 1 applies it: v = decay v + (1 - decay) g^2; m = momentum m + lr g / sqrt(v + epsilon); w -= m.
void ReferenceBackend::update(const OptimizerSpec& spec, double weight_decay, double lr_scale,
                              const TensorView& parameter, const TensorView& gradient, const TensorView& state0,
                              const TensorView& state1) {
  double *w = elements<double>(parameter), *m = elements<double>(state0), *v = elements<double>(state1);
  const double rate = step_.learning_rate * lr_scale, t = static_cast<double>(step_.step + 1);
  for (std::int64_t i = 0; i < parameter.count(); ++i) {
    double g = elements<double>(gradient)[i];
    if (spec.rule == Rule::AdamW) w[i] -= rate * weight_decay * w[i];
    else g += weight_decay * w[i];
    if (spec.rule == Rule::Sgd) {
      if (state0) {
        m[i] = spec.momentum * m[i] + g;
        g = spec.nesterov ? g + spec.momentum * m[i] : m[i];
      }
      w[i] -= rate * g;
    } else if (spec.rule == Rule::RmsProp) {
      double& square = elements<double>(state0)[i];
      square = spec.decay * square + (1 - spec.decay) * g * g;
      double change = rate * g / std::sqrt(square + spec.epsilon);
      if (state1) change = elements<double>(state1)[i] = spec.momentum * elements<double>(state1)[i] + change;
      w[i] -= change;
    } else {
      m[i] = spec.beta1 * m[i] + (1 - spec.beta1) * g;
      v[i] = spec.beta2 * v[i] + (1 - spec.beta2) * g * g;
      const double first = m[i] / (1 - std::pow(spec.beta1, t)), second = v[i] / (1 - std::pow(spec.beta2, t));
      w[i] -= rate * first / (std::sqrt(second) + spec.epsilon);
    }
  }
}

void ReferenceBackend::moving_average(double keep, const TensorView& x, const TensorView& y) {
  for (std::int64_t i = 0; i < x.count(); ++i)
    elements<double>(y)[i] = keep * elements<double>(y)[i] + (1 - keep) * elements<double>(x)[i];
}

void ReferenceBackend::clip_norm(double max_norm, const TensorView& gradients) {
  double squares = 0;
  for (std::int64_t i = 0; i < gradients.count(); ++i)
    squares += elements<double>(gradients)[i] * elements<double>(gradients)[i];
  const double norm = std::sqrt(squares);
  if (!(norm > max_norm)) return;
  for (std::int64_t i = 0; i < gradients.count(); ++i) elements<double>(gradients)[i] *= max_norm / norm;
}

}  // namespace guardbit::trainer
