// Convolution of operands of up to 16 bits with exact overflow evidence, ranges included.
//
// out[n, p, q, k] = accumulate(products of the patch of (n, p, q) and filter k, initial[k]), as conv2d() of
// arith/conv.hpp computes it, and the same evidence. The plain product is exact in 64 bits; sums that no bound keeps
// within the format, and within the range seen so far, are computed again in an AccumulatorTile.
#pragma once

#include <memory>

#include "arith/conv.hpp"

namespace guardbit::arith {

class WideConv {
 public:
  // weight [k, r, s, c / groups], |value| < 2^16; initial [k] or empty. Every code will be within `codes`. `weight`
  // is only read here.
  WideConv(const std::int32_t* weight, const ConvGeometry& geometry, const CodeRange& codes,
           std::span<const std::int64_t> initial, const Accumulation& accumulation, GemmIsa isa = best_gemm_isa());
  ~WideConv();

  // Whether run() can compute it: no psum, weights of 16 bits, codes within -32768..32767 or 0..65535, and at most
  // 16384 products.
  [[nodiscard]] bool available() const;
  // run() takes codes less this.
  [[nodiscard]] std::int32_t shift() const;

  // Output rows as conv2d() does. input: codes - shift(), [images, h, w, c]. work: proven (in 64 bits) counts as
  // guarded, what a tile computed as lanes.
  void run(const std::int16_t* input, const GemmOut& out, AccumulationEvidence& evidence, const ConvRows& rows = {},
           GemmWork* work = nullptr) const;

 private:
  struct Plan;
  class Job;
  std::unique_ptr<const Plan> plan_;
};

}  // namespace guardbit::arith
