// Workspace: device memory that grows when more is asked for; what it held is lost then.
#pragma once

#include <memory>

#include "trainer/backend.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
class Workspace {
 public:
  template <class T>
  [[nodiscard]] T* take(Queue& queue, std::int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (bytes > bytes_) {
      memory_.reset();  // first, so that both need not fit
      memory_ = queue.allocate(bytes);
      bytes_ = bytes;
      ++growths_;
    }
    return static_cast<T*>(memory_->address());
  }
  /// How often the memory has moved.
  [[nodiscard]] std::uint64_t growths() const { return growths_; }

 private:
  std::unique_ptr<Memory> memory_;
  std::size_t bytes_ = 0;
  std::uint64_t growths_ = 0;
};

}  // namespace guardbit::trainer::cuda
