// What the adder of one PE does to a sum, in plain scalar arithmetic of its own: the third opinion beside the kernels
// of arith and the vector code of PeGrid, with which it is compared. Overflow modes are written as formulas on integers
// (remainders and reflections), not as operations on bits.
#pragma once

#include <cstdint>

#include "arith/accumulate.hpp"
#include "arith/int128.hpp"

namespace guardbit::sim {

// The register behind an adder.
class PeRegisterRules {
 public:
  PeRegisterRules() = default;
  explicit PeRegisterRules(const arith::Format& format);

  struct Result {
    std::int64_t value = 0;
    bool overflowed = false;
  };
  // `sum` as the register holds it; |sum| < 2^100.
  [[nodiscard]] Result narrow(arith::int128 sum) const {
    if (sum >= low_ && sum <= high_) {
      return {static_cast<std::int64_t>(sum), false};
    }
    return {static_cast<std::int64_t>(beyond(sum)), true};
  }

 private:
  [[nodiscard]] arith::int128 beyond(arith::int128 sum) const;
  [[nodiscard]] arith::int128 wrapped(arith::int128 sum) const;
  [[nodiscard]] arith::int128 wrapped_below_saturated_bits(arith::int128 sum, bool reflect) const;
  [[nodiscard]] arith::int128 reflected(arith::int128 sum) const;

  arith::Format format_;
  arith::int128 low_ = 0, high_ = 0;  // what the register holds unchanged
};

}  // namespace guardbit::sim
