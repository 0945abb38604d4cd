// Vectors whose elements start on a cache line: a 64-byte load that straddles two costs two.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace guardbit::arith::detail {

template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <typename U>
  explicit LineAllocator(const LineAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, kLine); }
  friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
};

template <typename T>
using LineVector = std::vector<T, LineAllocator<T>>;

// The same, of numbers that are not set to 0 first.
template <typename T>
struct UnsetLineAllocator : LineAllocator<T> {
  template <typename U>
  struct rebind {
    using other = UnsetLineAllocator<U>;
  };
  template <typename U>
  void construct(U* at) const {
    ::new (static_cast<void*>(at)) U;
  }
};

template <typename T>
using UnsetLineVector = std::vector<T, UnsetLineAllocator<T>>;

}  // namespace guardbit::arith::detail
