// What libguardbit_cuda.so exports (plugin.hpp).
#include "trainer/cuda/cuda_queue.cuh"
#include "trainer/cuda/device_backend.hpp"

#define GUARDBIT_EXPORT extern "C" __attribute__((visibility("default")))

GUARDBIT_EXPORT const char* guardbit_cuda_interface() { return GUARDBIT_CUDA_INTERFACE; }

GUARDBIT_EXPORT const char* guardbit_cuda_refusal() {
  static const std::string reason = guardbit::trainer::cuda::device_refusal();
  return reason.empty() ? nullptr : reason.c_str();
}

GUARDBIT_EXPORT guardbit::trainer::Backend* guardbit_cuda_backend(bool tf32) {
  using namespace guardbit::trainer::cuda;
  if (const std::string reason = device_refusal(); !reason.empty()) throw guardbit::Error(reason);
  return new DeviceBackend<CudaQueue>(CudaQueue(tf32));
}
