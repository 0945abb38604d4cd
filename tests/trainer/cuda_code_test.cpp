// What kernels compute with, over all threads on the host: divisions, windows, and bodies whose bytes are those of the
// CPU back end.
#include <gtest/gtest.h>

#include <algorithm>

#include "arith/error.hpp"
#include "tests/trainer/device.hpp"
#include "trainer/cuda/bodies_sums.hpp"
#include "trainer/cuda/bodies_update.hpp"
#include "trainer/cuda/queue.hpp"

namespace guardbit::trainer {
namespace {

using cuda::Axis;
using cuda::Count;
using cuda::Divider;
using cuda::Index;

TEST(CudaDivider, DividesEveryNumberBelowTwoToThe31) {
  std::vector<Count> divisors;
  for (Count d = 1; d <= 600; ++d) divisors.push_back(d);
  for (int bit = 10; bit <= 30; ++bit)
    for (const Count d : {(Count{1} << bit) - 1, Count{1} << bit, (Count{1} << bit) + 1}) divisors.push_back(d);
  divisors.push_back(INT32_MAX);
  arith::Random random(1);
  for (int i = 0; i < 200; ++i) divisors.push_back(1 + static_cast<Count>(random.below(INT32_MAX)));
  for (const Count d : divisors) {
    const Divider divider(d);
    std::vector<Count> numbers{0, 1, d - 1, d, d + 1, INT32_MAX - 1, INT32_MAX};
    const Count last = INT32_MAX / d;  // both sides of a multiple, where a wrong quotient shows first
    for (Count k = 0; k < 40; ++k) {
      const auto any = static_cast<Count>(random.below(static_cast<std::uint64_t>(last) + 1));
      const Count multiple = d * (k < 20 ? last - k : any);
      for (const Count n : {multiple - 1, multiple, multiple + 1}) numbers.push_back(n);
    }
    for (const Count n : numbers) {
      if (n < 0 || n > INT32_MAX) continue;
      auto rest = static_cast<Index>(n);
      ASSERT_EQ(divider.quotient(rest), static_cast<Index>(n / d)) << n << " / " << d;
      ASSERT_EQ(divider.take(rest), static_cast<Index>(n % d)) << n << " % " << d;
      ASSERT_EQ(rest, static_cast<Index>(n / d));
    }
  }
}

TEST(CudaUnflatten, IsTheInverseOfTheFlatIndex) {
  const cuda::Unflatten position(3, 5, 7);
  for (Index n = 0, i = 0; n < 2; ++n)
    for (Index y = 0; y < 3; ++y)
      for (Index x = 0; x < 5; ++x)
        for (Index c = 0; c < 7; ++c, ++i) {
          const cuda::Position at = position(i);
          ASSERT_TRUE(at.n == n && at.y == y && at.x == x && at.c == c) << i;
        }
}

// Every axis with a kernel to 4, stride to 3, dilation to 3, padding to 5 and up to 7 positions.
TEST(CudaAxis, TapsAndOutputsAgreeWithTheDefinition) {
  int windows = 0;
  for (int code = 0; code < 4 * 3 * 3 * 6 * 6 * 7; ++code) {
    int rest = code;
    const auto digit = [&](int radix) {
      const int value = rest % radix;
      rest /= radix;
      return value;
    };
    Axis axis;
    axis.kernel = 1 + digit(4), axis.stride = 1 + digit(3), axis.dilation = 1 + digit(3);
    axis.before = digit(6);
    const int after = digit(6);
    axis.in = 1 + digit(7);
    const int room = axis.in + axis.before + after - axis.dilation * (axis.kernel - 1) - 1;
    if (room < 0) continue;
    axis.out = room / axis.stride + 1;
    ++windows;
    for (int output = 0; output < axis.out; ++output) {
      std::vector<int> inside;
      for (int tap = 0; tap < axis.kernel; ++tap) {
        const int position = output * axis.stride - axis.before + tap * axis.dilation;
        ASSERT_EQ(axis.input(output, tap), position);
        ASSERT_EQ(axis.inside(position), position >= 0 && position < axis.in);
        if (position >= 0 && position < axis.in) inside.push_back(tap);
      }
      ASSERT_EQ(axis.taps(output), static_cast<int>(inside.size()));
      if (!inside.empty()) {
        ASSERT_EQ(axis.first_tap(output), inside.front());
      }
    }
    for (int position = 0; position < axis.in; ++position)
      for (int tap = 0; tap < axis.kernel; ++tap) {
        int expected = -1;
        for (int output = 0; output < axis.out; ++output)
          if (output * axis.stride - axis.before + tap * axis.dilation == position) expected = output;
        ASSERT_EQ(axis.output(position, tap), expected);
      }
  }
  EXPECT_GT(windows, 8000);
}

TEST(CudaPower, SquaringIsThePower) {
  EXPECT_EQ(cuda::power(0.5, 10), 0x1p-10);
  EXPECT_EQ(cuda::power(3, 5), 243);
  EXPECT_EQ(cuda::power(0.9, 0), 1);
  EXPECT_NEAR(cuda::power(0.999, 4321), std::pow(0.999, 4321), 1e-12 * std::pow(0.999, 4321));
}

TEST(CudaSums, StripsCoverAnyShape) {
  for (const Count pixels : {1, 7, 8, 100, 4096, 131072, 100000000})
    for (const Count width : {1, 3, 16, 64, 4000, 100000}) {
      const int strips = cuda::strips(pixels, width);
      EXPECT_GE(strips, 1);
      EXPECT_LE(strips, pixels);
      EXPECT_LE(strips, 4096);
    }
}

// Row-major products in the convention of cuBLAS, by hand: A = [1 2; 3 4; 5 6], B = [1 10; 100 1000].
TEST(CudaGemm, RowMajorProductsAreTransposedColumnMajorOnes) {
  const float a[] = {1, 2, 3, 4, 5, 6}, a_transposed[] = {1, 3, 5, 2, 4, 6}, b[] = {1, 10, 100, 1000};
  const float b_transposed[] = {1, 100, 10, 1000};
  const std::vector<float> expected{201, 2010, 403, 4030, 605, 6050};
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const cuda::Gemm g = cuda::row_major(ta, tb, 3, 2, 2, ta ? a_transposed : a, tb ? b_transposed : b, 0, nullptr);
      // By the definition of cublasSgemm: C(i, j) = sum op(A)(i, l) op(B)(l, j), element (i, j) at i + j ld.
      std::vector<float> c(6);
      for (int i = 0; i < g.m; ++i)
        for (int j = 0; j < g.n; ++j)
          for (int l = 0; l < g.k; ++l)
            c[static_cast<std::size_t>(i + j * g.ldc)] += (g.transpose_a ? g.a[l + i * g.lda] : g.a[i + l * g.lda]) *
                                                          (g.transpose_b ? g.b[j + l * g.ldb] : g.b[l + j * g.ldb]);
      EXPECT_EQ(c, expected);
      EXPECT_GE(g.lda, g.transpose_a ? g.k : g.m);  // what cublasSgemm demands
      EXPECT_GE(g.ldb, g.transpose_b ? g.n : g.k);
      EXPECT_GE(g.ldc, g.m);
    }
}

// --- bytes of the CPU back end ------------------------------------------------------------------------------------

class CudaBytes : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, CudaBytes, testing::Values("cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

std::vector<SampleTransform> random_transforms(arith::Random& random, int samples, const nets::Shape& shape) {
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  std::vector<SampleTransform> transforms(static_cast<std::size_t>(pick(1, 40)));
  for (SampleTransform& t : transforms) {
    t.sample = pick(0, samples - 1);
    t.flip = pick(0, 1) == 1;
    t.shift_y = pick(-shape.h - 1, shape.h + 1), t.shift_x = pick(-3, 3);
    t.affine = pick(0, 1) == 1;
    for (double& entry : t.matrix) entry = 3 * random.uniform() - 1.5;
    if (pick(0, 3) == 0) t.matrix[0] = t.matrix[3] = 1, t.matrix[1] = t.matrix[2] = 0;  // whole positions
    t.cut_top = pick(-3, shape.h), t.cut_left = pick(-3, shape.w), t.cut_height = pick(0, 6), t.cut_width = pick(0, 6);
    if (pick(0, 2) > 0) continue;
    t.colour = {.wanted = true, .brightness = 0.6 * random.uniform() - 0.3, .contrast = 2 * random.uniform()};
    if (shape.c == 3) t.colour.saturation = 2 * random.uniform(), t.colour.hue = random.uniform() - 0.5;
  }
  return transforms;
}

TEST_P(CudaBytes, LoadedBatchesAreThoseOfTheCpu) {
  arith::Random random(31);
  for (int round = 0; round < 30; ++round) {
    const nets::Shape shape{1 + static_cast<int>(random.below(12)), 1 + static_cast<int>(random.below(12)),
                            1 + static_cast<int>(random.below(4))};
    constexpr int kSamples = 9;
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(kSamples * shape.count()));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
    const std::vector<SampleTransform> transforms = random_transforms(random, kSamples, shape);
    const auto n = static_cast<std::int64_t>(transforms.size());
    nets::Preprocess preprocess{.scale = 1 / 255.0, .mean = {0.31}, .std = {0.27}};
    if (round % 2 == 1)
      for (int c = 1; c < shape.c; ++c) preprocess.mean.push_back(0.1 * c), preprocess.std.push_back(0.2 + 0.1 * c);
    preprocess.standardize = round % 3 == 1;
    const auto load = [&](const std::string& name) {
      Device device(name);
      const TensorView images = device.make(kSamples, shape, Element::Byte);
      device->copy_in(images, bytes.data());
      const TensorView labels = device.labels({3, 1, 4, 1, 5, 9, 2, 6, 5});
      const TensorView x = device.make(n, shape), y = device.make(n, {}, Element::Int32);
      for (int twice = 0; twice < 2; ++twice) device->load_batch(images, labels, transforms, preprocess, x, y);
      return std::pair(download(*device, x), device.read_int(y));
    };
    EXPECT_EQ(load(GetParam()), load("cpu")) << "round " << round;
  }
}

TEST_P(CudaBytes, ATableIsMadeAnewForOtherStatistics) {
  Device device(GetParam());
  const TensorView images = device.make(1, {1, 1, 2}, Element::Byte), labels = device.labels({0});
  const std::uint8_t bytes[] = {10, 20};
  device->copy_in(images, bytes);
  const TensorView x = device.make(1, {1, 1, 2}), y = device.make(1, {}, Element::Int32);
  const SampleTransform same;
  device->load_batch(images, labels, {&same, 1}, {.scale = 1, .mean = {0}, .std = {1}}, x, y);
  EXPECT_EQ(device.read(x), (std::vector<double>{10, 20}));
  device->load_batch(images, labels, {&same, 1}, {.scale = 1, .mean = {4, 0}, .std = {2, 4}}, x, y);
  EXPECT_EQ(device.read(x), (std::vector<double>{3, 5}));
}

// Bodies number their elements below 2^31; nothing is launched beyond.
TEST_P(CudaBytes, TooManyElementsAreAnErrorBeforeAnythingIsLaunched) {
  Device device(GetParam());
  const TensorView huge{nullptr, Element::Real, 40000, {256, 256, 1}};
  try {
    device->max_pool_forward({}, huge, huge, huge);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cuda: found an operator with 2621440000 elements, allowed at most 2147483647; lower "
                               "trainer.batch_size");
  }
}

TEST_P(CudaBytes, DropoutUpdatesAndMovesAreThoseOfTheCpu) {
  for (const int count : {1, 3, 4, 5, 1023, 70001}) {
    const auto run = [&](const std::string& name) {
      Device device(name);
      const nets::Shape shape{1, 1, count};
      const TensorView x = device.make(1, shape, random_values(count, 1)), y = device.make(1, shape),
                       m = device.make(1, shape), g = device.make(1, shape, random_values(count, 2));
      std::vector<std::vector<float>> results;
      const auto keep = [&](const TensorView& view) { results.push_back(download(*device, view)); };
      device->begin_step({.learning_rate = 0.037, .seed = 0x123456789abcdef0, .step = 0x1234567890});
      device->dropout(0.37, 77, x, y), keep(y);
      device->dropout(0.001, 78, x, y), keep(y);
      device->update({.momentum = 0.9, .nesterov = true}, 0.01, 0.5, x, g, m, {}), keep(x), keep(m);
      device->update({.momentum = 0.9}, 0, 1, x, g, m, {}), keep(x), keep(m);
      device->update({.momentum = 0}, 0.02, 1, x, g, {}, {}), keep(x);
      device->moving_average(0.99, g, x), keep(x);
      device->add(x, g, y), keep(y);
      device->accumulate(x, y), keep(y);
      for (const Activation activation : {Activation::None, Activation::Relu, Activation::Relu6}) {
        device->activation_forward(activation, x, y), keep(y);
        device->activation_backward(activation, y, g, m), keep(m);
      }
      device->copy(g, y), keep(y);
      return results;
    };
    EXPECT_EQ(run(GetParam()), run("cpu")) << count;
  }
}

}  // namespace
}  // namespace guardbit::trainer
