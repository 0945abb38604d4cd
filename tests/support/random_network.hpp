// Small random integer networks, accumulations and inputs, for tests that compare engines. A case is a pure function of
// its seed, so a failing seed reproduces it.
#pragma once

#include <cstdint>
#include <vector>

#include "arith/accumulate.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::tests {

struct RandomCase {
  nets::IntegerNetwork network;                    // passes check()
  std::vector<arith::Accumulation> accumulations;  // one per layer
  nets::IntTensor input;                           // 1 to 3 images
};

struct RandomOptions {
  int layers = 5;              // at most, besides the input
  bool groups = true;          // grouped and depthwise convolutions
  bool psum = true;            // folds and partial sums with formats of their own
  bool weighted_only = false;  // a chain of convolutions
  bool softmax = true;         // one network in three ends with one
};

[[nodiscard]] RandomCase random_case(std::uint64_t seed, const RandomOptions& options = {});

}  // namespace guardbit::tests
