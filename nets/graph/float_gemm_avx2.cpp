// float_gemm for AVX2 (compiled with the flags of that instruction set; see CMakeLists.txt).
#define GUARDBIT_KERNEL float_gemm_avx2
#define GUARDBIT_LANES 8
#define GUARDBIT_ROWS 6
#include "nets/graph/detail/float_gemm_kernel.inc"
