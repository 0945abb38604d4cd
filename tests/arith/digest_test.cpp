// The same bytes from every build type and instruction set: one committed list of digests, compared wherever this test
// is built, and in every build once more without optimisation (arith_digest_unoptimised).
//
// A digest is FNV-1a over 64-bit words of results and counts. A change of one is a change of output bits.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "arith/accumulate.hpp"
#include "arith/detail/lane_kernel.hpp"
#include "arith/detail/quantize_kernel.hpp"
#include "arith/minifloat.hpp"
#include "arith/narrow.hpp"
#include "arith/philox.hpp"
#include "arith/stochastic.hpp"
#include "arith/stages.hpp"
#include "tests/arith/direct_compare.hpp"

namespace guardbit::arith {
namespace {

using detail::Isa;
using testing::between;

struct Expected {
  const char* name;
  std::uint64_t digest;
};
constexpr Expected kDigests[] = {
    {"narrow", 9337339256531408527U},
    {"stochastic", 14906400763840646273U},
    {"minifloat", 12756341517662610479U},
    {"quantize", 17354276502451518171U},
    {"quantize_stochastic", 14032458203719663061U},
    {"stages", 12365670637486251345U},
    {"accumulate", 14681277015681260468U},
    {"gemm auto", 10846105795205629041U},
    {"gemm proven", 17234360522796041819U},
    {"gemm guarded", 15976084730915353842U},
    {"gemm lanes16", 7544172689733710106U},
    {"gemm lanes32", 15976084730915353842U},
    {"gemm general", 10846105795205629041U},
    {"convolution", 5320713903051614611U},
    {"depthwise", 8289666760565002249U},
    {"convolution of 16 bits", 3864711449405611552U},
};

class Digest {
 public:
  void add(std::uint64_t word) { value_ = (value_ ^ word) * 1099511628211U; }
  void add(std::int64_t number) { add(static_cast<std::uint64_t>(number)); }
  void add(int128 number) {
    add(static_cast<std::uint64_t>(static_cast<uint128>(number)));
    add(static_cast<std::uint64_t>(static_cast<uint128>(number) >> 64));
  }
  void add(const Narrowed& n) {
    add(n.value);
    add(std::uint64_t{n.overflowed} * 2 + std::uint64_t{n.inexact});
  }
  void add(const OverflowCounts& n) {
    for (const std::uint64_t count : {n.total, n.count, n.outputs, n.transient, n.harmful}) add(count);
    if (n.first) {
      add(n.first->output);
      add(n.first->narrowing);
    }
  }
  void expect(const std::string& name, const std::string& how) const {
    for (const Expected& expected : kDigests) {
      if (expected.name == name) {
        EXPECT_EQ(value_, expected.digest) << name << ", " << how;
        return;
      }
    }
    ADD_FAILURE() << "no digest " << name;
  }

 private:
  std::uint64_t value_ = 14695981039346656037U;
};

std::vector<Isa> isas() {
  std::vector<Isa> all{Isa::Baseline};
  if (detail::best_isa() >= Isa::Avx2) all.push_back(Isa::Avx2);
  if (detail::best_isa() >= Isa::Avx512) all.push_back(Isa::Avx512);
  return all;
}

std::string text(Isa isa) { return "isa " + std::to_string(static_cast<int>(isa)); }

Format random_format(Random& random, int low_width, int high_width) {
  Format format = integer_format(between(random, low_width, high_width));
  format.is_signed = random.below(3) != 0;
  format.overflow = static_cast<Overflow>(random.below(5));
  if (format.overflow == Overflow::WRAP_SM) format.is_signed = true;
  if (format.overflow >= Overflow::WRAP && random.below(3) == 0) format.n_bits = between(random, 1, 2);
  format.rounding = static_cast<Rounding>(random.below(8));
  return format;
}

Format random_fixed(Random& random) {
  Format format = random_format(random, 2, 16);
  format.kind = Kind::Fixed;
  format.integer_bits = between(random, -2, format.width + 2);
  return format;
}

std::int64_t word(Random& random) { return static_cast<std::int64_t>(random.next_u64()) >> random.below(64); }

TEST(Digest, Narrow) {
  Random random(101);
  Digest digest;
  for (int i = 0; i < 40000; ++i) {
    const Format format = random_fixed(random);
    const int128 value = word(random);
    const std::int64_t factor = between(random, 1, 1000);
    digest.add(narrow(value * factor, between(random, -20, 70), format));
  }
  digest.expect("narrow", "");
}

TEST(Digest, Stochastic) {
  Random random(102);
  Digest digest;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const Format format = random_fixed(random);
    const std::uint64_t draw = stochastic_word(7, 3, i);
    const std::int64_t value = word(random);
    const int frac_bits = between(random, 0, 66);
    digest.add(narrow_stochastic(value, frac_bits, format, draw));
    digest.add(round_shift_coin(value, between(random, 0, 20), draw).value);
  }
  digest.expect("stochastic", "");
}

// Any exponent, both signs; every 64th is special.
double any_real(Random& random) {
  if (random.below(64) == 0) return random.below(2) == 0 ? -INFINITY : NAN;
  const double fraction = 1 + random.uniform();
  const double size = std::ldexp(fraction, between(random, -20, 20));
  return random.below(2) == 0 ? -size : size;
}

TEST(Digest, Minifloat) {
  Random random(103);
  Digest digest;
  for (int i = 0; i < 20000; ++i) {
    const int exponent_bits = between(random, 0, 6);
    const int mantissa_bits = between(random, 1, 10);
    Format format = minifloat_format(exponent_bits, mantissa_bits, static_cast<Specials>(random.below(3)));
    if (format.exponent_bits == 0) format = random.below(2) == 0 ? kE4m3 : kBfloat16;
    format.rounding = static_cast<Rounding>(random.below(8));
    const auto encoded = encode(any_real(random), format);
    digest.add(encoded.code);
    digest.add(std::uint64_t{encoded.overflowed} * 4 + std::uint64_t{encoded.inexact} * 2 +
               std::uint64_t{encoded.invalid});
    const double back = to_double(decode(encoded.code, format));
    digest.add(std::isnan(back) ? std::uint64_t{1} : std::bit_cast<std::uint64_t>(back));
  }
  digest.expect("minifloat", "");
}

std::vector<float> floats(Random& random, std::size_t count) {
  std::vector<float> values(count);
  const bool plain = random.below(2) == 0;  // else infinities and NaN too, which take the slow way
  for (float& value : values) {
    value = static_cast<float>(plain ? (random.uniform() - 0.5) * 100 : any_real(random));
    if (random.below(4) == 0) value = std::round(value * 8) / 16;  // ties
  }
  return values;
}

void add_statistics(Digest& digest, const QuantizeStatistics& s) {
  for (const std::uint64_t n : {s.total, s.above, s.below, s.inexact, s.invalid}) digest.add(n);
  digest.add(std::uint64_t{std::bit_cast<std::uint32_t>(s.lowest)});
  digest.add(std::uint64_t{std::bit_cast<std::uint32_t>(s.highest)});
  for (const std::uint64_t n : s.needed_bits) digest.add(n);
}

template <class Code>
void quantize_digest(Digest& digest, const std::vector<float>& in, const Format& format, bool histogram, Isa isa) {
  std::vector<Code> out(in.size());
  QuantizeStatistics statistics{.histogram = histogram};
  detail::quantize_on<Code>(in, format, out, statistics, isa);
  for (const Code code : out) digest.add(std::int64_t{code});
  add_statistics(digest, statistics);
}

TEST(Digest, Quantize) {
  for (const Isa isa : isas()) {
    Random random(104);
    Digest digest;
    for (int i = 0; i < 120; ++i) {
      const std::vector<float> in = floats(random, random.below(2500));
      Format format = random_fixed(random);
      const bool histogram = random.below(3) == 0;
      const bool wide = random.below(3) == 0;
      quantize_digest<std::int32_t>(digest, in, format, histogram, isa);
      if (wide) {
        format.width = 40;
        quantize_digest<std::int64_t>(digest, in, format, histogram, isa);
      }
      if (format.is_signed && !wide) quantize_digest<std::int16_t>(digest, in, format, histogram, isa);
    }
    digest.expect("quantize", text(isa));
  }
}

TEST(Digest, QuantizeStochastic) {
  Random random(105);
  Digest digest;
  for (int i = 0; i < 30; ++i) {
    const std::vector<float> in = floats(random, random.below(500));
    std::vector<std::int32_t> out(in.size());
    QuantizeStatistics statistics;
    quantize_stochastic<std::int32_t>(in, random_fixed(random), 11, 2, 1000, out, statistics);
    for (const std::int32_t code : out) digest.add(std::int64_t{code});
    add_statistics(digest, statistics);
  }
  digest.expect("quantize_stochastic", "");
}

Parameter parameter(Random& random, std::int64_t channels, int low, int high) {
  std::vector<std::int64_t> values;
  const std::int64_t count = random.below(2) == 0 ? 1 : channels;
  for (std::int64_t c = 0; c < count; ++c) values.push_back(between(random, low, high));
  return Parameter(std::move(values));
}

// Presets, and converters with every kind of stage; codes of at most 16 bits.
StageList random_stages(Random& random, std::int64_t channels) {
  OutputSpec spec;
  for (std::int64_t c = 0; c < channels; ++c) spec.real_multipliers.push_back((0.5 + random.uniform()) * 0.01);
  spec.zero_point = between(random, -20, 20);
  spec.format = integer_format(random.below(2) == 0 ? 8 : 16);
  spec.activation = static_cast<Activation>(random.below(3));
  spec.relu6_code = between(random, 20, 120);
  const int shift = between(random, -2, 12);
  switch (random.below(6)) {
    case 0:
      return tflite_double(spec);
    case 1:
      return tflite_single(spec);
    case 2:
      return onnx_float(spec);
    case 3:
      return pow2(spec, shift, static_cast<Rounding>(random.below(8)));
    default:
      break;
  }
  StageList stages{Add{parameter(random, channels, -5000, 5000)}};
  if (random.below(2) == 0) stages.push_back(ShiftLeft{parameter(random, channels, 0, 3)});
  if (random.below(2) == 0) stages.push_back(Multiply{parameter(random, channels, -9000, 9000), integer_format(49)});
  stages.push_back(ShiftRight{parameter(random, channels, 0, 20), static_cast<Rounding>(random.below(8))});
  stages.push_back(Narrow{random_format(random, 12, 20)});
  stages.push_back(ShiftRight{parameter(random, channels, 0, 3), static_cast<Rounding>(random.below(8))});
  stages.push_back(Clamp{-3000, 3000});
  stages.push_back(Narrow{random_format(random, 6, 15)});
  return stages;
}

struct Block {
  std::int64_t rows, channels;
  StageList stages;
  std::vector<std::int64_t> values;
};

Block random_block(Random& random) {
  Block block{.rows = between(random, 1, 30), .channels = between(random, 1, 40), .stages = {}, .values = {}};
  block.stages = random_stages(random, block.channels);
  const auto keep = static_cast<int>(random.below(16)) == 0 ? 40 : 20;
  for (std::int64_t i = 0; i < block.rows * block.channels; ++i) {
    block.values.push_back(static_cast<std::int64_t>(random.next_u64()) >> (64 - keep + between(random, 0, 12)));
  }
  return block;
}

TEST(Digest, Stages) {
  Random random(106);
  Digest digest;
  for (int i = 0; i < 150; ++i) {
    const Block block = random_block(random);
    StageCounts counts{.changed = std::vector<std::uint64_t>(block.stages.size())};
    std::int64_t channel = 0;
    for (const std::int64_t value : block.values) {
      digest.add(apply_stages(block.stages, value, channel++ % block.channels, counts));
    }
    for (const std::uint64_t n : counts.changed) digest.add(n);
  }
  digest.expect("stages", "");
}

TEST(Digest, Requantize) {
  for (const Isa isa : isas()) {
    Random random(106);  // the same blocks, so the same digest as by the definition
    Digest digest;
    for (int i = 0; i < 150; ++i) {
      const Block block = random_block(random);
      std::vector<std::int32_t> out(block.values.size());
      StageCounts counts;
      Requantizer(block.stages, block.channels, isa)
          .apply(block.values.data(), block.channels, out.data(), block.channels, block.rows, 0, block.channels, counts);
      for (const std::int32_t code : out) digest.add(std::int64_t{code});
      for (const std::uint64_t n : counts.changed) digest.add(n);
    }
    digest.expect("stages", text(isa));
  }
}

TEST(Digest, Accumulate) {
  Random random(107);
  Digest digest;
  for (int i = 0; i < 3000; ++i) {
    Accumulation accumulation;
    accumulation.accumulator = {.format = random_format(random, 4, 40), .step = between(random, 0, 5)};
    if (random.below(2) == 0) {
      accumulation.psum = AccumulatorSpec{.format = random_format(random, 4, 24), .step = between(random, 0, 3)};
    }
    accumulation.fold = between(random, 0, 12);
    const int reach = 1 << between(random, 2, 14);
    std::vector<std::int64_t> products;
    for (int k = between(random, 0, 60); k > 0; --k) products.push_back(between(random, -reach, reach));
    AccumulationEvidence evidence;
    digest.add(accumulate(products, between(random, -reach, reach), accumulation, i, evidence));
    digest.add(evidence.accumulator);
    digest.add(evidence.psum);
    digest.add(evidence.exact.min);
    digest.add(evidence.exact.max);
  }
  digest.expect("accumulate", "");
}

TEST(Digest, Gemm) {
  for (const GemmPath path : testing::kPaths) {
    for (const GemmIsa isa : testing::kIsas) {
      if (!isa_supported(isa)) continue;
      Random random(108, 0);
      Digest digest;
      int run = 0;
      for (int width = 4; width <= 31; ++width) {
        const testing::GemmProblem p = testing::random_gemm(random, width % 3 == 0 ? 16 : width);
        const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
        if (!gemm_path_available(path, p.lhs(), weights, p.initial, p.accumulation)) continue;
        const auto result = testing::run_gemm(p, weights, {.path = path, .isa = isa, .threads = 1 + run++ % 3});
        for (const std::int64_t value : result.out) digest.add(value);
        digest.add(result.counts);
      }
      digest.expect(std::string("gemm ") + testing::name_of(path),
                    testing::name_of(isa));
    }
  }
}

void add(Digest& digest, const testing::ConvResult& result) {
  for (const std::int64_t value : result.out) digest.add(value);
  digest.add(result.evidence.accumulator);
  digest.add(result.evidence.psum);
  digest.add(result.evidence.exact.min);
  digest.add(result.evidence.exact.max);
}

// Everything through conv2d() in two ways: as the definition, and on each instruction set with one and two threads.
TEST(Digest, Convolution) {
  for (int how = -1; how < 6; ++how) {
    const auto isa = static_cast<GemmIsa>(std::max(how, 0) / 2);
    if (!isa_supported(isa)) continue;
    Random random(109, 0);
    Digest digest;
    for (int i = 0; i < 60; ++i) {
      const testing::ConvProblem p = testing::random_conv(random, 6 + i % 27, i % 3 == 0, i % 4 == 0);
      if (how < 0) {
        add(digest, definition(p));
        continue;
      }
      const PackedFilters filters(p.weight.data(), p.g);
      testing::ConvResult result;
      result.out.resize(static_cast<std::size_t>(p.g.rows() * p.g.k));
      conv2d(p.input(), p.g, filters, p.initial, p.accumulation,
             {.out64 = result.out.data(), .stride = p.g.k, .first_output = testing::kFirst, .row_step = p.g.k},
             result.evidence, {.isa = isa, .threads = 1 + how % 2, .range = true});
      add(digest, result);
    }
    digest.expect("convolution", how < 0 ? "definition" : testing::name_of(isa));
  }
}

// The same for the kernels of depthwise convolution and of 16-bit operands.
TEST(Digest, DirectConvolution) {
  for (const bool depthwise : {true, false}) {
    for (int how = -1; how < 6; ++how) {
      const auto isa = static_cast<GemmIsa>(std::max(how, 0) / 2);
      if (!isa_supported(isa)) continue;
      Random random(110, 0);
      Digest digest;
      for (int i = 0; i < 60; ++i) {
        testing::ConvProblem p = testing::random_conv(random, 6 + i % 43, i % 2 == 0 || !depthwise, depthwise);
        p.accumulation.psum.reset();
        if (i % 3 == 0) testing::provoke(random, p);
        if (how < 0) {
          add(digest, definition(p));
        } else if (depthwise) {
          const Depthwise kernel(p.weight.data(), p.g, code_range(p), p.initial, p.accumulation, isa);
          ASSERT_TRUE(kernel.available());
          const auto codes = testing::codes_of<std::int32_t>(p, 0);
          add(digest, run_in_parts(p, 1 + how % 2, [&](const GemmOut& out, AccumulationEvidence& e, const ConvRows& r) {
                kernel.run(codes.data(), out, e, r);
              }));
        } else {
          const WideConv kernel(p.weight.data(), p.g, code_range(p), p.initial, p.accumulation, isa);
          ASSERT_TRUE(kernel.available());
          const auto codes = testing::codes_of<std::int16_t>(p, kernel.shift());
          add(digest, run_in_parts(p, 1 + how % 2, [&](const GemmOut& out, AccumulationEvidence& e, const ConvRows& r) {
                kernel.run(codes.data(), out, e, r);
              }));
        }
      }
      digest.expect(depthwise ? "depthwise" : "convolution of 16 bits", how < 0 ? "definition" : testing::name_of(isa));
    }
  }
}

}  // namespace
}  // namespace guardbit::arith
