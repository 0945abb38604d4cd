// Runs a problem through every path and instruction set of gemm() that can compute it, and compares.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <map>

#include "tests/arith/gemm_problem.hpp"

namespace guardbit::arith::testing {

inline constexpr GemmPath kPaths[] = {GemmPath::Auto,    GemmPath::Proven,  GemmPath::Guarded,
                               GemmPath::Lanes16, GemmPath::Lanes32, GemmPath::General};
inline constexpr GemmIsa kIsas[] = {GemmIsa::Scalar, GemmIsa::Avx2, GemmIsa::Avx512};

// Without a default: a path or instruction set that is new must come here, and into the lists above, to compile.
constexpr const char* name_of(GemmPath path) {
  switch (path) {
    case GemmPath::Auto: return "auto";
    case GemmPath::Proven: return "proven";
    case GemmPath::Guarded: return "guarded";
    case GemmPath::Lanes16: return "lanes16";
    case GemmPath::Lanes32: return "lanes32";
    case GemmPath::General: return "general";
  }
  return "";
}
constexpr const char* name_of(GemmIsa isa) {
  switch (isa) {
    case GemmIsa::Scalar: return "scalar";
    case GemmIsa::Avx2: return "avx2";
    case GemmIsa::Avx512: return "avx512";
  }
  return "";
}

struct Tally {
  std::map<std::string, std::uint64_t> outputs;  // compared, per path and instruction set
  std::uint64_t distinct = 0, overflowed = 0, transient = 0, differences = 0;
  GemmWork work;

  [[nodiscard]] std::uint64_t of(const std::string& name) const {
    const auto at = outputs.find(name);
    return at == outputs.end() ? 0 : at->second;
  }
};

inline void print(const Tally& tally) {
  for (const auto& [name, count] : tally.outputs) std::cout << name << ": " << count << " outputs\n";
  std::cout << tally.distinct << " distinct outputs, " << tally.overflowed << " overflow, " << tally.transient
            << " of them transient; " << tally.differences << " differences\n";
}

inline void compare(const GemmProblem& p, const GemmResult& expected, Tally& tally) {
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  tally.distinct += expected.counts.total;
  tally.overflowed += expected.counts.outputs;
  tally.transient += expected.counts.transient;
  for (const GemmPath path : kPaths) {
    if (!gemm_path_available(path, p.lhs(), weights, p.initial, p.accumulation)) continue;
    for (const GemmIsa isa : kIsas) {
      if (!isa_supported(isa) || (path == GemmPath::General && isa != GemmIsa::Scalar)) continue;
      const int threads = 1 + static_cast<int>((tally.distinct + static_cast<std::uint64_t>(path)) % 3);
      GemmWork work;
      const GemmResult found = run_gemm(p, weights, {.path = path, .isa = isa, .threads = threads}, &work);
      const std::string name = std::string(name_of(path)) + " " + name_of(isa);
      tally.outputs[name] += expected.counts.total;
      tally.work.merge(work);
      const auto macs = static_cast<std::uint64_t>(p.rows * p.cols * p.depth);
      ASSERT_EQ(work.proven + work.guarded + work.lanes + work.general, macs) << name << ": " << describe(p);
      if (found == expected) continue;
      ++tally.differences;
      FAIL() << name << ", " << threads << " threads: " << describe(p) << "\n count " << found.counts.count << " not "
             << expected.counts.count << ", outputs " << found.counts.outputs << " not " << expected.counts.outputs
             << ", transient " << found.counts.transient << " not " << expected.counts.transient << ", harmful "
             << found.counts.harmful << " not " << expected.counts.harmful << ", values "
             << (found.out == expected.out ? "equal" : "differ") << ", first "
             << (found.counts.first == expected.counts.first ? "equal" : "differs");
    }
  }
}

inline void compare_random(std::uint64_t seed, std::uint64_t outputs, Tally& tally) {
  Random random(seed, 0);
  std::int64_t problem = 0;
  for (int width = 4; tally.distinct < outputs; width = width == 40 ? 4 : width + 1) {
    // 16 bits have lanes of their own.
    const GemmProblem p = random_gemm(random, ++problem % 4 == 0 ? 16 : width);
    compare(p, gemm_oracle(p), tally);
    if (::testing::Test::HasFatalFailure()) return;
  }
  print(tally);
}

}  // namespace guardbit::arith::testing
