// Networks built by hand for the simulator's own tests: a chain of layers with reproducible weights.
#pragma once

#include <cstdint>
#include <string>

#include "nets/quantize/integer_network.hpp"

namespace guardbit::tests {

// Numbers in [low, high] from a linear congruential generator (Knuth, MMIX).
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  std::int32_t in(std::int32_t low, std::int32_t high) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return low + static_cast<std::int32_t>((state_ >> 33) % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::uint64_t state_;
};

class Chain {
 public:
  Chain(int h, int w, int c);
  // kernel x kernel, padded by `padding` on all sides; relu, shift right by `shift`, saturate to int8.
  Chain& conv(int channels, int kernel, int stride = 1, int padding = 0, int groups = 1, bool bias = false,
              int shift = 0);
  Chain& max_pool(int kernel, int stride);
  Chain& average_pool(int kernel);
  Chain& add(int other);  // last layer + layer `other`
  Chain& softmax(double scale);  // the table of this input scale; int8, scale 1/256
  [[nodiscard]] const nets::IntegerNetwork& network() const { return network_; }
  // Codes in [0, 127].
  [[nodiscard]] nets::IntTensor input(std::int64_t images) const;

 private:
  nets::IntegerLayer& next(nets::IntegerOp op, const std::string& kind);
  nets::IntegerNetwork network_;
  Numbers numbers_{1};
};

// SPEC 10.1: 174,301,824 MACs, 32x32x3 -> 10.
[[nodiscard]] Chain cifarnet_chain();

}  // namespace guardbit::tests
