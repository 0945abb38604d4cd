// What an operator asks of the device that it runs on. DeviceBackend is written once over a Queue:
//
//   void each(Count n, const Body& body)     body(i) for every i in [0, n), in any order
//   void multiply(const Gemm&)               float matrix product
//   void copy(void* to, const void* from, std::size_t bytes)      within the device
//   void stage(void* to, const void* from, std::size_t bytes)     to the device; `from` is free when the call returns
//   void download(void* to, const void* from, std::size_t bytes)  waits for all earlier calls
//   std::unique_ptr<Memory> allocate(std::size_t bytes)           zeroed, 256-byte aligned; may be freed while in use
//   std::string name() const
//
//   void begin_recording()                   each, multiply and copy are kept from here on, and do not take effect
//   Recorded end_recording()                 what was kept, with all arguments as they were given
//   void drop_recording() noexcept           it is forgotten
//   void replay(const Recorded&)             the calls take effect once more
//   class Recorded                           can be made without arguments and moved
//
// Nothing else may be called while calls are recorded. Calls take effect in order. CudaQueue (cuda_queue.cuh) launches
// kernels; HostQueue (host_queue.hpp) is a loop.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "trainer/backend.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// C = op(A) op(B) + beta C with op(A) [m, k], op(B) [k, n], all in column-major order: the arguments of cublasSgemm.
/// With beta = 0, C is not read.
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  int m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int lda = 0;
  const float* b = nullptr;
  int ldb = 0;
  float beta = 0;
  float* c = nullptr;
  int ldc = 0;
};

/// C [rows, cols] = op(A) [rows, depth] op(B) [depth, cols] + beta C, all packed in row-major order: read column by
/// column, the same memory is the transposed matrix, and C^T = op(B)^T op(A)^T.
[[nodiscard]] inline Gemm row_major(bool transpose_a, bool transpose_b, Count rows, Count cols, Count depth,
                                    const float* a, const float* b, float beta, float* c) {
  const int m = static_cast<int>(cols), n = static_cast<int>(rows), k = static_cast<int>(depth);
  return {.transpose_a = transpose_b, .transpose_b = transpose_a, .m = m, .n = n, .k = k,
          .a = b, .lda = transpose_b ? k : m, .b = a, .ldb = transpose_a ? n : k, .beta = beta, .c = c, .ldc = m};
}

/// A mistake of the program: aborts with one line.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "trainer/cuda: bug: %s\n", what);
  std::abort();
}

}  // namespace guardbit::trainer::cuda
