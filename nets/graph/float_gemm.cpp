// Packing, and the choice of a kernel at run time.
#include "nets/graph/detail/float_gemm.hpp"

#include <algorithm>

namespace guardbit::nets::detail {

using Kernel = void(const float* a, long rows, long depth, long columns, const float* panels, const float* bias,
                    float* out, long out_stride);
Kernel float_gemm_sse2;
Kernel float_gemm_avx2;
Kernel float_gemm_avx512;

namespace {

Kernel* kernel_of(int variant) {
  switch (variant) {
    case 0: return float_gemm_sse2;
    case 1: return __builtin_cpu_supports("avx2") ? float_gemm_avx2 : nullptr;
    case 2: return __builtin_cpu_supports("avx512f") ? float_gemm_avx512 : nullptr;
    default: return nullptr;
  }
}

Kernel* best_kernel() {
  for (const int variant : {2, 1}) {
    if (Kernel* const kernel = kernel_of(variant)) return kernel;
  }
  return float_gemm_sse2;
}

void run(Kernel* kernel, const float* a, std::int64_t rows, const PackedWeights& weights, float* out,
         std::int64_t out_stride) {
  kernel(a, rows, weights.depth, weights.columns, weights.panels.data(), weights.bias.data(), out, out_stride);
}

}  // namespace

PackedWeights pack_weights(const float* rows, std::int64_t columns, std::int64_t depth, const float* bias) {
  PackedWeights packed;
  packed.columns = columns;
  packed.depth = depth;
  const std::int64_t padded = (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
  packed.panels.assign(static_cast<std::size_t>(padded * depth), 0.0F);
  packed.bias.assign(static_cast<std::size_t>(padded), 0.0F);
  for (std::int64_t n = 0; n < columns; ++n) {
    float* const panel = packed.panels.data() + n / kPanelColumns * kPanelColumns * depth + n % kPanelColumns;
    for (std::int64_t t = 0; t < depth; ++t) panel[t * kPanelColumns] = rows[n * depth + t];
  }
  if (bias != nullptr) std::copy_n(bias, columns, packed.bias.begin());
  return packed;
}

void float_gemm(const float* a, std::int64_t rows, const PackedWeights& weights, float* out, std::int64_t out_stride) {
  static Kernel* const kernel = best_kernel();
  run(kernel, a, rows, weights, out, out_stride);
}

bool float_gemm_variant(int variant, const float* a, std::int64_t rows, const PackedWeights& weights, float* out,
                        std::int64_t out_stride) {
  Kernel* const kernel = kernel_of(variant);
  if (kernel == nullptr) return false;
  run(kernel, a, rows, weights, out, out_stride);
  return true;
}

}  // namespace guardbit::nets::detail
