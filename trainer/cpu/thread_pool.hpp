// ThreadPool: runs numbered pieces of work on a fixed number of threads, the caller being one of them.
//
// The pieces are the unit of determinism: callers cut the work the same way whatever the number of threads, and combine
// partial results in the order of the pieces. Every second run takes the pieces from the last to the first, because
// what the run before touched last is still in the cache. Inside a piece OpenMP (which oneDNN uses) is limited to one
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace guardbit::trainer {

/// Limits OpenMP to one thread for the calling thread while alive.
class SingleThreadedOpenMp {
 public:
  SingleThreadedOpenMp();
  ~SingleThreadedOpenMp();
  SingleThreadedOpenMp(const SingleThreadedOpenMp&) = delete;
  SingleThreadedOpenMp& operator=(const SingleThreadedOpenMp&) = delete;

 private:
  int before_;
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// work(piece, worker) for piece = 0 .. pieces - 1, worker = 0 .. threads() - 1; returns when all are done. The work
  /// must not throw.
  template <class Work>
  void run(int pieces, Work&& work) {
    run_pieces(pieces, [](void* context, int piece, int worker) { (*static_cast<Work*>(context))(piece, worker); },
               &work);
  }

 private:
  using Function = void (*)(void* context, int piece, int worker);
  void run_pieces(int pieces, Function function, void* context);
  void take_pieces(int worker);
  void worker_loop(int worker);

  int spins_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> next_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
  bool open_ = false;  // guarded by mutex_: workers may join
  Function function_ = nullptr;
  void* context_ = nullptr;
  int pieces_ = 0;
  bool backwards_ = false;
};

}  // namespace guardbit::trainer
