#include "trainer/cpu/thread_pool.hpp"

#include <omp.h>

namespace guardbit::trainer {

SingleThreadedOpenMp::SingleThreadedOpenMp() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleThreadedOpenMp::~SingleThreadedOpenMp() { omp_set_num_threads(before_); }

namespace {
// Rounds of waiting without sleeping, about half a millisecond: an operator follows the next within that time, and
// whoever sleeps has to wait for a processor where others work beside. With fewer processors than threads waiting
// takes the time of those that work.
constexpr int kSpins = 40000, kSpinsWhenCrowded = 1000;
}  // namespace

ThreadPool::ThreadPool(int threads)
    : spins_(threads <= static_cast<int>(std::thread::hardware_concurrency()) ? kSpins : kSpinsWhenCrowded) {
  for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { worker_loop(worker); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_pieces(int worker) {
  for (int turn = next_.fetch_add(1); turn < pieces_; turn = next_.fetch_add(1))
    function_(context_, backwards_ ? pieces_ - 1 - turn : turn, worker);
}

void ThreadPool::worker_loop(int worker) {
  omp_set_num_threads(1);
  std::uint64_t seen = 0;
  while (true) {
    for (int spin = 0; spin < spins_ && generation_.load(std::memory_order_acquire) == seen && !stop_; ++spin)
      __builtin_ia32_pause();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_ != seen || stop_; });
      if (stop_) return;
      seen = generation_;
      if (!open_) continue;
      busy_.fetch_add(1);
    }
    take_pieces(worker);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run_pieces(int pieces, Function function, void* context) {
  const SingleThreadedOpenMp limit;
  if (pieces <= 1) {
    if (pieces == 1) function(context, 0, 0);
    return;
  }
  const bool backwards = !backwards_;
  if (workers_.empty()) {
    backwards_ = backwards;
    for (int turn = 0; turn < pieces; ++turn) function(context, backwards ? pieces - 1 - turn : turn, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    function_ = function;
    context_ = context;
    pieces_ = pieces;
    backwards_ = backwards;
    next_ = 0;
    open_ = true;
    ++generation_;
  }
  wake_.notify_all();
  take_pieces(0);
  {
    const std::lock_guard lock(mutex_);
    open_ = false;  // a worker that wakes up now has nothing to do and is not waited for
  }
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < spins_) __builtin_ia32_pause();
    else std::this_thread::yield();
  }
}

}  // namespace guardbit::trainer
