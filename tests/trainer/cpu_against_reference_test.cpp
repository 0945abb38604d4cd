// The float back ends against the reference on random shapes, and the bytes of the CPU against the number of threads.
//
// Tolerance: 1e-5 times (1 + the largest reference value) per element: float rounding over at most some hundred terms
// of size 1. A missing or doubled term would be 1e-2 and more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/trainer/device.hpp"

namespace guardbit::trainer {
namespace {

using Values = std::vector<double>;
using Results = std::vector<Values>;

void expect_close(const Results& found, const Results& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    double largest = 0;
    for (const double value : expected[k]) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < found[k].size(); ++i)
      ASSERT_NEAR(found[k][i], expected[k][i], 1e-5 * (1 + largest)) << what << ", tensor " << k << ", element " << i;
  }
}

struct ConvCase {
  nets::ConvAttributes conv;
  std::int64_t n = 1;
  nets::Shape in, out;
};

ConvCase random_conv(arith::Random& random) {
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  ConvCase c;
  nets::Window& w = c.conv.window;
  w = {pick(1, 5), pick(1, 5), pick(1, 3), pick(1, 3), pick(1, 2), pick(1, 2), {pick(0, 2), pick(0, 2), pick(0, 2),
       pick(0, 2)}};
  const int kind = pick(0, 3);
  if (kind == 2) w.kernel_h = w.kernel_w = 1, w.padding = {};  // pointwise, often with a stride
  c.conv.groups = kind == 0 ? pick(2, 5) : 1;
  const int in_each = kind == 1 ? 16 : pick(1, 6), out_each = kind == 1 ? 32 : pick(1, 7);
  c.conv.channels = c.conv.groups * out_each;
  c.conv.bias = pick(0, 1) == 1;
  c.n = pick(1, 21);
  const int reach_h = w.dilation_h * (w.kernel_h - 1) + 1, reach_w = w.dilation_w * (w.kernel_w - 1) + 1;
  c.in = {reach_h + pick(0, 6), reach_w + pick(0, 6), c.conv.groups * in_each};
  c.out = {(c.in.h + w.padding.top + w.padding.bottom - reach_h) / w.stride_h + 1,
           (c.in.w + w.padding.left + w.padding.right - reach_w) / w.stride_w + 1, c.conv.channels};
  return c;
}

Results run_conv(const ConvCase& c, const std::string& name, int threads) {
  Device device(name, threads);
  const nets::Window& w = c.conv.window;
  const nets::Shape kernel{w.kernel_h, w.kernel_w, c.in.c / c.conv.groups};
  const TensorView x = device.make(c.n, c.in, random_values(c.n * c.in.count(), 1));
  const TensorView weight = device.make(c.conv.channels, kernel, random_values(c.conv.channels * kernel.count(), 2));
  const TensorView dy = device.make(c.n, c.out, random_values(c.n * c.out.count(), 3));
  const TensorView bias = c.conv.bias ? device.make(c.conv.channels, {}, random_values(c.conv.channels, 4))
                                      : TensorView{};
  const TensorView y = device.make(c.n, c.out), dx = device.make(c.n, c.in), dw = device.make(weight.n, kernel);
  const TensorView db = c.conv.bias ? device.make(c.conv.channels, {}) : TensorView{};
  device->conv_forward(c.conv, x, weight, bias, y);
  device->conv_backward_data(c.conv, dy, weight, dx);
  device->conv_backward_weights(c.conv, x, dy, dw, db);
  Results results{device.read(y), device.read(dx), device.read(dw)};
  if (c.conv.bias) results.push_back(device.read(db));
  return results;
}

class AgainstReference : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, AgainstReference, testing::Values("cpu", "cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(AgainstReference, ConvolutionsOfRandomShape) {
  arith::Random random(20);
  for (int i = 0; i < 60; ++i) {
    const ConvCase c = random_conv(random);
    expect_close(run_conv(c, GetParam(), 2), run_conv(c, "reference", 1), "case " + std::to_string(i));
  }
}

// Depthwise 3x3 has loops of its own: channels in blocks of 16, 8, 4 and 1, rows and columns with one, two or three
// taps inside, strides 1 and 2; stride 3 is left to oneDNN.
TEST(CpuAgainstReference, DepthwiseConvolutionsOfRandomShape) {
  arith::Random random(21);
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int i = 0; i < 60; ++i) {
    ConvCase c;
    nets::Window& w = c.conv.window;
    const int stride = pick(1, 3);
    w = {3, 3, stride, stride, 1, 1, {pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)}};
    const int channels = pick(0, 1) == 0 ? pick(1, 40) : 16 * pick(1, 3);
    c.conv.groups = c.conv.channels = channels;
    c.conv.bias = pick(0, 1) == 1;
    c.n = pick(1, 11);
    c.in = {pick(1, 12), pick(1, 12), channels};
    const int high = c.in.h + w.padding.top + w.padding.bottom - 3;
    const int wide = c.in.w + w.padding.left + w.padding.right - 3;
    if (high < 0 || wide < 0) continue;
    c.out = {high / stride + 1, wide / stride + 1, channels};
    expect_close(run_conv(c, "cpu", 2), run_conv(c, "reference", 1), "case " + std::to_string(i));
  }
}

// 1x1 convolutions are matrix products; weight gradients are cut by pixels or, where there are few, by outputs.
TEST(CpuAgainstReference, PointwiseConvolutionsOfRandomShape) {
  arith::Random random(22);
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int i = 0; i < 30; ++i) {
    ConvCase c;
    c.conv.channels = pick(1, 40);
    c.conv.bias = pick(0, 1) == 1;
    c.n = pick(1, 40);
    const int side = i % 3 == 0 ? 1 : pick(1, 9);
    c.in = {side, side, pick(1, 40)};
    c.out = {side, side, c.conv.channels};
    expect_close(run_conv(c, "cpu", 2), run_conv(c, "reference", 1), "case " + std::to_string(i));
  }
}

// Every pixel as SampleTransform's definition says it, without interpolation.
TEST(LoadBatch, EveryPixelIsThatOfTheDefinition) {
  arith::Random random(23);
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int i = 0; i < 200; ++i) {
    const nets::Shape shape{pick(1, 7), pick(1, 7), pick(1, 3)};
    Device device("cpu", 1);
    const TensorView images = device.make(2, shape, Element::Byte), x = device.make(1, shape);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(images.count()));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
    device->copy_in(images, bytes.data());
    const SampleTransform t{.sample = pick(0, 1), .flip = pick(0, 1) == 1, .shift_y = pick(-9, 9),
                            .shift_x = pick(-9, 9), .cut_top = pick(-4, 8), .cut_left = pick(-4, 8),
                            .cut_height = pick(0, 5), .cut_width = pick(0, 5)};
    nets::Preprocess preprocess;
    preprocess.scale = 1;
    preprocess.mean = {-1};
    preprocess.std = {1};
    device->load_batch(images, device.labels({3, 4}), std::span(&t, 1), preprocess, x, device.labels({0}));
    const Values found = device.read(x);
    std::size_t at = 0;
    for (int y = 0; y < shape.h; ++y)
      for (int column = 0; column < shape.w; ++column)
        for (int c = 0; c < shape.c; ++c, ++at) {
          const bool cut = y >= t.cut_top && y < t.cut_top + t.cut_height && column >= t.cut_left &&
                           column < t.cut_left + t.cut_width;
          const int sy = y + t.shift_y, sx = (t.flip ? shape.w - 1 - column : column) + t.shift_x;
          const bool inside = !cut && sy >= 0 && sy < shape.h && sx >= 0 && sx < shape.w;
          const int pixel = inside ? bytes[static_cast<std::size_t>(t.sample * shape.count() +
                                                                    (sy * shape.w + sx) * shape.c + c)] : 0;
          ASSERT_EQ(found[at], pixel + 1) << i << ": " << y << ' ' << column << ' ' << c;
        }
  }
}

Results run_others(std::int64_t n, const nets::Shape& shape, Activation activation, const std::string& name,
                   int threads) {
  Device device(name, threads);
  const std::int64_t count = n * shape.count(), channels = shape.c;
  const TensorView x = device.make(n, shape, random_values(count, 1)), dy = device.make(n, shape,
                                                                                         random_values(count, 2));
  std::vector<double> gamma = random_values(channels, 3);
  for (double& value : gamma) value *= 8;  // so that relu6 has something to cut off above
  BatchNormTensors t{device.make(channels, {}, gamma),
                     device.make(channels, {}, random_values(channels, 4)), device.make(channels, {}),
                     device.make(channels, {}), device.make(channels, {}), device.make(channels, {})};
  const TensorView y = device.make(n, shape), dx = device.make(n, shape), dgamma = device.make(channels, {}),
                   dbeta = device.make(channels, {});
  Results results;
  const auto keep = [&](const TensorView& view) { results.push_back(device.read(view)); };
  device->batch_norm_train({}, activation, x, t, y);
  keep(y), keep(t.mean), keep(t.variance);
  device->batch_norm_backward(activation, x, y, dy, t, dx, dgamma, dbeta);
  keep(dx), keep(dgamma), keep(dbeta);
  device->batch_norm_infer({}, activation, x, t, y);
  keep(y);
  device->begin_step({.learning_rate = 0.1, .seed = 3, .step = 9});
  device->dropout(0.3, 2, x, y);
  keep(y);
  const bool halves = shape.h % 2 == 0 && shape.w % 2 == 0;  // the most frequent pooling has loops of its own
  const nets::Window w = halves ? nets::Window{2, 2, 2, 2, 1, 1, {}} : nets::Window{3, 2, 2, 1, 1, 2, {1, 1, 1, 1}};
  const nets::Shape out = halves ? nets::Shape{shape.h / 2, shape.w / 2, shape.c}
                                 : nets::Shape{(shape.h + 2 - 3) / 2 + 1, shape.w + 2 - 3 + 1, shape.c};
  const TensorView pooled = device.make(n, out), dpooled = device.make(n, out, random_values(n * out.count(), 5));
  const TensorView index = device.make(n, out, Element::Int32);
  device->max_pool_forward(w, x, pooled, index);
  keep(pooled);
  const std::vector<std::int32_t> places = device.read_int(index);
  results.emplace_back(places.begin(), places.end());
  device->max_pool_backward(w, dpooled, index, dx);
  keep(dx);
  device->average_pool_forward(w, x, pooled);
  keep(pooled);
  device->average_pool_backward(w, dpooled, dx);
  keep(dx);
  device->activation_forward(activation, x, y);
  keep(y);
  device->activation_backward(activation, y, dy, dx);
  keep(dx);
  device->clip_norm(1.5, dy);
  keep(dy);
  const TensorView m = device.make(n, shape), v = device.make(n, shape);
  for (const Rule rule : {Rule::Sgd, Rule::Adam, Rule::AdamW}) {
    device->update({.rule = rule, .nesterov = true}, 0.01, 1, x, dx, m, v);
    keep(x);
  }
  device->moving_average(0.9, dx, x);
  keep(x);
  return results;
}

TEST_P(AgainstReference, OtherOperatorsOnRandomShapes) {
  arith::Random random(21);
  for (int i = 0; i < 24; ++i) {
    const nets::Shape shape{2 + static_cast<int>(random.below(9)), 2 + static_cast<int>(random.below(9)),
                            1 + static_cast<int>(random.below(150))};
    const auto n = static_cast<std::int64_t>(2 + random.below(19));
    const auto activation = static_cast<Activation>(random.below(3));
    expect_close(run_others(n, shape, activation, GetParam(), 2), run_others(n, shape, activation, "reference", 1),
                 "case " + std::to_string(i));
  }
}

TEST_P(AgainstReference, CrossEntropyOfLargeScores) {
  Metrics found[2];
  for (int k = 0; k < 2; ++k) {
    Device device(k == 0 ? GetParam() : "reference");
    Values scores = random_values(37 * 11, 6);
    for (double& score : scores) score *= 200;
    std::vector<std::int32_t> labels(37);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 11);
    const TensorView metrics = device.make(4, {}, Element::Float64);
    device->cross_entropy(0.1, device.make(37, {1, 1, 11}, scores), device.labels(labels), metrics, {});
    found[k] = download_metrics(*device, metrics);
  }
  EXPECT_NEAR(found[0].loss, found[1].loss, 1e-3);
  EXPECT_EQ(found[0].top1, found[1].top1);
  EXPECT_EQ(found[0].top5, found[1].top5);
}

// Gradients of weights depend on how many images fit the workspace.
TEST(CudaOnHost, BytesDoNotDependOnTheOrderOfTheBodies) {
  arith::Random random(23);
  for (int i = 0; i < 30; ++i) {
    const ConvCase c = random_conv(random);
    Results one = run_conv(c, "cuda_on_host", 1), other = run_conv(c, "cuda_scattered", 1);
    one.erase(one.begin() + 2), other.erase(other.begin() + 2);
    EXPECT_EQ(one, other) << "case " << i;
  }
  for (const nets::Shape& shape : {nets::Shape{12, 12, 24}, nets::Shape{17, 13, 3}, nets::Shape{40, 40, 1}})
    EXPECT_EQ(run_others(19, shape, Activation::Relu6, "cuda_on_host", 1),
              run_others(19, shape, Activation::Relu6, "cuda_scattered", 1));
}

// Everything but matrix products, exponentials and logarithms is IEEE arithmetic in the order that the bodies say.
TEST(CudaOnGpu, BytesAreThoseOfTheLoopsOnTheHost) {
  GUARDBIT_SKIP_WITHOUT("cuda");
  for (const nets::Shape& shape : {nets::Shape{12, 12, 24}, nets::Shape{17, 13, 3}, nets::Shape{40, 40, 1}})
    EXPECT_EQ(run_others(19, shape, Activation::Relu6, "cuda", 1),
              run_others(19, shape, Activation::Relu6, "cuda_on_host", 1));
  EXPECT_EQ(run_others(19, {9, 9, 16}, Activation::Relu, "cuda", 1),
            run_others(19, {9, 9, 16}, Activation::Relu, "cuda", 1));
}

TEST(CpuBackend, BytesDoNotDependOnTheNumberOfThreads) {
  arith::Random random(22);
  for (int i = 0; i < 10; ++i) {
    const ConvCase c = random_conv(random);
    const Results one = run_conv(c, "cpu", 1);
    for (const int threads : {2, 3}) EXPECT_EQ(one, run_conv(c, "cpu", threads)) << "case " << i;
  }
  const nets::Shape shape{12, 12, 24};
  EXPECT_EQ(run_others(19, shape, Activation::Relu, "cpu", 1), run_others(19, shape, Activation::Relu, "cpu", 3));
}

}  // namespace
}  // namespace guardbit::trainer
