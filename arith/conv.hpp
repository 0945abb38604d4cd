// Convolutions of narrow integers with exact overflow evidence, on the kernels and proofs of arith/gemm.hpp.
//
// out[n, p, q, k] = accumulate(products of the patch of (n, p, q) and filter k, initial[k]); the products of a patch
// come in the order r, s, c, as arith/accumulate.hpp and the network contract declare it. No copy of the image's
// patches is made: a thread gathers the rows that it is working on, less than 128 KiB of them. Faster for filters of
// one input channel: arith/depthwise.hpp; for operands of 9 to 16 bits: arith/wide_conv.hpp.
#pragma once

#include "arith/gemm.hpp"

namespace guardbit::arith {

struct ConvGeometry {
  std::int64_t images = 1;
  int h = 1, w = 1, c = 1;       // input [images, h, w, c]
  int p = 1, q = 1, k = 1;       // output [images, p, q, k]
  int r = 1, s = 1, groups = 1;  // filters [k, r, s, c / groups]
  int stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;  // what lies outside the image has the zero point's code

  [[nodiscard]] int group_c() const { return c / groups; }
  [[nodiscard]] int group_k() const { return k / groups; }
  [[nodiscard]] std::int64_t depth() const { return std::int64_t{r} * s * group_c(); }
  [[nodiscard]] std::int64_t rows() const { return images * p * q; }
  [[nodiscard]] int input_y(int out, int tap) const { return out * stride_h - pad_top + tap * dilation_h; }
  [[nodiscard]] int input_x(int out, int tap) const { return out * stride_w - pad_left + tap * dilation_w; }
};

// Codes of an input: values are code - zero_point, and 0 outside the image.
struct CodeRange {
  std::int32_t low = 0, high = 0;
  std::int32_t zero_point = 0;
};

// Filters [k, r, s, c / groups], packed once.
class PackedFilters {
 public:
  // Values are weights with their zero point subtracted, |value| < 2^16. Throws Error for any other, and for groups
  // that do not divide both numbers of channels.
  PackedFilters(const std::int32_t* weight, const ConvGeometry& geometry);

  [[nodiscard]] const PackedWeights& group(int g) const { return groups_[static_cast<std::size_t>(g)]; }

 private:
  std::vector<PackedWeights> groups_;
};

// The input [images, h, w, c], one element after the other: `stride` is not looked at.
//
// Computes output rows first_row .. first_row + rows - 1 of all images (rows of p * q * k; all of them by default) and
// writes them from `out` on; row first_row has the index out.first_output. initial: [k] or empty. Adds to `evidence`.
// Paths, instruction sets, threads and errors are those of gemm().
struct ConvRows {
  std::int64_t first = 0;
  std::int64_t count = -1;  // -1: to the last
};
void conv2d(const GemmLhs& input, const ConvGeometry& geometry, const PackedFilters& filters,
            std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out,
            AccumulationEvidence& evidence, const GemmOptions& options = {}, GemmWork* work = nullptr,
            const ConvRows& rows = {});

}  // namespace guardbit::arith
