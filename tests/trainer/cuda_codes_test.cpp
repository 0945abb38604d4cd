// Exact integer convolution of the CUDA code, as loops on the host and on a GPU, against its definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "trainer/cuda/host_queue.hpp"
#include "trainer/cuda/integer_convolution.hpp"
#include "trainer/cuda/plugin.hpp"

namespace guardbit::trainer::cuda {
namespace {

using arith::ConvGeometry;
using Sums = std::vector<std::int64_t>;

int pick(arith::Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

ConvGeometry random_geometry(arith::Random& random) {
  ConvGeometry g;
  g.images = pick(random, 1, 3);
  g.r = pick(random, 1, 3), g.s = pick(random, 1, 3);
  g.stride_h = pick(random, 1, 2), g.stride_w = pick(random, 1, 3);
  g.dilation_h = pick(random, 1, 2), g.dilation_w = pick(random, 1, 2);
  g.pad_top = pick(random, 0, 2), g.pad_left = pick(random, 0, 2);
  g.groups = pick(random, 0, 2) == 0 ? pick(random, 2, 5) : 1;
  g.c = g.groups * pick(random, 1, 9), g.k = g.groups * pick(random, 1, 5);
  const int reach_h = g.dilation_h * (g.r - 1) + 1, reach_w = g.dilation_w * (g.s - 1) + 1;
  g.h = reach_h + pick(random, 0, 4), g.w = reach_w + pick(random, 0, 4);
  g.p = (g.h + g.pad_top + pick(random, 0, 2) - reach_h) / g.stride_h + 1;
  g.q = (g.w + g.pad_left + pick(random, 0, 2) - reach_w) / g.stride_w + 1;
  return g;
}

// The formula, in 64 bits, one loop per letter.
template <class Code, class Weight>
Sums by_definition(const ConvGeometry& g, int zero_point, const std::vector<Code>& x,
                   const std::vector<Weight>& weight, const Sums& initial) {
  Sums out;
  for (std::int64_t n = 0; n < g.images; ++n)
    for (int p = 0; p < g.p; ++p)
      for (int q = 0; q < g.q; ++q)
        for (int k = 0; k < g.k; ++k) {
          std::int64_t sum = initial.empty() ? 0 : initial[static_cast<std::size_t>(k)];
          for (int r = 0; r < g.r; ++r)
            for (int s = 0; s < g.s; ++s)
              for (int c = 0; c < g.c / g.groups; ++c) {
                const int y = p * g.stride_h - g.pad_top + r * g.dilation_h;
                const int column = q * g.stride_w - g.pad_left + s * g.dilation_w;
                if (y < 0 || column < 0 || y >= g.h || column >= g.w) continue;
                const int channel = k / (g.k / g.groups) * (g.c / g.groups) + c;
                const std::int64_t code = x[static_cast<std::size_t>(((n * g.h + y) * g.w + column) * g.c + channel)];
                sum += (code - zero_point) *
                       weight[static_cast<std::size_t>(((k * g.r + r) * g.s + s) * (g.c / g.groups) + c)];
              }
          out.push_back(sum);
        }
  return out;
}

// Codes at the ends of the range as often as between them: the largest sums are met.
template <class T>
std::vector<T> random_codes(arith::Random& random, std::int64_t count) {
  std::vector<T> codes(static_cast<std::size_t>(count));
  for (T& code : codes) {
    const int kind = pick(random, 0, 3);
    code = kind == 0 ? std::numeric_limits<T>::min() : kind == 1 ? std::numeric_limits<T>::max()
                                                                 : static_cast<T>(random.next_u32());
  }
  return codes;
}

class CudaCodes : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    if (name == "cuda" && !cuda_refusal().empty()) GTEST_SKIP() << "no GPU to test on: " << cuda_refusal();
    if (name == "cuda") device_ = make_cuda_convolver();
    else
      device_ = std::make_unique<QueueConvolver<HostQueue>>(
          HostQueue(name == "ascending" ? HostQueue::Order::Ascending : HostQueue::Order::Scattered));
  }
  template <class Code, class Weight>
  void check_random(CodeType type, std::uint64_t seed);

  std::unique_ptr<CodeConvolver> device_;
};
INSTANTIATE_TEST_SUITE_P(All, CudaCodes, testing::Values("ascending", "scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

template <class Code, class Weight>
void CudaCodes::check_random(CodeType type, std::uint64_t seed) {
  arith::Random random(seed);
  for (int round = 0; round < 150; ++round) {
    const ConvGeometry g = random_geometry(random);
    const auto x = random_codes<Code>(random, g.images * g.h * g.w * g.c);
    const auto weight = random_codes<Weight>(random, g.k * g.depth());
    const int zero_point = random_codes<Code>(random, 1)[0];
    Sums initial;
    if (round % 2 == 1)
      for (int k = 0; k < g.k; ++k) initial.push_back(static_cast<std::int64_t>(random.next_u64()) >> 20);
    Sums out(static_cast<std::size_t>(g.rows() * g.k), -1);
    device_->forward({g, type, zero_point, x.data(), weight.data(), initial.empty() ? nullptr : initial.data(),
                      out.data()});
    ASSERT_EQ(out, by_definition(g, zero_point, x, weight, initial)) << "round " << round;
  }
}

TEST_P(CudaCodes, SignedBytesOnRandomShapes) { check_random<std::int8_t, std::int8_t>(CodeType::S8, 1); }
TEST_P(CudaCodes, UnsignedBytesOnRandomShapes) { check_random<std::uint8_t, std::int8_t>(CodeType::U8, 2); }
TEST_P(CudaCodes, SixteenBitsOnRandomShapes) { check_random<std::int16_t, std::int16_t>(CodeType::S16, 3); }

// 2^14 times 131071 is just below 2^31: the longest tap, at its largest sum.
TEST_P(CudaCodes, TheLongestTapOfBytesDoesNotOverflow) {
  ConvGeometry g;
  g.c = detail::kMostChannels;
  const std::vector<std::int8_t> x(static_cast<std::size_t>(g.c), -128), weight(static_cast<std::size_t>(g.c), -128);
  std::int64_t out = 0;
  device_->forward({g, CodeType::S8, 0, x.data(), weight.data(), nullptr, &out});
  EXPECT_EQ(out, std::int64_t{16384} * 131071);
  ++g.c;
  const std::vector<std::int8_t> wide(static_cast<std::size_t>(g.c));
  try {
    device_->forward({g, CodeType::S8, 0, wide.data(), wide.data(), nullptr, &out});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cuda: found 131072 channels in a group, allowed at most 131071");
  }
}

// Both halves of a word at -2^15: each product is 2^30 and their sum leaves 32 bits.
TEST_P(CudaCodes, SixteenBitProductsAreAddedIn64Bits) {
  ConvGeometry g;
  g.c = 6;
  const std::vector<std::int16_t> x(6, -32768), weight(6, -32768);
  std::int64_t out = 0;
  device_->forward({g, CodeType::S16, 0, x.data(), weight.data(), nullptr, &out});
  EXPECT_EQ(out, 6 * (std::int64_t{1} << 30));
}

}  // namespace
}  // namespace guardbit::trainer::cuda
