#include "trainer/cuda/cuda_queue.cuh"

#include <cstring>
#include <utility>

#include "arith/error.hpp"

namespace guardbit::trainer::cuda {

namespace {

// What cuBLAS may use; given to it so that its choices never depend on what else the device holds.
constexpr std::size_t kCublasBytes = std::size_t{32} << 20;

constexpr const char* kRecording = "recording a step (GUARDBIT_CUDA_RECORD=0 does without)";

class DeviceMemory final : public Memory {
 public:
  DeviceMemory(std::size_t bytes, cudaStream_t stream) {
    const std::size_t rounded = (bytes + 255) / 256 * 256 + 256;
    const cudaError_t result = cudaMalloc(&data_, rounded);
    if (result == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());  // or the next check reports it again
      throw Error("cuda: found no memory of " + std::to_string(rounded) + " bytes on the device; lower " +
                  "trainer.batch_size or trainer.eval_batch");
    }
    check_cuda(result, "an allocation");
    check_cuda(cudaMemsetAsync(data_, 0, rounded, stream), "clearing memory");
  }
  // Waits for the kernels that may still use it. Nothing can be reported from here; a broken device says so elsewhere.
  ~DeviceMemory() override {
    static_cast<void>(cudaDeviceSynchronize());
    static_cast<void>(cudaFree(data_));
  }
  [[nodiscard]] void* address() const override { return data_; }

 private:
  void* data_ = nullptr;
};

cublasOperation_t operation(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }

}  // namespace

void check_cuda(cudaError_t result, const char* what) {
  if (result != cudaSuccess)
    throw Error(std::string("cuda: ") + what + " failed: " + cudaGetErrorString(result));
}
void check_cublas(cublasStatus_t result, const char* what) {
  if (result != CUBLAS_STATUS_SUCCESS)
    throw Error(std::string("cuda: ") + what + " failed: " + cublasGetStatusString(result));
}

std::string device_refusal() {
  int devices = 0;
  if (const cudaError_t result = cudaGetDeviceCount(&devices); result != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return std::string("cuda: no usable device: ") + cudaGetErrorString(result);
  }
  if (devices == 0) return "cuda: no usable device: found none";
  cudaDeviceProp device{};
  if (const cudaError_t result = cudaGetDeviceProperties(&device, 0); result != cudaSuccess)
    return std::string("cuda: no usable device: ") + cudaGetErrorString(result);
  if (device.major < 8)
    return std::string("cuda: found device ") + device.name + " of compute capability " +
           std::to_string(device.major) + "." + std::to_string(device.minor) + ", allowed 8.0 and above";
  return "";
}

CudaQueue::CudaQueue(bool tf32) {
  check_cuda(cudaSetDevice(0), "choosing the device");
  cudaDeviceProp device{};
  check_cuda(cudaGetDeviceProperties(&device, 0), "asking the device");
  name_ = std::string(tf32 ? "cuda_tf32" : "cuda") + " (" + device.name + ")";
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  check_cublas(cublasCreate(&cublas_), "starting cuBLAS");
  check_cublas(cublasSetStream(cublas_, stream_), "starting cuBLAS");
  cublas_workspace_ = allocate(kCublasBytes);
  check_cublas(cublasSetWorkspace(cublas_, cublas_workspace_->address(), kCublasBytes), "starting cuBLAS");
  check_cublas(cublasSetAtomicsMode(cublas_, CUBLAS_ATOMICS_NOT_ALLOWED), "starting cuBLAS");
  // Pedantic: no other arithmetic than IEEE float, whatever the environment asks for.
  check_cublas(cublasSetMathMode(cublas_, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_PEDANTIC_MATH),
               "starting cuBLAS");
  for (Slot& slot : slots_) {
    check_cuda(cudaMallocHost(&slot.pinned, kSlotBytes), "allocating pinned memory");
    check_cuda(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming), "creating an event");
  }
}

CudaQueue::CudaQueue(CudaQueue&& other) noexcept
    : name_(std::move(other.name_)), stream_(std::exchange(other.stream_, nullptr)),
      cublas_(std::exchange(other.cublas_, nullptr)), cublas_workspace_(std::move(other.cublas_workspace_)),
      next_slot_(other.next_slot_) {
  for (int i = 0; i < kSlots; ++i) slots_[i] = std::exchange(other.slots_[i], Slot{});
}

CudaQueue::~CudaQueue() {
  if (stream_ == nullptr) return;
  static_cast<void>(cudaStreamSynchronize(stream_));
  static_cast<void>(cublasDestroy(cublas_));
  for (Slot& slot : slots_) {
    if (slot.done != nullptr) static_cast<void>(cudaEventDestroy(slot.done));
    if (slot.pinned != nullptr) static_cast<void>(cudaFreeHost(slot.pinned));
  }
  static_cast<void>(cudaStreamDestroy(stream_));
}

void CudaQueue::multiply(const Gemm& g) {
  const float one = 1;
  check_cublas(cublasSgemm(cublas_, operation(g.transpose_a), operation(g.transpose_b), g.m, g.n, g.k, &one, g.a,
                           g.lda, g.b, g.ldb, &g.beta, g.c, g.ldc),
               "a matrix product");
}

void CudaQueue::copy(void* to, const void* from, std::size_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy");
}

void CudaQueue::stage(void* to, const void* from, std::size_t bytes) {
  if (bytes > kSlotBytes) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
    check_cuda(cudaStreamSynchronize(stream_), "a copy to the device");
    return;
  }
  Slot& slot = slots_[next_slot_];
  next_slot_ = (next_slot_ + 1) % kSlots;
  check_cuda(cudaEventSynchronize(slot.done), "waiting for a copy");  // at once for one that was never recorded
  std::memcpy(slot.pinned, from, bytes);
  check_cuda(cudaMemcpyAsync(to, slot.pinned, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
  check_cuda(cudaEventRecord(slot.done, stream_), "recording an event");
}

void CudaQueue::download(void* to, const void* from, std::size_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the device");
  check_cuda(cudaStreamSynchronize(stream_), "a step on the device");
}

// Until the recording ends, a call of this thread that cannot be recorded, such as an allocation, fails.
void CudaQueue::begin_recording() {
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), kRecording);
}

CudaQueue::Recorded CudaQueue::end_recording() {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream_, &graph), kRecording);
  cudaGraphExec_t ready = nullptr;
  const cudaError_t result = cudaGraphInstantiate(&ready, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check_cuda(result, kRecording);
  return Recorded(ready);
}

void CudaQueue::drop_recording() noexcept {
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(stream_, &graph));
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());  // or the next check reports the same error again
}

void CudaQueue::replay(const Recorded& recorded) {
  check_cuda(cudaGraphLaunch(recorded.graph(), stream_), "a recorded step");
}

std::unique_ptr<Memory> CudaQueue::allocate(std::size_t bytes) {
  return std::make_unique<DeviceMemory>(bytes, stream_);
}

}  // namespace guardbit::trainer::cuda
