// One suite over all back ends: small cases with literal results, and finite differences for every operator.
//
// Finite differences: for random dy, L = sum(dy * y); (L(x + h) - L(x - h)) / 2h against dx. In `reference` h = 1e-5
// and the tolerance is 1e-7 (1 + |dL|); in float h = 1/64 and 3e-3, enough to find a wrong factor or index.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/trainer/device.hpp"

namespace guardbit::trainer {
namespace {

using nets::ConvAttributes;
using nets::Window;
using Values = std::vector<double>;

class BackendSuite : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
  Device device_{GetParam()};

  TensorView random(std::int64_t n, nets::Shape shape, std::uint64_t seed) {
    return device_.make(n, shape, random_values(n * shape.count(), seed));
  }
  void expect_near(const TensorView& view, const Values& expected, double tolerance = 1e-6) {
    const Values found = device_.read(view);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << "element " << i;
  }
  void check_gradient(const TensorView& x, const std::function<void()>& forward, const TensorView& y,
                      const TensorView& dy, const TensorView& dx, const char* what) {
    const bool exact = device_->element_bytes(Element::Real) == 8;
    const double h = exact ? 1e-5 : 0x1p-6, tolerance = exact ? 1e-7 : 3e-3;
    const Values start = device_.read(x), weight = device_.read(dy), gradient = device_.read(dx);
    const auto loss = [&](const Values& at) {
      upload(*device_, x, std::span<const double>(at));
      forward();
      const Values out = device_.read(y);
      double sum = 0;
      for (std::size_t i = 0; i < out.size(); ++i) sum += weight[i] * out[i];
      return sum;
    };
    const std::size_t stride = std::max<std::size_t>(1, start.size() / 40);
    for (std::size_t i = 0; i < start.size(); i += stride) {
      Values moved = start;
      moved[i] = start[i] + h;
      const double above = loss(moved);
      moved[i] = start[i] - h;
      const double numeric = (above - loss(moved)) / (2 * h);
      EXPECT_NEAR(gradient[i], numeric, tolerance * (1 + std::abs(numeric))) << what << ", element " << i;
    }
    upload(*device_, x, std::span<const double>(start));
    forward();
  }
  void check_conv(const ConvAttributes& conv, std::int64_t n, nets::Shape in, nets::Shape out) {
    const Window& w = conv.window;
    const TensorView x = random(n, in, 1), y = device_.make(n, out), dy = random(n, out, 3);
    const TensorView weight = random(conv.channels, {w.kernel_h, w.kernel_w, in.c / conv.groups}, 2);
    const TensorView bias = conv.bias ? random(conv.channels, {}, 4) : TensorView{};
    const TensorView dx = device_.make(n, in), dw = device_.make(weight.n, weight.shape);
    const TensorView db = conv.bias ? device_.make(conv.channels, {}) : TensorView{};
    const auto forward = [&] { device_->conv_forward(conv, x, weight, bias, y); };
    device_->conv_backward_data(conv, dy, weight, dx);
    device_->conv_backward_weights(conv, x, dy, dw, db);
    check_gradient(x, forward, y, dy, dx, "data");
    check_gradient(weight, forward, y, dy, dw, "weight");
    if (conv.bias) check_gradient(bias, forward, y, dy, db, "bias");
  }
};

TEST_P(BackendSuite, ConvolutionOfOneRowIsTheDotProduct) {
  ConvAttributes conv;
  conv.window.kernel_w = 2;
  conv.window.padding.right = 1;
  const TensorView x = device_.make(1, {1, 3, 1}, {1, 2, 4}), weight = device_.make(1, {1, 2, 1}, {10, 1});
  const TensorView bias = device_.make(1, {}, {0.5}), y = device_.make(1, {1, 3, 1});
  device_->conv_forward(conv, x, weight, bias, y);
  expect_near(y, {12.5, 24.5, 40.5});
}

TEST_P(BackendSuite, PointwiseConvolutionWithAStrideSkipsPixels) {
  const ConvAttributes conv{.window = {.stride_w = 2}, .channels = 1, .bias = false};
  const TensorView x = device_.make(2, {1, 3, 1}, {1, 2, 3, 4, 5, 6}), y = device_.make(2, {1, 2, 1});
  device_->conv_forward(conv, x, device_.make(1, {1, 1, 1}, {10}), {}, y);
  expect_near(y, {10, 30, 40, 60});
}
TEST_P(BackendSuite, PointwiseConvolutionOfPaddingIsTheBias) {
  const ConvAttributes conv{.window = {.padding = {.left = 1}}, .channels = 1};
  const TensorView x = device_.make(2, {1, 2, 1}, {1, 2, 3, 4}), y = device_.make(2, {1, 3, 1});
  device_->conv_forward(conv, x, device_.make(1, {1, 1, 1}, {10}), device_.make(1, {}, {0.5}), y);
  expect_near(y, {0.5, 10.5, 20.5, 0.5, 30.5, 40.5});
}

TEST_P(BackendSuite, GradientOfConvolution) {
  check_conv({.window = {.kernel_h = 3, .kernel_w = 3, .padding = {1, 1, 1, 1}}, .channels = 4}, 3, {5, 6, 3},
             {5, 6, 4});
}
TEST_P(BackendSuite, GradientOfStridedDilatedConvolutionWithUnevenPadding) {
  check_conv({.window = {.kernel_h = 2, .kernel_w = 3, .stride_h = 2, .stride_w = 1, .dilation_h = 2, .dilation_w = 1,
                         .padding = {0, 1, 2, 0}}, .channels = 5, .bias = false}, 2, {7, 5, 2}, {3, 5, 5});
}
// The patches of a 1x1 convolution are the pixels, but not of every pixel when it strides or pads.
TEST_P(BackendSuite, GradientOfPointwiseConvolution) {
  check_conv({.window = {}, .channels = 5}, 3, {3, 4, 4}, {3, 4, 5});
}
TEST_P(BackendSuite, GradientOfStridedPointwiseConvolution) {
  check_conv({.window = {.stride_h = 2, .stride_w = 2}, .channels = 5}, 3, {5, 6, 4}, {3, 3, 5});
}
TEST_P(BackendSuite, GradientOfPaddedPointwiseConvolution) {
  check_conv({.window = {.padding = {1, 0, 0, 1}}, .channels = 3}, 2, {3, 3, 2}, {4, 4, 3});
}
TEST_P(BackendSuite, GradientOfGroupedConvolution) {
  check_conv({.window = {.kernel_h = 3, .kernel_w = 3, .padding = {}}, .channels = 6, .groups = 2}, 2, {4, 5, 4}, {2, 3, 6});
}
TEST_P(BackendSuite, GradientOfDepthwiseConvolution) {
  check_conv({.window = {.kernel_h = 3, .kernel_w = 3, .padding = {1, 1, 1, 1}}, .channels = 4, .groups = 4}, 2,
             {4, 4, 4}, {4, 4, 4});
}
TEST_P(BackendSuite, GradientOfFullyConnected) { check_conv({.window = {}, .channels = 7}, 5, {1, 1, 11}, {1, 1, 7}); }

TEST_P(BackendSuite, BatchNormNormalizesTheBatchAndBlendsTheStatistics) {
  const TensorView x = device_.make(2, {1, 2, 1}, {1, 3, 5, 7}), y = device_.make(2, {1, 2, 1});
  const BatchNormTensors t{device_.make(1, {}, {2}), device_.make(1, {}, {1}), device_.make(1, {}, {8}),
                           device_.make(1, {}, {1}), device_.make(1, {}), device_.make(1, {})};
  const nets::BatchNormAttributes norm{.epsilon = 0, .momentum = 0.75};
  device_->batch_norm_train(norm, Activation::None, x, t, y);
  const double unit = 2 / std::sqrt(5.0);  // mean 4, variance 5 (unbiased 20 / 3)
  expect_near(y, {1 - 3 * unit, 1 - unit, 1 + unit, 1 + 3 * unit});
  expect_near(t.mean, {7.0});
  expect_near(t.variance, {0.75 + 5.0 / 3});
  device_->batch_norm_infer(norm, Activation::Relu, device_.make(1, {1, 2, 1}, {7, -100}),
                            t, device_.make(1, {1, 2, 1}));
}

TEST_P(BackendSuite, BatchNormInferenceUsesTheRunningStatistics) {
  const BatchNormTensors t{device_.make(2, {}, {2, 1}), device_.make(2, {}, {1, 0}), device_.make(2, {}, {3, 0}),
                           device_.make(2, {}, {4, 1}), {}, {}};
  const TensorView y = device_.make(1, {2, 1, 2});
  device_->batch_norm_infer({.epsilon = 0, .momentum = 0}, Activation::Relu6, device_.make(1, {2, 1, 2}, {5, -1, 1, 9}),
                            t, y);
  expect_near(y, {3, 0, 0, 6});
}

TEST_P(BackendSuite, GradientOfBatchNormWithActivations) {
  for (const Activation activation : {Activation::None, Activation::Relu, Activation::Relu6}) {
    const nets::Shape shape{3, 4, 3};
    const TensorView x = random(6, shape, 1), y = device_.make(6, shape), dy = random(6, shape, 2);
    const BatchNormTensors t{random(3, {}, 3), device_.make(3, {}, {4.9, 0.6, 5.1}), device_.make(3, {}),
                             device_.make(3, {}), device_.make(3, {}), device_.make(3, {})};
    const TensorView dx = device_.make(6, shape), dgamma = device_.make(3, {}), dbeta = device_.make(3, {});
    const auto forward = [&] { device_->batch_norm_train({}, activation, x, t, y); };
    forward();
    device_->batch_norm_backward(activation, x, y, dy, t, dx, dgamma, dbeta);
    if (activation != Activation::None && device_->element_bytes(Element::Real) == 4) continue;  // kinks within h
    check_gradient(x, forward, y, dy, dx, "data");
    check_gradient(t.gamma, forward, y, dy, dgamma, "gamma");
    check_gradient(t.beta, forward, y, dy, dbeta, "beta");
  }
}

TEST_P(BackendSuite, ActivationsClampAndPassGradientsInside) {
  const TensorView x = device_.make(1, {1, 1, 5}, {-1, 0, 3, 6, 7}), y = device_.make(1, {1, 1, 5});
  const TensorView dy = device_.make(1, {1, 1, 5}, {1, 2, 3, 4, 5}), dx = device_.make(1, {1, 1, 5});
  device_->activation_forward(Activation::Relu, x, y);
  expect_near(y, {0, 0, 3, 6, 7});
  device_->activation_backward(Activation::Relu, y, dy, dx);
  expect_near(dx, {0, 0, 3, 4, 5});
  device_->activation_forward(Activation::Relu6, x, y);
  expect_near(y, {0, 0, 3, 6, 6});
  device_->activation_backward(Activation::Relu6, y, dy, dx);
  expect_near(dx, {0, 0, 3, 0, 0});
}

TEST_P(BackendSuite, MaxPoolTakesTheFirstMaximumAndIgnoresPadding) {
  const Window w{.kernel_h = 1, .kernel_w = 3, .stride_w = 2, .padding = {.left = 1, .right = 1}};
  const TensorView x = device_.make(1, {1, 5, 1}, {-5, -2, -2, -7, -9}), y = device_.make(1, {1, 3, 1});
  const TensorView index = device_.make(1, {1, 3, 1}, Element::Int32), dx = device_.make(1, {1, 5, 1});
  device_->max_pool_forward(w, x, y, index);
  expect_near(y, {-2, -2, -7});
  EXPECT_EQ(device_.read_int(index), (std::vector<std::int32_t>{2, 0, 0}));
  device_->max_pool_backward(w, device_.make(1, {1, 3, 1}, {1, 10, 100}), index, dx);
  expect_near(dx, {0, 11, 0, 100, 0});
}

TEST_P(BackendSuite, AveragePoolDividesByTheValidPart) {
  const Window w{.kernel_h = 1, .kernel_w = 2, .padding = {.right = 1}};
  const TensorView y = device_.make(1, {1, 2, 1}), dx = device_.make(1, {1, 2, 1});
  device_->average_pool_forward(w, device_.make(1, {1, 2, 1}, {2, 6}), y);
  expect_near(y, {4, 6});
  device_->average_pool_backward(w, device_.make(1, {1, 2, 1}, {1, 10}), dx);
  expect_near(dx, {0.5, 10.5});
}

TEST_P(BackendSuite, GradientOfPools) {
  const Window w{.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 1, .padding = {1, 0, 0, 1}};
  const TensorView x = random(2, {5, 4, 3}, 9), y = device_.make(2, {2, 4, 3}), dy = random(2, {2, 4, 3}, 8);
  const TensorView dx = device_.make(2, {5, 4, 3}), index = device_.make(2, {2, 4, 3}, Element::Int32);
  device_->average_pool_backward(w, dy, dx);
  check_gradient(x, [&] { device_->average_pool_forward(w, x, y); }, y, dy, dx, "average");
  // All values an odd multiple of 1/16 apart: a step of 1/64 changes no maximum.
  Values distinct(120);
  for (std::size_t i = 0; i < 120; ++i) distinct[i] = static_cast<double>(i * 77 % 120) / 16;
  upload(*device_, x, std::span<const double>(distinct));
  const auto forward = [&] { device_->max_pool_forward(w, x, y, index); };
  forward();
  device_->max_pool_backward(w, dy, index, dx);
  check_gradient(x, forward, y, dy, dx, "max");
}

TEST_P(BackendSuite, CrossEntropyOfUniformScoresIsTheLogarithmOfTheClasses) {
  const TensorView metrics = device_.make(4, {}, Element::Float64), dlogits = device_.make(2, {1, 1, 4});
  device_->cross_entropy(0, device_.make(2, {1, 1, 4}, Values(8, 3.0)), device_.labels({0, 3}), metrics, dlogits);
  const Metrics m = download_metrics(*device_, metrics);
  EXPECT_NEAR(m.loss, 2 * std::log(4.0), 1e-6);
  EXPECT_EQ(m.top1, 1);  // ties go to the lower class
  EXPECT_EQ(m.top5, 2);
  EXPECT_EQ(m.images, 2);
  expect_near(dlogits, {-0.375, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375});
}

TEST_P(BackendSuite, ScoresThatAreNotNumbersAreNeverRight) {
  const TensorView metrics = device_.make(4, {}, Element::Float64);
  device_->cross_entropy(0, device_.make(1, {1, 1, 3}, {NAN, 0, 0}), device_.labels({0}), metrics, {});
  const Metrics m = download_metrics(*device_, metrics);
  EXPECT_EQ(m.top1 + m.top5, 0);
  EXPECT_FALSE(std::isfinite(m.loss));
}

TEST_P(BackendSuite, TopFiveCountsRanksBelowFive) {
  const TensorView metrics = device_.make(4, {}, Element::Float64), scores = device_.make(2, {1, 1, 7},
      {7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1});
  device_->cross_entropy(0, scores, device_.labels({4, 5}), metrics, {});
  EXPECT_EQ(download_metrics(*device_, metrics).top5, 1);
}

TEST_P(BackendSuite, GradientOfCrossEntropyWithSmoothing) {
  const TensorView x = random(3, {1, 1, 5}, 1), labels = device_.labels({4, 0, 2});
  const TensorView metrics = device_.make(4, {}, Element::Float64), dx = device_.make(3, {1, 1, 5});
  device_->cross_entropy(0.2, x, labels, metrics, dx);
  const Values start = device_.read(x), gradient = device_.read(dx);
  const auto loss = [&](Values at, std::size_t i, double step) {
    at[i] += step;
    upload(*device_, x, std::span<const double>(at));
    device_->fill(metrics, 0);
    device_->cross_entropy(0.2, x, labels, metrics, {});
    return download_metrics(*device_, metrics).loss / 3;
  };
  for (std::size_t i = 0; i < start.size(); ++i)
    EXPECT_NEAR(gradient[i], (loss(start, i, 0x1p-9) - loss(start, i, -0x1p-9)) * 0x1p8, 2e-6);
}

TEST_P(BackendSuite, SoftmaxOfLogarithmsIsProportional) {
  const TensorView y = device_.make(1, {1, 1, 3});
  device_->softmax(device_.make(1, {1, 1, 3}, {std::log(1.0), std::log(2.0), std::log(5.0)}), y);
  expect_near(y, {0.125, 0.25, 0.625});
}

TEST_P(BackendSuite, AddAccumulateCopyFillAndRegions) {
  const TensorView a = device_.make(1, {1, 2, 2}, {1, 2, 3, 4}), b = device_.make(1, {1, 2, 2}, {10, 20, 30, 40});
  const TensorView y = device_.make(1, {1, 2, 2}), wide = device_.make(1, {1, 3, 3});
  device_->add(a, b, y);
  expect_near(y, {11, 22, 33, 44});
  device_->accumulate(a, y);
  expect_near(y, {12, 24, 36, 48});
  device_->copy(b, y);
  expect_near(y, {10, 20, 30, 40});
  device_->fill(wide, -1);
  device_->copy_region({.height = 1, .width = 2, .channels = 1, .from_c = 1, .to_x = 1, .to_c = 2}, a, wide);
  expect_near(wide, {-1, -1, -1, -1, -1, 2, -1, -1, 4});
}

TEST_P(BackendSuite, DropoutKeepsTheExpectedShareAndRepeatsForBackward) {
  const std::int64_t n = 40000;
  const TensorView ones = device_.make(1, {1, 1, static_cast<int>(n)}, Values(static_cast<std::size_t>(n), 1.0));
  const TensorView y = device_.make(1, ones.shape), again = device_.make(1, ones.shape);
  device_->begin_step({.learning_rate = 0, .seed = 7, .step = 3});
  device_->dropout(0.25, 5, ones, y);
  device_->dropout(0.25, 5, ones, again);
  const Values kept = device_.read(y);
  EXPECT_EQ(kept, device_.read(again));
  double share = 0;
  for (const double value : kept) {
    EXPECT_TRUE(value == 0 || std::abs(value - 4.0 / 3) < 1e-6);
    share += (value > 0 ? 1.0 : 0.0) / static_cast<double>(n);
  }
  EXPECT_NEAR(share, 0.75, 0.01);
  device_->begin_step({.learning_rate = 0, .seed = 7, .step = 4});
  device_->dropout(0.25, 5, ones, again);
  EXPECT_NE(kept, device_.read(again));
}

TEST_P(BackendSuite, UpdatesFollowTheirFormulas) {
  const TensorView g = device_.make(1, {}, {1.0}), m = device_.make(1, {}), v = device_.make(1, {});
  const TensorView w = device_.make(1, {}, {2.0});
  device_->begin_step({.learning_rate = 0.5});
  device_->update({.rule = Rule::Sgd, .momentum = 0}, 0.25, 0.5, w, g, {}, {});
  expect_near(w, {2 - 0.25 * 1.5});
  device_->update({.rule = Rule::Sgd, .momentum = 0.5}, 0, 1, w, g, m, {});
  expect_near(w, {1.625 - 0.5});
  device_->update({.rule = Rule::Sgd, .momentum = 0.5}, 0, 1, w, g, m, {});  // m = 1.5
  expect_near(w, {1.125 - 0.75});
  device_->update({.rule = Rule::Sgd, .momentum = 0.5, .nesterov = true}, 0, 1, w, g, m, {});  // m = 1.75
  expect_near(w, {0.375 - 0.5 * 1.875});
  device_->fill(m, 0);
  device_->fill(w, 2);
  device_->update({.rule = Rule::Adam}, 0, 1, w, g, m, v);  // the first step has the length of the rate
  expect_near(w, {1.5});
  expect_near(m, {0.1});
  expect_near(v, {0.001});
  device_->fill(m, 0);
  device_->fill(v, 0);
  device_->update({.rule = Rule::AdamW}, 0.5, 1, w, g, m, v);
  expect_near(w, {1.5 * 0.75 - 0.5});
  device_->moving_average(0.75, g, w);
  expect_near(w, {0.75 * 0.625 + 0.25});
}

// By hand: v = 0.5 * 1 + 0.5 * 1.5^2 = 1.625, change 0.5 * 1.5 / sqrt(1.625 + 0.625) = 0.5; then
// v = 0.5 * 1.625 + 0.5 * (1 + 0.25 * 1.5)^2 = 1.7578125, change 0.5 * 1.375 / sqrt(2.3828125) = 0.44537661.
TEST_P(BackendSuite, RmsPropHasEpsilonInsideTheRoot) {
  const OptimizerSpec spec{.rule = Rule::RmsProp, .momentum = 0.5, .epsilon = 0.625, .decay = 0.5};
  EXPECT_EQ(spec.states(), 2);
  EXPECT_EQ(spec.initial_state(), 1);
  const TensorView g = device_.make(1, {}, {1.0}), m = device_.make(1, {}), v = device_.make(1, {}, {1.0});
  const TensorView w = device_.make(1, {}, {2.0});
  device_->begin_step({.learning_rate = 0.5});
  device_->update(spec, 0.25, 1, w, g, v, m);
  expect_near(v, {1.625});
  expect_near(m, {0.5});
  expect_near(w, {1.5});
  device_->update(spec, 0.25, 1, w, g, v, m);
  expect_near(v, {1.7578125});
  expect_near(m, {0.25 + 0.44537661});
  expect_near(w, {1.5 - 0.25 - 0.44537661});
  const OptimizerSpec plain{.rule = Rule::RmsProp, .momentum = 0, .epsilon = 0.625, .decay = 0.5};
  EXPECT_EQ(plain.states(), 1);
  device_->fill(v, 1);
  device_->fill(w, 2);
  device_->update(plain, 0.25, 0.5, w, g, v, {});
  expect_near(w, {1.75});
}

TEST_P(BackendSuite, ClippingScalesOnlyLongGradients) {
  const TensorView g = device_.make(2, {}, {3, 4});
  device_->clip_norm(10, g);
  expect_near(g, {3, 4});
  device_->clip_norm(1, g);
  expect_near(g, {0.6, 0.8});
}

TEST_P(BackendSuite, LoadingShiftsMirrorsRotatesAndCuts) {
  const TensorView images = device_.make(2, {2, 2, 1}, Element::Byte), labels = device_.labels({4, 9});
  const std::uint8_t bytes[] = {0, 0, 0, 0, 10, 20, 30, 40};
  device_->copy_in(images, bytes);
  std::vector<SampleTransform> t(6, SampleTransform{.sample = 1});
  t[1].shift_x = 1;
  t[2].flip = true;
  t[3].affine = true;  // a quarter turn
  t[3].matrix[0] = 0, t[3].matrix[1] = 1, t[3].matrix[2] = -1, t[3].matrix[3] = 0;
  t[4].cut_top = -1, t[4].cut_height = 2, t[4].cut_width = 1;
  t[5].sample = 0;
  const TensorView x = device_.make(6, {2, 2, 1}), y = device_.make(6, {}, Element::Int32);
  device_->load_batch(images, labels, t, {.scale = 0.1, .mean = {1}, .std = {0.5}}, x, y);
  expect_near(x, {0, 2, 4, 6, 2, -2, 6, -2, 2, 0, 6, 4, 2, 6, 0, 4, -2, 2, 4, 6, -2, -2, -2, -2}, 1e-5);
  EXPECT_EQ(device_.read_int(y), (std::vector<std::int32_t>{9, 9, 9, 9, 9, 4}));
}

INSTANTIATE_TEST_SUITE_P(All, BackendSuite,
                         testing::Values("reference", "cpu", "cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace guardbit::trainer
