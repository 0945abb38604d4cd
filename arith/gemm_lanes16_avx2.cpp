// Matrix products for AVX2: sums narrowed in 16-bit lanes.
#include "arith/detail/gemm_lanes16.hpp"

namespace guardbit::arith::detail::avx2 {

void lanes16(const SingleBlock& in) { lanes16_of_rows<GemmIsa::Avx2, 1>(in); }

}  // namespace guardbit::arith::detail::avx2
