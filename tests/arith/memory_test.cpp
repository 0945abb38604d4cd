// No kernel holds more than its operands and 1 MB per thread: every allocation of this program is counted.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <new>

#include "arith/depthwise.hpp"
#include "arith/philox.hpp"
#include "arith/wide_conv.hpp"

namespace {

std::atomic<std::int64_t> now{0};
std::atomic<std::int64_t> peak{0};

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  const std::int64_t held = now += static_cast<std::int64_t>(malloc_usable_size(memory));
  std::int64_t before = peak;
  while (held > before && !peak.compare_exchange_weak(before, held)) {
  }
  return memory;
}

void released(void* memory) {
  if (memory != nullptr) now -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t align) {
  const auto unit = static_cast<std::size_t>(align);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* memory) noexcept { released(memory); }
void operator delete(void* memory, std::size_t) noexcept { released(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { released(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { released(memory); }

namespace guardbit::arith {
namespace {

constexpr std::int64_t kAllowed = 1 << 20;  // per thread

// What a call holds at most, beyond what was there.
template <class Call>
std::int64_t held(const Call& call) {
  const std::int64_t before = now;
  peak = before;
  call();
  return peak - before;
}

struct Case {
  std::int64_t rows, cols, depth;
  int spread;  // of the codes
};

TEST(Memory, ProductsHoldLessThanAMegabytePerThread) {
  std::int64_t most = 0;
  for (const Case& c :
       {Case{2000, 40, 27, 255}, Case{600, 70, 576, 255}, Case{600, 70, 576, 3}, Case{64, 33, 16384, 255},
        Case{16, 4096, 64, 255}, Case{64, 5, 16000, 255}, Case{300, 256, 1152, 60}, Case{100, 130, 1280, 255}}) {
    Random random(3, 0);
    std::vector<std::uint8_t> u8;
    std::vector<std::int16_t> s16;
    for (std::int64_t i = 0; i < c.rows * c.depth; ++i) {
      u8.push_back(static_cast<std::uint8_t>(random.below(static_cast<std::uint32_t>(c.spread + 1))));
      s16.push_back(u8.back());
    }
    std::vector<std::int32_t> rhs;
    for (std::int64_t i = 0; i < c.depth * c.cols; ++i)
      rhs.push_back(static_cast<std::int32_t>(random.below(255)) - 127);
    const PackedWeights weights(rhs.data(), c.cols, c.depth, c.cols);
    std::vector<std::int64_t> out(static_cast<std::size_t>(c.rows * c.cols));
    for (const int width : {16, 20, 32, 40}) {
      for (const Overflow mode : {Overflow::SAT, Overflow::WRAP}) {
        for (const bool range : {false, true}) {
          for (const int threads : {1, 2}) {
            const Accumulation accumulation{{integer_format(width, true, mode), 1}, {}, 0};
            const GemmOut to{.out64 = out.data(), .stride = c.cols, .row_step = c.cols};
            const std::int32_t zero_point = width == 40 ? 7 : 0;
            const std::int64_t here = held([&] {
              AccumulationEvidence evidence;
              gemm(GemmLhs::of(u8.data(), c.depth, zero_point), c.rows, weights, {}, accumulation, to, evidence,
                   {.threads = threads, .range = range});
            });
            EXPECT_LE(here, threads * kAllowed) << c.rows << " x " << c.cols << " x " << c.depth << ", " << width
                                                << " bits, " << threads << " threads, range " << range;
            most = std::max(most, here / threads);
          }
        }
      }
    }
    const Accumulation accumulation{{integer_format(20, true, Overflow::SAT), 1}, {}, 0};
    if (c.rows * c.cols * c.depth > (1 << 25)) continue;  // the general path is slow
    std::vector<std::int32_t> wide(rhs);
    for (std::int32_t& weight : wide) weight *= 257;
    const PackedWeights wide_weights(wide.data(), c.cols, c.depth, c.cols);
    for (const std::int64_t rows : {c.rows, c.rows / 2}) {  // half of them, each with a gap behind it
      for (const PackedWeights* right : {&weights, &wide_weights}) {
        const std::int64_t general = held([&] {
          AccumulationEvidence evidence;
          gemm(GemmLhs::of(s16.data(), c.depth * c.rows / rows, 0), rows, *right, {}, accumulation,
               {.out64 = out.data(), .stride = c.cols, .row_step = c.cols}, evidence);
        });
        EXPECT_LE(general, kAllowed) << rows << " x " << c.cols << " x " << c.depth;
        most = std::max(most, general);
      }
    }
  }
  std::cout << "at most " << most << " bytes per thread\n";
}

TEST(Memory, ConvolutionsHoldLessThanAMegabytePerThread) {
  std::int64_t most = 0;
  for (const int groups : {1, 4, 64}) {
    const ConvGeometry g{.images = 2,
                         .h = 32,
                         .w = 32,
                         .c = 64,
                         .p = 32,
                         .q = 32,
                         .k = 64,
                         .r = 3,
                         .s = 3,
                         .groups = groups,
                         .pad_top = 1,
                         .pad_left = 1};
    Random random(4, 0);
    std::vector<std::uint8_t> codes;
    for (std::int64_t i = 0; i < g.images * g.h * g.w * g.c; ++i)
      codes.push_back(static_cast<std::uint8_t>(random.below(256)));
    std::vector<std::int32_t> weight;
    for (std::int64_t i = 0; i < g.k * g.depth(); ++i)
      weight.push_back(static_cast<std::int32_t>(random.below(255)) - 127);
    const PackedFilters filters(weight.data(), g);
    std::vector<std::int64_t> out(static_cast<std::size_t>(g.rows() * g.k));
    for (const int width : {18, 32}) {
      for (const int threads : {1, 2}) {
        const Accumulation accumulation{{integer_format(width, true, Overflow::WRAP), 1}, {}, 0};
        const std::int64_t here = held([&] {
          AccumulationEvidence evidence;
          conv2d(GemmLhs::of(codes.data(), 0, 3), g, filters, {}, accumulation,
                 {.out64 = out.data(), .stride = g.k, .row_step = g.k}, evidence, {.threads = threads, .range = true});
        });
        EXPECT_LE(here, threads * kAllowed) << groups << " groups, " << width << " bits";
        most = std::max(most, here / threads);
      }
    }
  }
  std::cout << "at most " << most << " bytes per thread\n";
}

TEST(Memory, DepthwiseConvolutionsHoldLessThanAMegabyte) {
  std::int64_t most = 0;
  for (const ConvGeometry& g :
       {ConvGeometry{.h = 40, .w = 300, .c = 96, .p = 40, .q = 300, .k = 96, .r = 3, .s = 3, .groups = 96, .pad_top = 1,
                     .pad_left = 1},
        ConvGeometry{.h = 9, .w = 9, .c = 2048, .p = 5, .q = 5, .k = 4096, .r = 5, .s = 5, .groups = 2048},
        ConvGeometry{.h = 5, .w = 5000, .c = 8, .p = 3, .q = 4998, .k = 8, .r = 3, .s = 3, .groups = 8}}) {
    const std::vector<std::int32_t> codes(static_cast<std::size_t>(std::int64_t{g.h} * g.w * g.c), 100);
    const std::vector<std::int32_t> weight(static_cast<std::size_t>(std::int64_t{g.k} * g.r * g.s), 100);
    std::vector<std::int64_t> out(static_cast<std::size_t>(g.rows() * (g.k + 1)));
    for (const int width : {16, 40}) {
      const Accumulation accumulation{{integer_format(width, true, Overflow::SAT), 1}, {}, 0};
      const Depthwise depthwise(weight.data(), g, {.low = 0, .high = 65535, .zero_point = 0}, {}, accumulation);
      ASSERT_TRUE(depthwise.available());
      const std::int64_t here = held([&] {
        AccumulationEvidence evidence;
        depthwise.run(codes.data(), {.out64 = out.data(), .stride = g.k + 1, .row_step = g.k}, evidence);
      });
      EXPECT_LE(here, kAllowed) << g.k << " channels";
      most = std::max(most, here);
    }
  }
  std::cout << "at most " << most << " bytes per thread\n";
}

TEST(Memory, ConvolutionsOfSixteenBitsHoldLessThanAMegabyte) {
  std::int64_t most = 0;
  for (const ConvGeometry& g :
       {ConvGeometry{.h = 20, .w = 20, .c = 64, .p = 20, .q = 20, .k = 100, .r = 3, .s = 3, .pad_top = 1,
                     .pad_left = 1},
        ConvGeometry{.h = 300, .c = 27, .p = 300, .k = 70}, ConvGeometry{.h = 40, .c = 8192, .p = 40, .k = 70},
        ConvGeometry{.h = 10, .c = 16384, .p = 10, .k = 40}}) {
    Random random(5, 0);
    std::vector<std::int16_t> codes(static_cast<std::size_t>(std::int64_t{g.h} * g.w * g.c));
    for (auto& code : codes) code = static_cast<std::int16_t>(random.below(65536));
    std::vector<std::int32_t> weight(static_cast<std::size_t>(g.k * g.depth()));
    for (auto& w : weight) w = static_cast<std::int32_t>(random.below(65535)) - 32767;
    std::vector<std::int64_t> out(static_cast<std::size_t>(g.rows() * g.k));
    for (const int width : {16, 32, 48}) {
      for (const Overflow mode : {Overflow::SAT, Overflow::WRAP}) {
        const Accumulation accumulation{{integer_format(width, true, mode), 1}, {}, 0};
        const WideConv conv(weight.data(), g, {.low = -32768, .high = 32767}, {}, accumulation);
        ASSERT_TRUE(conv.available());
        const std::int64_t here = held([&] {
          AccumulationEvidence evidence;
          conv.run(codes.data(), {.out64 = out.data(), .stride = g.k, .row_step = g.k}, evidence);
        });
        EXPECT_LE(here, kAllowed) << g.depth() << " products, " << width << " bits";
        most = std::max(most, here);
      }
    }
  }
  std::cout << "at most " << most << " bytes per thread\n";
}

}  // namespace
}  // namespace guardbit::arith
