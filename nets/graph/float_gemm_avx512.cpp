// float_gemm for AVX512 (compiled with the flags of that instruction set; see CMakeLists.txt).
#define GUARDBIT_KERNEL float_gemm_avx512
#define GUARDBIT_LANES 16
#define GUARDBIT_ROWS 12
#include "nets/graph/detail/float_gemm_kernel.inc"
