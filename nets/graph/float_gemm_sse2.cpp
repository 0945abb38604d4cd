// float_gemm for SSE2 (compiled with the flags of that instruction set; see CMakeLists.txt).
#define GUARDBIT_KERNEL float_gemm_sse2
#define GUARDBIT_LANES 4
#define GUARDBIT_ROWS 3
#include "nets/graph/detail/float_gemm_kernel.inc"
