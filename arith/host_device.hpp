// GUARDBIT_HD before a function: it may run on the host and in a kernel.
#pragma once

#if defined(__CUDACC__)
#define GUARDBIT_HD __host__ __device__
#else
#define GUARDBIT_HD
#endif
