// Matrix products for AVX2: sums narrowed in 32-bit lanes.
#include "arith/detail/gemm_lanes32.hpp"

namespace guardbit::arith::detail::avx2 {

void lanes32(const PairBlock& in, LaneFit fit) {
  in.group == 0 ? lanes32_of_rows<GemmIsa::Avx2, 1, true>(in, fit) : lanes32_of_rows<GemmIsa::Avx2, 1, false>(in, fit);
}

}  // namespace guardbit::arith::detail::avx2
