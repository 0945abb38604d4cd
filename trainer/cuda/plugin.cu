// What libguardbit_cuda.so exports (plugin.hpp).
#include "trainer/cuda/cuda_queue.cuh"
#include "trainer/cuda/device_backend.hpp"
#include "trainer/cuda/integer_convolution.hpp"

#define GUARDBIT_EXPORT extern "C" __attribute__((visibility("default")))

GUARDBIT_EXPORT const char* guardbit_cuda_interface() { return GUARDBIT_CUDA_INTERFACE; }

GUARDBIT_EXPORT const char* guardbit_cuda_refusal() {
  static const std::string reason = guardbit::trainer::cuda::device_refusal();
  return reason.empty() ? nullptr : reason.c_str();
}

namespace {

void require_device() {
  if (const char* reason = guardbit_cuda_refusal()) throw guardbit::Error(reason);
}

}  // namespace

GUARDBIT_EXPORT guardbit::trainer::Backend* guardbit_cuda_backend(bool tf32) {
  using namespace guardbit::trainer::cuda;
  require_device();
  return new DeviceBackend<CudaQueue>(CudaQueue(tf32));
}

GUARDBIT_EXPORT guardbit::trainer::cuda::CodeConvolver* guardbit_cuda_convolver() {
  using namespace guardbit::trainer::cuda;
  require_device();
  return new QueueConvolver<CudaQueue>(CudaQueue(false));
}
