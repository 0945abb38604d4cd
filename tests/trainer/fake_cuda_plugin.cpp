// Libraries with the face of the CUDA plugin, for tests of the border. FAKE_INTERFACE says which interface it claims;
// with FAKE_INCOMPLETE nothing else is there.
#include "arith/error.hpp"
#include "trainer/cuda/device_backend.hpp"
#include "trainer/cuda/host_queue.hpp"
#include "trainer/cuda/integer_convolution.hpp"

extern "C" {

const char* guardbit_cuda_interface() { return FAKE_INTERFACE; }

#if !defined(FAKE_INCOMPLETE)
const char* guardbit_cuda_refusal() { return nullptr; }

guardbit::trainer::Backend* guardbit_cuda_backend(bool tf32) {
  using namespace guardbit::trainer::cuda;
  if (tf32) throw guardbit::Error("cuda: a loop on the host has no short products");
  return new DeviceBackend<HostQueue>(HostQueue(HostQueue::Order::Ascending, HostQueue::Addresses::Guarded));
}

guardbit::trainer::cuda::CodeConvolver* guardbit_cuda_convolver() {
  using namespace guardbit::trainer::cuda;
  return new QueueConvolver<HostQueue>(HostQueue(HostQueue::Order::Ascending, HostQueue::Addresses::Guarded));
}
#endif

}  // extern "C"
