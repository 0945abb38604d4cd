// Both engines against outputs that CMSIS-NN publishes for its operators: every code, whoever agrees with whom here.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "nets/engines/engine.hpp"
#include "tests/nets/cmsis_cases.hpp"

namespace guardbit::nets {
namespace {

using tests::CmsisCase;
using tests::CmsisNetwork;
using tests::Requantization;

std::filesystem::path cases_file() {
  const char* const data = std::getenv("GUARDBIT_DATA");
  return std::filesystem::path(data != nullptr ? data : "../shared/data") / "cmsis_nn/cases.jsonl";
}

struct Tally {
  std::uint64_t compared = 0, different = 0;
  std::string first;  // difference
};

void compare(const CmsisNetwork& n, Engine& engine, Tally& tally) {
  arith::Accumulation exact;
  exact.accumulator.format = arith::integer_format(64);
  const RunResult result = engine.run(n.network, uniform(n.network, exact), n.input, {});
  const std::vector<std::int32_t>& codes = result.layers[static_cast<std::size_t>(n.network.output)].codes.data;
  ASSERT_EQ(codes.size(), n.expected.size()) << n.network.name;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ++tally.compared;
    if (codes[i] == n.expected[i]) continue;
    if (tally.different++ == 0) {
      tally.first = fmt::format("{} ({}): output {} is {}, published {}", n.network.name, engine.name(), i, codes[i],
                                n.expected[i]);
    }
  }
}

TEST(CmsisNn, EveryPublishedOutputIsOurs) {
  if (!std::filesystem::exists(cases_file())) GTEST_SKIP() << "no " << cases_file() << "; set GUARDBIT_DATA";
  const auto reference = make_reference_engine();
  const auto fast = make_fast_engine();
  std::uint64_t run = 0, compared = 0, different = 0;
  std::map<std::string, int> not_run;
  for (const CmsisCase& c : tests::read_cmsis_cases(cases_file())) {
    SCOPED_TRACE(c.name());
    std::string reason;
    const std::vector<CmsisNetwork> networks = to_networks(c, Requantization::AsPublished, reason);
    if (networks.empty()) {
      ++not_run[reason];
      continue;
    }
    ++run;
    for (Engine* const engine : {reference.get(), fast.get()}) {
      Tally tally;
      for (const CmsisNetwork& n : networks) {
        ASSERT_NO_THROW(check(n.network));
        compare(n, *engine, tally);
      }
      EXPECT_EQ(tally.different, 0u) << "of " << tally.compared << ", first: " << tally.first;
      compared += engine == reference.get() ? tally.compared : 0;
      different += tally.different;
    }
  }
  std::vector<std::string> families;
  for (const auto& [reason, count] : not_run) families.push_back(fmt::format("{} ({})", reason, count));
  fmt::print("CMSIS-NN: {} cases run, {} outputs compared on each engine, {} differences; no such operator: {}\n", run,
             compared, different, fmt::join(families, ", "));
  EXPECT_EQ(run, 79u);
  EXPECT_EQ(compared, 46667u);
}

// A whole network: 30 million products through twelve weighted layers. The published codes are those of a softmax in
// fixed point, so that they are within 1 of the softmax, in double, of the right codes.
TEST(CmsisNn, DsCnnLEndsInThePublishedSoftmax) {
  if (!std::filesystem::exists(cases_file())) GTEST_SKIP() << "no " << cases_file() << "; set GUARDBIT_DATA";
  for (const CmsisCase& c : tests::read_cmsis_cases(cases_file())) {
    if (c.name() != "ds_cnn_l") continue;
    double step = 0;
    const CmsisNetwork n = tests::ds_cnn_network(c, step);
    ASSERT_NO_THROW(check(n.network));
    const RunResult result = make_fast_engine()->run(n.network, uniform(n.network, {}), n.input, {});
    const std::vector<std::int32_t>& codes = result.layers.back().codes.data;
    ASSERT_EQ(codes.size(), n.expected.size());
    const int largest = *std::max_element(codes.begin(), codes.end());
    double sum = 0;
    for (const int code : codes) sum += std::exp(step * (code - largest));
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double softmax = std::exp(step * (codes[i] - largest)) / sum * 256 - 128;
      EXPECT_NEAR(static_cast<double>(n.expected[i]), softmax, 1.0) << "output " << i << ", code " << codes[i];
    }
    return;
  }
  FAIL() << "no case ds_cnn_l";
}

// The comparison must be able to fail: two requantizations that hardware designs really confuse with this one.
TEST(CmsisNn, WrongRoundingsAreSeen) {
  if (!std::filesystem::exists(cases_file())) GTEST_SKIP() << "no " << cases_file() << "; set GUARDBIT_DATA";
  const auto fast = make_fast_engine();
  Tally single, truncated;
  for (const CmsisCase& c : tests::read_cmsis_cases(cases_file())) {
    std::string reason;
    for (const CmsisNetwork& n : to_networks(c, Requantization::SingleRounding, reason)) compare(n, *fast, single);
    for (const CmsisNetwork& n : to_networks(c, Requantization::TruncatedShift, reason)) compare(n, *fast, truncated);
  }
  fmt::print("single rounding: {} of {} outputs differ; truncating shift: {}\n", single.different, single.compared,
             truncated.different);
  EXPECT_GT(single.different, 0u);
  EXPECT_GT(truncated.different, 1000u);
}

}  // namespace
}  // namespace guardbit::nets
