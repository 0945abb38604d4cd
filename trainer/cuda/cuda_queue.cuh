// CudaQueue: launches on one stream of device 0 (CUDA_VISIBLE_DEVICES chooses which that is). Calls return at once; a
// failed one throws guardbit::Error, at the latest from the next download.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <utility>

#include "trainer/cuda/queue.hpp"

namespace guardbit::trainer::cuda {

/// Error "cuda: WHAT failed: REASON" unless the call was a success.
void check_cuda(cudaError_t result, const char* what);
void check_cublas(cublasStatus_t result, const char* what);

/// Why no device can be used, or an empty text.
[[nodiscard]] std::string device_refusal();

inline constexpr int kThreads = 256;  // of a block

template <class Body>
__global__ void __launch_bounds__(kThreads) run_each(const Body body, Count n) {
  const Count i = Count{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) body(i);
}

class CudaQueue {
 public:
  /// A graph of launches, ready to run.
  class Recorded {
   public:
    Recorded() = default;
    explicit Recorded(cudaGraphExec_t graph) : graph_(graph) {}
    Recorded(Recorded&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
    Recorded& operator=(Recorded&& other) noexcept {
      std::swap(graph_, other.graph_);
      return *this;
    }
    ~Recorded() {
      if (graph_ != nullptr) static_cast<void>(cudaGraphExecDestroy(graph_));
    }
    [[nodiscard]] cudaGraphExec_t graph() const { return graph_; }

   private:
    cudaGraphExec_t graph_ = nullptr;
  };

  explicit CudaQueue(bool tf32);
  ~CudaQueue();
  CudaQueue(CudaQueue&& other) noexcept;
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;

  [[nodiscard]] std::string name() const { return name_; }
  template <class Body>
  void each(Count n, const Body& body) {
    if (n <= 0) return;
    const Count blocks = (n + kThreads - 1) / kThreads;
    require(blocks <= INT32_MAX, "a launch of too many blocks");
    run_each<<<static_cast<unsigned>(blocks), kThreads, 0, stream_>>>(body, n);
    check_cuda(cudaGetLastError(), "a kernel launch");
  }
  void multiply(const Gemm& gemm);
  void copy(void* to, const void* from, std::size_t bytes);
  void stage(void* to, const void* from, std::size_t bytes);
  void download(void* to, const void* from, std::size_t bytes);
  [[nodiscard]] std::unique_ptr<Memory> allocate(std::size_t bytes);

  void begin_recording();
  [[nodiscard]] Recorded end_recording();
  void drop_recording() noexcept;
  void replay(const Recorded& recorded);

 private:
  /// Pinned memory through which small uploads go, so that the caller need not wait for earlier kernels. A slot is
  /// written again only when its last copy is done.
  struct Slot {
    void* pinned = nullptr;
    cudaEvent_t done = nullptr;
  };
  static constexpr int kSlots = 8;
  static constexpr std::size_t kSlotBytes = std::size_t{1} << 20;

  std::string name_;  // with that of the GPU
  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
  std::unique_ptr<Memory> cublas_workspace_;
  Slot slots_[kSlots];
  int next_slot_ = 0;
};

}  // namespace guardbit::trainer::cuda
