// What two engines must share, as GoogleTest expectations.
#pragma once

#include <gtest/gtest.h>

#include "nets/engines/compare.hpp"
#include "nets/engines/engine.hpp"

namespace guardbit::tests {

inline void expect_same_values(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                               const nets::RunResult& actual) {
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

inline void expect_same_cost(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                             const nets::RunResult& actual) {
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    SCOPED_TRACE(network.layers[i].name);
    ASSERT_TRUE(expected.layers[i].cost && actual.layers[i].cost);
    EXPECT_EQ(expected.layers[i].cost->cycles, actual.layers[i].cost->cycles);
    EXPECT_TRUE(*expected.layers[i].cost == *actual.layers[i].cost);
  }
}

}  // namespace guardbit::tests
