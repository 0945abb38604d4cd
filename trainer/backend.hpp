// Backend: where a network is trained. One interface, several devices behind one test suite: `reference` (double
// precision, obvious loops), `cpu` (float, oneDNN and threads), `cuda` (float, a plugin with its own memory).
//
// * Every operator is an explicit call on tensors that already exist: nothing is allocated during a step, calls are
//   queued in order, results stay on the device. Only copy_out waits. A device may therefore record a step once and
//   replay it; what changes from step to step is given by begin_step, never by an argument.
// * Activations are NHWC, weights KRSC, both seen as [n, h, w, c]; 1-D tensors are [n, 1, 1, 1].
// * Backward operators overwrite their outputs. A tensor with several consumers is summed with accumulate().
// * Same inputs give the same bytes on the same device, whatever the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::nets {
struct IntegerNetwork;
}

namespace guardbit::trainer {

/// Real is the working type of the device (double in `reference`, float elsewhere); the others are what they say.
enum class Element : unsigned char { Real, Byte, Int32, Float64 };

/// Memory of the device; zero when allocated, 64-byte aligned.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;
  [[nodiscard]] virtual void* address() const = 0;
};

/// A view of device memory. An absent tensor (no bias, no gradient wanted) has no data.
struct TensorView {
  void* data = nullptr;
  Element element = Element::Real;
  std::int64_t n = 0;
  nets::Shape shape;
  [[nodiscard]] std::int64_t count() const { return n * shape.count(); }
  explicit operator bool() const { return data != nullptr; }
};

enum class Activation : unsigned char { None, Relu, Relu6 };

/// Tensors of one batch normalization, each [C].
struct BatchNormTensors {
  TensorView gamma, beta;
  TensorView mean, variance;            // running statistics
  TensorView batch_mean, batch_inverse; // of this batch: mean and 1 / sqrt(variance + epsilon), kept for backward
};

enum class Rule : unsigned char { Sgd, Adam, AdamW, RmsProp };
struct OptimizerSpec {
  Rule rule = Rule::Sgd;
  double momentum = 0.9;  // Sgd, RmsProp
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // Adam, AdamW; epsilon: RmsProp too, inside the root
  double decay = 0.9;                                 // RmsProp: share of the mean square that is kept
  /// Tensors of state per parameter.
  [[nodiscard]] int states() const {
    if (rule == Rule::Sgd) return momentum != 0 ? 1 : 0;
    return rule == Rule::RmsProp && momentum == 0 ? 1 : 2;
  }
  /// What the first of them starts with; the second starts with zeros. RmsProp's mean square starts at 1, as
  /// TensorFlow 1's does.
  [[nodiscard]] double initial_state() const { return rule == Rule::RmsProp ? 1 : 0; }
};

/// What changes from one step to the next.
struct StepScalars {
  double learning_rate = 0;
  std::uint64_t seed = 0;  // of all random numbers
  std::uint64_t step = 0;  // from 0; optimizers with bias correction use step + 1
};

/// Changes of colour (trainer/colour.hpp has the formulas), on the image with its changes of place.
struct ColourChange {
  bool wanted = false;  // without it nothing below is looked at
  double brightness = 0, saturation = 1, hue = 0, contrast = 1;
};

/// How one sample of the data set becomes one image of the batch. Source position of output pixel (y, x), relative to
/// the centre: matrix * (y, x) + shift, after an optional mirror of x. Pixels outside the image are byte 0.
struct SampleTransform {
  std::int32_t sample = 0;
  bool flip = false;
  int shift_y = 0, shift_x = 0;
  bool affine = false;  // bilinear interpolation with `matrix`, rounded to bytes; otherwise the identity
  double matrix[4] = {1, 0, 0, 1};
  int cut_top = 0, cut_left = 0, cut_height = 0, cut_width = 0;  // cutout: filled with byte 0; may stick out
  ColourChange colour = {};
};

/// Totals over the batches since they were last zeroed, Float64 [4]: sum of losses, top-1, top-5, images.
/// A score that is not a number is never right.
struct Metrics {
  double loss = 0, top1 = 0, top5 = 0, images = 0;
};

/// A block of [height, width, channels] moved from one tensor to another at different origins.
struct Region {
  int height = 0, width = 0, channels = 0;
  int from_y = 0, from_x = 0, from_c = 0;
  int to_y = 0, to_x = 0, to_c = 0;
};

class CodeOperators;  // trainer/quant/code_operators.hpp
struct InputCodes;

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// For work on the host beside it; never changes a result.
  [[nodiscard]] virtual int threads() const { return 1; }

  // Memory.
  [[nodiscard]] virtual std::size_t element_bytes(Element element) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Memory> allocate(std::size_t bytes) = 0;
  /// Memory that begins with these bytes, which are only read then. Those of the host take them where they lie, with
  /// `owner` that keeps them alive: without a copy, and not aligned.
  [[nodiscard]] virtual std::unique_ptr<Memory> adopt(std::span<const std::uint8_t> bytes,
                                                      std::shared_ptr<const void> owner) {
    static_cast<void>(owner);
    std::unique_ptr<Memory> memory = allocate(bytes.size());
    copy_in({memory->address(), Element::Byte, static_cast<std::int64_t>(bytes.size()), {}}, bytes.data());
    return memory;
  }
  /// Raw bytes in the device's representation; copy_out waits for all earlier calls.
  virtual void copy_in(const TensorView& to, const void* from) = 0;
  virtual void copy_out(void* to, const TensorView& from) = 0;
  virtual void fill(const TensorView& y, double value) = 0;  // Real and Float64
  virtual void begin_step(const StepScalars& scalars) = 0;

  // Data: images Byte [N, H, W, C], labels Int32 [N] -> x [n, H, W, C] as (pixel * scale - mean[c]) / std[c], y [n].
  virtual void load_batch(const TensorView& images, const TensorView& labels,
                          std::span<const SampleTransform> transforms, const nets::Preprocess& preprocess,
                          const TensorView& x, const TensorView& y) = 0;

  // Convolution; a fully connected layer is a 1x1 convolution over [n, 1, 1, C].
  virtual void conv_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                            const TensorView& bias, const TensorView& y) = 0;
  virtual void conv_backward_data(const nets::ConvAttributes& conv, const TensorView& dy, const TensorView& weight,
                                  const TensorView& dx) = 0;
  virtual void conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,
                                     const TensorView& dweight, const TensorView& dbias) = 0;  // dbias may be absent

  // Batch normalization with an activation behind it. The running variance takes the unbiased batch variance.
  // In backward dx may be dy.
  virtual void batch_norm_train(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,
                                const BatchNormTensors& t, const TensorView& y) = 0;
  virtual void batch_norm_infer(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,
                                const BatchNormTensors& t, const TensorView& y) = 0;
  virtual void batch_norm_backward(Activation activation, const TensorView& x, const TensorView& y,
                                   const TensorView& dy, const BatchNormTensors& t, const TensorView& dx,
                                   const TensorView& dgamma, const TensorView& dbeta) = 0;

  // Activations may work in place, forward and backward; backward reads the output: 0 < y (and y < 6 for relu6).
  virtual void activation_forward(Activation activation, const TensorView& x, const TensorView& y) = 0;
  virtual void activation_backward(Activation activation, const TensorView& y, const TensorView& dy,
                                   const TensorView& dx) = 0;

  // Pooling. Max: padding never wins, the first maximum takes the gradient; `index` Int32 [like y] keeps its place
  // in the window, kernel_w * r + s. Average: over the valid part of the window.
  virtual void max_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y,
                                const TensorView& index) = 0;
  virtual void max_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& index,
                                 const TensorView& dx) = 0;
  virtual void average_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y) = 0;
  virtual void average_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& dx) = 0;

  // Element-wise and moves.
  virtual void add(const TensorView& a, const TensorView& b, const TensorView& y) = 0;
  virtual void accumulate(const TensorView& x, const TensorView& y) = 0;  // y += x
  virtual void copy(const TensorView& x, const TensorView& y) = 0;
  virtual void copy_region(const Region& region, const TensorView& x, const TensorView& y) = 0;
  /// Element i is kept when a random number keyed by (seed, step, stream, i) is at least `rate`, then divided by
  /// 1 - rate. Backward is the same call on the gradient.
  virtual void dropout(double rate, std::uint32_t stream, const TensorView& x, const TensorView& y) = 0;
  virtual void softmax(const TensorView& x, const TensorView& y) = 0;  // over c

  /// Mean cross-entropy against (1 - smoothing) * onehot + smoothing / classes; `metrics` (Float64 [4]) grows by this
  /// batch, dlogits (may be absent) is the gradient of the mean. Ranks: ties go to the lower class.
  virtual void cross_entropy(double smoothing, const TensorView& logits, const TensorView& labels,
                             const TensorView& metrics, const TensorView& dlogits) = 0;

  // Parameters. lr = StepScalars::learning_rate * lr_scale; state tensors as many as spec.states().
  virtual void update(const OptimizerSpec& spec, double weight_decay, double lr_scale, const TensorView& parameter,
                      const TensorView& gradient, const TensorView& state0, const TensorView& state1) = 0;
  virtual void moving_average(double keep, const TensorView& x, const TensorView& y) = 0;  // y = keep y + (1-keep) x
  virtual void clip_norm(double max_norm, const TensorView& gradients) = 0;  // scales when the 2-norm is larger

  /// The operators of quantized training on this device, for batches of at most `batch` images. Both outlive them.
  [[nodiscard]] virtual std::unique_ptr<CodeOperators> make_code_operators(const nets::IntegerNetwork& network,
                                                                           const InputCodes& input,
                                                                           std::int64_t batch) = 0;
};

/// Name for make_backend: `auto` becomes `cuda` where a GPU can be used and `cpu` elsewhere; others stay as they are.
[[nodiscard]] std::string choose_device(const std::string& name);

/// `reference`, `cpu`, `cuda`, or `cuda_tf32` with short products (trainer/cuda/plugin.hpp); Error for another name and
/// where there is no GPU. Threads: at least 1; results do not depend on it.
[[nodiscard]] std::unique_ptr<Backend> make_backend(const std::string& name, int threads = 1);

// Real tensors in host precision.
void upload(Backend& backend, const TensorView& to, std::span<const float> from);
void upload(Backend& backend, const TensorView& to, std::span<const double> from);
[[nodiscard]] std::vector<float> download(Backend& backend, const TensorView& from);
[[nodiscard]] std::vector<double> download_double(Backend& backend, const TensorView& from);
[[nodiscard]] Metrics download_metrics(Backend& backend, const TensorView& from);

}  // namespace guardbit::trainer
