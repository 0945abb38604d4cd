// Float GEMM with one order of summation on every machine:
//   out[m][n] = ((bias[n] + a[m][0] * b[0][n]) + a[m][1] * b[1][n]) + ...     binary32, no fused multiply-add
//
// SIMD runs over n, so the width of the registers changes nothing. The kernel is compiled for SSE2, AVX2 and AVX-512
// and chosen at run time. (Eigen is not used: its order of summation follows the sizes of the processor's caches.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace guardbit::nets::detail {

constexpr int kPanelColumns = 16;

// b [N][T] (one row of weights per output) packed into panels of 16 outputs: [N / 16][T][16], zero beyond N.
struct PackedWeights {
  std::int64_t columns = 0;  // N
  std::int64_t depth = 0;    // T
  std::vector<float> panels;
  std::vector<float> bias;  // N rounded up to 16
};
[[nodiscard]] PackedWeights pack_weights(const float* rows, std::int64_t columns, std::int64_t depth,
                                         const float* bias);

// a: [rows][depth], dense. out: element (m, n) at out[m * out_stride + n].
void float_gemm(const float* a, std::int64_t rows, const PackedWeights& weights, float* out, std::int64_t out_stride);

// The variants, for tests: 0 SSE2, 1 AVX2, 2 AVX-512. False when this processor lacks it.
bool float_gemm_variant(int variant, const float* a, std::int64_t rows, const PackedWeights& weights, float* out,
                        std::int64_t out_stride);

}  // namespace guardbit::nets::detail
