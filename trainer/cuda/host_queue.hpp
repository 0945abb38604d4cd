// HostQueue: the Queue whose kernels are loops and whose device memory is the host's. With it the operators, the bodies
// and the arguments of matrix products that CudaQueue would launch are run and checked on a machine without a GPU.
#pragma once

#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "trainer/cuda/guarded_arena.hpp"
#include "trainer/cuda/queue.hpp"

namespace guardbit::trainer::cuda {

class HostQueue {
 public:
  /// The order in which the bodies of a launch run. No result may depend on it.
  enum class Order : unsigned char { Ascending, Scattered };
  /// Exact: every allocation is exactly as large as asked for, so that a memory checker sees one element too many.
  /// Guarded: no address can be used outside the calls of the queue (guarded_arena.hpp).
  enum class Addresses : unsigned char { Exact, Guarded };
  explicit HostQueue(Order order = Order::Ascending, Addresses addresses = Addresses::Exact)
      : order_(order), arena_(addresses == Addresses::Guarded ? std::make_shared<GuardedArena>() : nullptr) {}
  [[nodiscard]] std::string name() const { return "cuda_on_host"; }

  /// Calls with copies of their arguments: what a recording of launches is on a GPU.
  using Recorded = std::vector<std::function<void(HostQueue&)>>;
  void begin_recording() {
    require(!recording_, "a recording within a recording");
    recording_ = true;
  }
  [[nodiscard]] Recorded end_recording() {
    require(recording_, "no recording to end");
    recording_ = false;
    return std::exchange(recorded_, {});
  }
  void drop_recording() noexcept {
    recording_ = false;
    recorded_.clear();
  }
  void replay(const Recorded& recorded) {
    require(!recording_, "a replay within a recording");
    for (const auto& call : recorded) call(*this);
  }

  template <class Body>
  void each(Count n, const Body& body) {
    if (n <= 0) return;
    if (recording_) return record([n, body](HostQueue& queue) { queue.each(n, body); });
    const GuardedArena::Open open(arena_.get());
    if (order_ == Order::Ascending) {
      for (Count i = 0; i < n; ++i) body(i);
      return;
    }
    Count stride = 7919;
    while (std::gcd(stride, n) != 1) ++stride;
    for (Count k = 0, i = n / 3; k < n; ++k, i = (i + stride) % n) body(i);
  }

  void multiply(const Gemm& g) {
    if (recording_) return record([g](HostQueue& queue) { queue.multiply(g); });
    const GuardedArena::Open open(arena_.get());
    for (int column = 0; column < g.n; ++column) {
      for (int row = 0; row < g.m; ++row) {
        double sum = 0;
        for (int i = 0; i < g.k; ++i) {
          const float a = g.transpose_a ? g.a[i + Count{row} * g.lda] : g.a[row + Count{i} * g.lda];
          const float b = g.transpose_b ? g.b[column + Count{i} * g.ldb] : g.b[i + Count{column} * g.ldb];
          sum += static_cast<double>(a) * static_cast<double>(b);
        }
        float& c = g.c[row + Count{column} * g.ldc];
        c = static_cast<float>(g.beta == 0 ? sum : sum + static_cast<double>(g.beta) * static_cast<double>(c));
      }
    }
  }

  void copy(void* to, const void* from, std::size_t bytes) {
    if (recording_) return record([=](HostQueue& queue) { queue.copy(to, from, bytes); });
    const GuardedArena::Open open(arena_.get());
    std::memcpy(to, from, bytes);
  }
  void stage(void* to, const void* from, std::size_t bytes) {
    require(!recording_, "a copy from the host within a recording");
    copy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) {
    require(!recording_, "a copy to the host within a recording");
    copy(to, from, bytes);
  }

  [[nodiscard]] std::unique_ptr<Memory> allocate(std::size_t bytes) {
    require(!recording_, "an allocation within a recording");
    if (arena_) return std::make_unique<GuardedBlock>(arena_, bytes);
    return std::make_unique<Block>(bytes);
  }

 private:
  class Block final : public Memory {
   public:
    explicit Block(std::size_t bytes) : data_(::operator new(bytes, std::align_val_t{256})) {
      std::memset(data_, 0, bytes);
    }
    ~Block() override { ::operator delete(data_, std::align_val_t{256}); }
    [[nodiscard]] void* address() const override { return data_; }

   private:
    void* data_;
  };

  class GuardedBlock final : public Memory {
   public:
    GuardedBlock(std::shared_ptr<GuardedArena> arena, std::size_t bytes)
        : arena_(std::move(arena)), data_(arena_->take(bytes)) {}
    [[nodiscard]] void* address() const override { return data_; }

   private:
    std::shared_ptr<GuardedArena> arena_;
    void* data_;
  };

  void record(std::function<void(HostQueue&)> call) { recorded_.push_back(std::move(call)); }

  Order order_;
  std::shared_ptr<GuardedArena> arena_;
  bool recording_ = false;
  Recorded recorded_;
};

}  // namespace guardbit::trainer::cuda
