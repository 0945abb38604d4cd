#include "tests/sim/same_results.hpp"

#include <gtest/gtest.h>

#include "nets/engines/compare.hpp"

namespace guardbit::tests {

using nets::RunResult;

void expect_same_values(const nets::IntegerNetwork& network, const RunResult& expected, const RunResult& actual) {
  const auto mismatch = nets::first_mismatch(network, expected, actual);
  EXPECT_FALSE(mismatch.has_value()) << mismatch->text();
  for (const std::string& line : nets::compare_evidence(network, expected, actual)) {
    ADD_FAILURE() << line;
  }
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    SCOPED_TRACE(network.layers[i].name);
    EXPECT_EQ(expected.layers[i].accumulators, actual.layers[i].accumulators);
    EXPECT_EQ(expected.layers[i].accumulation, actual.layers[i].accumulation);
    EXPECT_EQ(expected.layers[i].stages, actual.layers[i].stages);
  }
}

void expect_same_cost(const nets::IntegerNetwork& network, const RunResult& expected, const RunResult& actual) {
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    SCOPED_TRACE(network.layers[i].name);
    ASSERT_TRUE(expected.layers[i].cost && actual.layers[i].cost);
    EXPECT_TRUE(*expected.layers[i].cost == *actual.layers[i].cost);
  }
  for (const std::string& line : nets::compare_evidence(network, expected, actual)) {
    ADD_FAILURE() << line;
  }
}

}  // namespace guardbit::tests
