// Memory that the host can touch only while it plays the device: outside the calls of a HostQueue its pages cannot be
// read or written, so that code which takes a device address for one of the host's ends with a segmentation fault, as
// it would, more or less, with a GPU.
#pragma once

#include <sys/mman.h>

#include <new>

#include "trainer/cuda/queue.hpp"

namespace guardbit::trainer::cuda {

class GuardedArena {
 public:
  GuardedArena() : start_(mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (start_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~GuardedArena() { munmap(start_, kBytes); }
  GuardedArena(const GuardedArena&) = delete;
  GuardedArena& operator=(const GuardedArena&) = delete;

  /// Zeroed, 256-byte aligned; returned to the system with the arena.
  [[nodiscard]] void* take(std::size_t bytes) {
    const std::size_t at = used_;
    used_ += (bytes + 255) / 256 * 256;
    if (used_ > kBytes) throw std::bad_alloc();
    return static_cast<char*>(start_) + at;
  }

  /// The pages in use can be touched while this lives.
  class Open {
   public:
    explicit Open(GuardedArena* arena) : arena_(arena) { protect(PROT_READ | PROT_WRITE); }
    ~Open() { protect(PROT_NONE); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    void protect(int access) {
      if (arena_ != nullptr && arena_->used_ > 0)
        require(mprotect(arena_->start_, arena_->used_, access) == 0, "mprotect failed");
    }
    GuardedArena* arena_;
  };

 private:
  static constexpr std::size_t kBytes = std::size_t{8} << 30;  // of addresses
  void* start_;
  std::size_t used_ = 0;
};

}  // namespace guardbit::trainer::cuda
