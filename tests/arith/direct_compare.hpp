// Runs a convolution through the kernels that take it whole, on every instruction set, and compares with the
// definition.
#pragma once

#include <mutex>

#include "arith/depthwise.hpp"
#include "arith/parallel.hpp"
#include "arith/wide_conv.hpp"
#include "tests/arith/conv_problem.hpp"
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith::testing {

inline CodeRange code_range(const ConvProblem& p) {
  const std::int32_t low = p.type == GemmLhs::Type::U8 ? 0 : p.type == GemmLhs::Type::S8 ? -128 : -32768;
  return {.low = low, .high = p.type == GemmLhs::Type::S16 ? 32767 : low + 255, .zero_point = p.zero_point};
}

template <class Code>
std::vector<Code> codes_of(const ConvProblem& p, std::int32_t shift) {
  std::vector<Code> codes;
  const ConvGeometry& g = p.g;
  for (std::int64_t i = 0; i < g.images * g.h * g.w * g.c; ++i) {
    codes.push_back(static_cast<Code>(p.value(i) + p.zero_point - shift));
  }
  return codes;
}

// Starts every sum at a bound of the format or a few beside it, and sometimes makes operands as large as they can be.
inline void provoke(Random& random, ConvProblem& p) {
  const Format& format = p.accumulation.accumulator.format;
  const int width = std::min(format.width, 50);
  const std::int64_t top = (std::int64_t{1} << (format.is_signed ? width - 1 : width)) - 1;
  const std::int64_t bottom = format.is_signed ? -top - 1 : 0;
  p.initial.clear();
  for (int k = 0; k < p.g.k; ++k) {
    const std::int64_t bound = random.below(2) == 0 ? top : bottom;
    const int unit = random.below(3) == 0 ? 50 : 1;
    p.initial.push_back(bound + between(random, -5, 5) * unit);
  }
  if (p.type != GemmLhs::Type::S16 || random.below(3) != 0) return;
  for (std::int16_t& code : p.s16) code = static_cast<std::int16_t>(random.below(2) == 0 ? -32768 : 32767);
  for (std::int32_t& weight : p.weight) weight = random.below(2) == 0 ? -32768 : 32767;
}

// All rows in `parts` calls: two on threads of their own, three one after the other that know what the ones before
// found; outputs one after the other or apart, in 64 bits or, where they fit, in 32.
template <class Run>
ConvResult run_in_parts(const ConvProblem& p, int parts, const Run& run) {
  const ConvGeometry& g = p.g;
  const Format& format = p.accumulation.accumulator.format;
  const std::int64_t stride = g.k + (parts == 2 ? 3 : 0);
  std::vector<std::int64_t> wide(static_cast<std::size_t>(g.rows() * stride));
  std::vector<std::int32_t> narrow(wide.size());
  const bool in_32 = parts == 3 && format.width <= 31;
  ConvResult result;
  std::vector<AccumulationEvidence> evidence(static_cast<std::size_t>(parts));
  const auto run_part = [&](int part, std::int64_t, std::int64_t) {
    const std::int64_t first = g.rows() * part / parts;
    const std::int64_t count = g.rows() * (part + 1) / parts - first;
    GemmOut out{.stride = stride, .first_output = kFirst + first * g.k, .row_step = g.k};
    if (in_32) out.out32 = narrow.data() + first * stride;
    if (!in_32) out.out64 = wide.data() + first * stride;
    run(out, evidence[static_cast<std::size_t>(parts == 2 ? part : 0)], ConvRows{first, count});
  };
  if (parts == 2) parallel_parts(2, 2, run_part);
  for (int part = 0; part < parts && parts != 2; ++part) run_part(part, 0, 0);
  for (const AccumulationEvidence& found : evidence) result.evidence.merge(found);
  for (std::int64_t row = 0; row < g.rows(); ++row) {
    for (std::int64_t k = 0; k < g.k; ++k) {
      const auto at = static_cast<std::size_t>(row * stride + k);
      result.out.push_back(in_32 ? narrow[at] : wide[at]);
    }
  }
  return result;
}

inline void expect_same(const ConvResult& found, const ConvResult& expected, const std::string& name) {
  const OverflowCounts& a = found.evidence.accumulator;
  const OverflowCounts& b = expected.evidence.accumulator;
  ASSERT_EQ(found.out, expected.out) << name;
  ASSERT_EQ(a.count, b.count) << name;
  ASSERT_EQ(a.outputs, b.outputs) << name;
  ASSERT_EQ(a.transient, b.transient) << name;
  ASSERT_EQ(a.harmful, b.harmful) << name;
  ASSERT_EQ(a.first.has_value(), b.first.has_value()) << name;
  if (a.first) {
    ASSERT_EQ(a.first->output, b.first->output) << name;
    ASSERT_EQ(a.first->narrowing, b.first->narrowing) << name;
  }
  ASSERT_EQ(found.evidence.exact.min, expected.evidence.exact.min) << name;
  ASSERT_EQ(found.evidence.exact.max, expected.evidence.exact.max) << name;
  ASSERT_TRUE(found.evidence == expected.evidence) << name;
}

inline void compare_direct(const ConvProblem& p, const ConvResult& expected, Tally& tally) {
  tally.distinct += expected.out.size();
  tally.overflowed += expected.evidence.accumulator.outputs;
  tally.transient += expected.evidence.accumulator.transient;
  for (const GemmIsa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    const int parts = 1 + static_cast<int>((tally.distinct + static_cast<std::uint64_t>(isa)) % 3);
    const Depthwise depthwise(p.weight.data(), p.g, code_range(p), p.initial, p.accumulation, isa);
    if (depthwise.available()) {
      const std::string name = std::string("depthwise ") + (depthwise.wide_lanes() ? "64 " : "32 ") +
                               (depthwise.proven() ? "proven " : "lanes ") + name_of(isa);
      const auto codes = codes_of<std::int32_t>(p, 0);
      const auto found = run_in_parts(p, parts, [&](const GemmOut& out, AccumulationEvidence& e, const ConvRows& rows) {
        depthwise.run(codes.data(), out, e, rows);
      });
      expect_same(found, expected, name + ": " + describe(p));
      if (::testing::Test::HasFatalFailure()) return;
      tally.outputs[name] += expected.out.size();
    }
    const WideConv conv(p.weight.data(), p.g, code_range(p), p.initial, p.accumulation, isa);
    if (conv.available()) {
      const std::string name = std::string("16 bits ") + name_of(isa);
      const auto codes = codes_of<std::int16_t>(p, conv.shift());
      GemmWork work;
      std::mutex mutex;
      const auto found = run_in_parts(p, parts, [&](const GemmOut& out, AccumulationEvidence& e, const ConvRows& rows) {
        GemmWork mine;
        conv.run(codes.data(), out, e, rows, &mine);
        const std::lock_guard lock(mutex);
        work.merge(mine);
      });
      expect_same(found, expected, name + ": " + describe(p));
      if (::testing::Test::HasFatalFailure()) return;
      ASSERT_EQ(work.guarded + work.lanes, expected.out.size() * static_cast<std::uint64_t>(p.g.depth()));
      tally.outputs[name] += expected.out.size();
      tally.work.merge(work);
    }
  }
}

}  // namespace guardbit::arith::testing
