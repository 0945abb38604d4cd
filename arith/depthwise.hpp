// Depthwise convolution with exact overflow evidence, ranges included: filters of one input channel each.
//
// out[n, p, q, k] = accumulate(products of the taps r, s of channel k / (K / C), initial[k]), as conv2d() of
// arith/conv.hpp with groups = c computes it, and the same evidence. Vector lanes lie along the outputs of a row,
// pixels and channels, so that few channels fill them too; the rows of a row's taps are all that is copied.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "arith/conv.hpp"

namespace guardbit::arith {

class Depthwise {
 public:
  // weight [k, r, s], |value| < 2^16; initial [k] or empty. Every code will be within `codes`.
  Depthwise(const std::int32_t* weight, const ConvGeometry& geometry, const CodeRange& codes,
            std::span<const std::int64_t> initial, const Accumulation& accumulation,
            GemmIsa isa = best_gemm_isa());

  // Whether run() can compute it: groups = c, no psum, and SAT, SAT_SYM or WRAP up to 48 bits, or any format that
  // weights and codes prove to be wide enough.
  [[nodiscard]] bool available() const { return available_; }
  [[nodiscard]] bool proven() const { return proven_; }          // nothing can overflow
  [[nodiscard]] bool wide_lanes() const { return wide_lanes_; }  // of 64 bits

  // Output rows as conv2d() does. input: codes [images, h, w, c].
  void run(const std::int32_t* input, const GemmOut& out, AccumulationEvidence& evidence,
           const ConvRows& rows = {}) const;

 private:
  template <typename T>
  class Job;
  void plan(const CodeRange& codes, std::span<const std::int64_t> initial);

  ConvGeometry geometry_;
  Accumulation accumulation_;
  GemmIsa isa_;
  std::int32_t zero_point_;
  bool available_ = false, proven_ = false, wide_lanes_ = false;
  std::int64_t low_ = 0, high_ = 0;                  // of the accumulator
  std::vector<int> ends_;                            // of the groups of products
  std::vector<std::int32_t> weights_;                // [depth][k + kLanes], channels repeating
  std::vector<std::int64_t> exact_, value_, count_;  // [k + kLanes]: initial values
};

}  // namespace guardbit::arith
