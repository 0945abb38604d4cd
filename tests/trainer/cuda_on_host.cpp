#include "tests/trainer/device.hpp"
#include "trainer/cuda/device_backend.hpp"
#include "trainer/cuda/host_queue.hpp"

namespace guardbit::trainer {

std::unique_ptr<Backend> make_cuda_on_host(bool scattered) {
  using cuda::HostQueue;
  constexpr cuda::Count kSmall = 8192;
  if (scattered)
    return std::make_unique<cuda::DeviceBackend<HostQueue>>(
        HostQueue(HostQueue::Order::Scattered, HostQueue::Addresses::Guarded), kSmall);
  return std::make_unique<cuda::DeviceBackend<HostQueue>>(HostQueue());
}

}  // namespace guardbit::trainer
