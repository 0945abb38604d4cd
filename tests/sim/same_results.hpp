// What "the engines agree" means: the same codes, accumulators and evidence; simulators also the same costs.
#pragma once

#include "nets/engines/engine.hpp"

namespace guardbit::tests {

void expect_same_values(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                        const nets::RunResult& actual);
void expect_same_cost(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                      const nets::RunResult& actual);

}  // namespace guardbit::tests
