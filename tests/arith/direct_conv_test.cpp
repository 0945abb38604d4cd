// Depthwise convolution and convolution of 16-bit operands against arith::accumulate, on every instruction set.
#include <iostream>

#include "arith/error.hpp"
#include "tests/arith/direct_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::between;
using testing::ConvProblem;
using testing::random_conv;
using testing::Tally;

void expect_agreement(const ConvProblem& problem, Tally& tally) {
  compare_direct(problem, definition(problem), tally);
}

TEST(DirectConv, DepthwiseAgreesWithTheDefinition) {
  Random random(31, 0);
  Tally tally;
  for (int i = 0; tally.distinct < 200000; ++i) {
    ConvProblem problem = random_conv(random, 4 + i % 58, i % 3 == 0, true);
    if (i % 2 == 0) testing::provoke(random, problem);
    expect_agreement(problem, tally);
    if (HasFatalFailure()) return;
  }
  print(tally);
  for (const char* name : {"depthwise 32 proven", "depthwise 32 lanes", "depthwise 64 proven", "depthwise 64 lanes"}) {
    EXPECT_GE(tally.of(std::string(name) + " scalar"), 1000U) << name;
  }
  EXPECT_GE(tally.transient, 2000U);
}

TEST(DirectConv, SixteenBitsAgreeWithTheDefinition) {
  Random random(32, 0);
  Tally tally;
  for (int i = 0; tally.distinct < 100000; ++i) {
    ConvProblem problem = random_conv(random, 6 + i % 43, i % 4 != 0);
    if (i % 2 == 0) testing::provoke(random, problem);
    expect_agreement(problem, tally);
    if (HasFatalFailure()) return;
  }
  print(tally);
  EXPECT_GE(tally.of("16 bits scalar"), 50000U);
  EXPECT_GT(tally.work.guarded, 0U);
  EXPECT_GT(tally.work.lanes, 0U);
  EXPECT_GE(tally.transient, 2000U);
}

TEST(DirectConv, WideStripsOfManyChannels) {
  // More values per row than are held at a time, so that rows are cut, and pieces of rows.
  Random random(33, 0);
  for (const int stride : {1, 2}) {
    Tally tally;
    ConvProblem p;
    p.g = {.images = 2, .h = 5, .w = 45, .c = 300, .p = 4, .q = 44 / stride, .k = 300 * stride, .r = 3, .s = 3,
           .groups = 300, .stride_w = stride, .pad_top = 1, .pad_left = 1};
    p.accumulation.accumulator = {integer_format(18, true, Overflow::SAT), 1};
    p.zero_point = 7;
    for (int i = 0; i < 2 * 5 * 45 * 300; ++i) p.u8.push_back(static_cast<std::uint8_t>(random.below(256)));
    for (int i = 0; i < p.g.k * 9; ++i) p.weight.push_back(between(random, -128, 127));
    for (int k = 0; k < p.g.k; ++k) p.initial.push_back(between(random, -140000, 140000));
    expect_agreement(p, tally);
    if (HasFatalFailure()) return;
    EXPECT_GT(tally.overflowed, 1000U);
  }
}

TEST(DirectConv, TheFirstOverflowMayBeInALaterStrip) {
  // Far right in the first row of outputs, and far left in the last one.
  Tally tally;
  ConvProblem p;
  p.g = {.images = 1, .h = 6, .w = 44, .c = 300, .p = 4, .q = 42, .k = 300, .r = 3, .s = 3, .groups = 300};
  p.accumulation.accumulator = {integer_format(14, true, Overflow::SAT), 1};
  p.u8.assign(6 * 44 * 300, 1);
  p.weight.assign(300 * 9, 100);
  p.u8[(0 * 44 + 43) * 300 + 7] = 255;
  p.u8[(5 * 44 + 0) * 300 + 3] = 255;
  const testing::ConvResult expected = definition(p);
  ASSERT_EQ(expected.evidence.accumulator.first->output, testing::kFirst + 41 * 300 + 7);
  compare_direct(p, expected, tally);
  EXPECT_EQ(tally.overflowed, 2U);
}

// One row of pixels and 1x1 filters: a matrix product with codes and weights of 16 bits.
ConvProblem product(int pixels, int depth, int filters, const Format& format, int step = 1) {
  ConvProblem p;
  p.g = {.images = 1, .h = 1, .w = pixels, .c = depth, .p = 1, .q = pixels, .k = filters};
  p.accumulation.accumulator = {format, step};
  p.type = GemmLhs::Type::S16;
  p.s16.resize(static_cast<std::size_t>(pixels * depth));
  p.weight.resize(static_cast<std::size_t>(filters * depth));
  return p;
}

TEST(DirectConv, ExtremeOperandsOfSixteenBits) {
  // Every product is 2^30 or nearly -2^30: a chunk of them is 2^36.
  for (const int sign : {1, -1}) {
    for (const int zero_point : {0, 32767, -32768}) {
      Tally tally;
      ConvProblem p = product(70, 130, 34, integer_format(48, true, Overflow::SAT));
      p.zero_point = zero_point;
      for (std::size_t i = 0; i < p.s16.size(); ++i) p.s16[i] = static_cast<std::int16_t>(i % 5 == 0 ? 32767 : -32768);
      for (std::size_t i = 0; i < p.weight.size(); ++i) p.weight[i] = sign > 0 ? -32768 : i % 7 == 0 ? -32768 : 32767;
      expect_agreement(p, tally);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(DirectConv, ASumThatLeavesTheFormatWithinAChunkIsFound) {
  // Alone among small products, one makes the sum leave the format and the next brings it back, at every place; with
  // operands of both signs, and (zero point -32768) where none can be negative.
  for (int hot = 0; hot < 130; hot += 3) {
    for (const int sign : {1, -1}) {
      for (const int zero_point : {0, -32768}) {
        Tally tally;
        ConvProblem p = product(67, 131, 33, integer_format(24, true, hot % 2 == 0 ? Overflow::SAT : Overflow::WRAP));
        p.zero_point = zero_point;
        for (std::size_t i = 0; i < p.s16.size(); ++i) {
          p.s16[i] = static_cast<std::int16_t>(zero_point + static_cast<int>(i % 3));
        }
        for (std::size_t i = 0; i < p.weight.size(); ++i) p.weight[i] = static_cast<int>(i % 5) - 2;
        const auto pixel = static_cast<std::size_t>(hot) % 67;
        const auto filter = static_cast<std::size_t>(hot) % 33;
        const auto at = static_cast<std::size_t>(hot);
        const int back = zero_point == 0 && hot % 4 < 2 ? -1 : 1;  // the sign of the operand that leads back
        p.s16[pixel * 131 + at] = static_cast<std::int16_t>(zero_point + 20000);
        p.s16[pixel * 131 + at + 1] = static_cast<std::int16_t>(zero_point + back * 20000);
        p.weight[filter * 131 + at] = sign * 20000;
        p.weight[filter * 131 + at + 1] = -back * sign * 20000;
        expect_agreement(p, tally);
        if (HasFatalFailure()) return;
        EXPECT_GE(tally.overflowed, 1U);
      }
    }
  }
}

TEST(DirectConv, TheSumThatAChunkBeginsWithCounts) {
  // 16 products lead to 1000 below a bound, the next passes it by 1000, and 15 fall so far that only the sum at the
  // chunk's beginning tells. The first pixel has shown that range before. No operand is negative: bounds are tight.
  for (const int sign : {1, -1}) {
    Tally tally;
    ConvProblem p = product(70, 128, 20, integer_format(20, true, Overflow::SAT));
    p.zero_point = -32768;
    std::fill(p.s16.begin(), p.s16.end(), std::int16_t{-32768});
    for (int pixel = 0; pixel < 70; ++pixel) {
      for (int k = 0; k < 32; ++k) {
        const int code = pixel > 0 || k < 16 ? 100 : k == 16 ? 200 : 0;
        p.s16[static_cast<std::size_t>(pixel * 128 + k)] = static_cast<std::int16_t>(code - 32768);
      }
    }
    for (int filter = 0; filter < 20; ++filter) {
      for (int k = 0; k < 32; ++k) {
        p.weight[static_cast<std::size_t>(filter * 128 + k)] = sign * (k < 16 ? 100 : k == 16 ? 20 : -300);
      }
      p.initial.push_back(sign * (524287 - 160000 - 1000));
    }
    expect_agreement(p, tally);
    if (HasFatalFailure()) return;
    EXPECT_EQ(tally.overflowed, 70U * 20U);
  }
}

TEST(DirectConv, GivesTheGuardUpAndTakesItUpAgain) {
  // The first 300 of 2000 pixels overflow everywhere, the others nowhere.
  for (const int step : {1, 3}) {
    Tally tally;
    Random random(34, 0);
    ConvProblem p = product(2000, 24, 70, integer_format(20, true, Overflow::SAT), step);
    for (std::size_t i = 0; i < p.s16.size(); ++i) {
      p.s16[i] = static_cast<std::int16_t>(between(random, -1, 1) * (i < 300 * 24 ? 9000 : 1));
    }
    for (int& weight : p.weight) weight = between(random, -300, 300);
    expect_agreement(p, tally);
    if (HasFatalFailure()) return;
    EXPECT_GT(tally.work.guarded, tally.work.lanes / 2);
    EXPECT_GT(tally.work.lanes, tally.work.guarded / 8);
  }
}

TEST(DirectConv, AnyFormatIsFollowedWhereNothingOverflows) {
  Random random(35, 0);
  for (const Overflow mode : {Overflow::SAT_ZERO, Overflow::WRAP_SM, Overflow::WRAP}) {
    Tally tally;
    ConvProblem p = product(80, 40, 40, integer_format(mode == Overflow::WRAP ? 64 : 50, true, mode));
    for (auto& code : p.s16) code = static_cast<std::int16_t>(between(random, -32768, 32767));
    for (int& weight : p.weight) weight = between(random, -32768, 32767);
    for (int k = 0; k < 40; ++k) p.initial.push_back(between(random, -1000000, 1000000) * std::int64_t{3000});
    expect_agreement(p, tally);
    p.g.groups = 40;
    p.weight.resize(40);
    expect_agreement(p, tally);
    if (HasFatalFailure()) return;
    EXPECT_GE(tally.of("depthwise 64 proven scalar"), 3200U);
  }
}

TEST(DirectConv, UnsignedCodesOfSixteenBits) {
  // 0..65535 are taken less 32768; with zero point 0 no operand is negative.
  ConvProblem p = product(70, 40, 33, integer_format(37, true, Overflow::WRAP));
  Random random(36, 0);
  for (auto& code : p.s16) code = static_cast<std::int16_t>(between(random, -32768, 32767));
  for (int& weight : p.weight) weight = between(random, -32768, 32767);
  p.zero_point = -32768;  // codes of the problem are those of the call less 32768
  const testing::ConvResult expected = definition(p);
  for (const GemmIsa isa : testing::kIsas) {
    if (!isa_supported(isa)) continue;
    const WideConv conv(p.weight.data(), p.g, {.low = 0, .high = 65535, .zero_point = 0}, {}, p.accumulation, isa);
    ASSERT_TRUE(conv.available());
    EXPECT_EQ(conv.shift(), 32768);
    const auto found = testing::run_in_parts(p, 1, [&](const GemmOut& out, AccumulationEvidence& e, const ConvRows& r) {
      conv.run(p.s16.data(), out, e, r);
    });
    testing::expect_same(found, expected, testing::name_of(isa));
  }
}

TEST(DirectConv, SaysWhatItCannotCompute) {
  const std::vector<std::int32_t> weight(64, 40000);
  const ConvGeometry g{.h = 4, .w = 4, .c = 4, .p = 4, .q = 4, .k = 4, .r = 1, .s = 1, .groups = 4};
  const CodeRange bytes{.low = 0, .high = 255, .zero_point = 0};
  Accumulation plain;
  Accumulation psum;
  psum.psum = AccumulatorSpec{};
  EXPECT_TRUE(Depthwise(weight.data(), g, bytes, {}, plain).available());
  EXPECT_FALSE(Depthwise(weight.data(), g, bytes, {}, psum).available());
  EXPECT_FALSE(WideConv(weight.data(), g, bytes, {}, plain).available());  // weights of 17 bits
  const std::vector<std::int32_t> ones(64, 1);
  EXPECT_TRUE(WideConv(ones.data(), g, bytes, {}, plain).available());
  EXPECT_FALSE(WideConv(ones.data(), g, bytes, {}, psum).available());
  EXPECT_FALSE(WideConv(ones.data(), g, {.low = -1, .high = 65535}, {}, plain).available());
  Accumulation narrow;
  narrow.accumulator.format = integer_format(8, true, Overflow::SAT_ZERO);
  EXPECT_FALSE(Depthwise(weight.data(), g, bytes, {}, narrow).available());
  const ConvGeometry grouped{.h = 4, .w = 4, .c = 4, .p = 4, .q = 4, .k = 4, .groups = 2};
  EXPECT_FALSE(Depthwise(weight.data(), grouped, bytes, {}, plain).available());
}

}  // namespace
}  // namespace guardbit::arith
