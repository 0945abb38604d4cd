// The pool behind parallel_parts(): starting a thread takes as long as a small matrix product.
//
// A call puts its parts into a queue, where the pool's threads and the caller itself take them; so it gets done even if
// no thread is free, or none can be started, or in the child of a fork, which has no threads but its own. (Between fork
// and exec such a child may only call what any child of a process with threads may.) A thread that waits for parts
// waits for threads that are computing them, never for one that waits for it: calls within parts end first.
#include "arith/parallel.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace guardbit::arith::detail {
namespace {

constexpr int kMostThreads = 256;
constexpr int kPatience = 64;  // looks for something to happen before a thread goes to sleep; some 20 us

struct Job {
  PartFunction function;
  const void* context;
  int parts;
  int next;                  // part to be taken; guarded by the pool's mutex
  std::atomic<int> open;     // parts not yet done; written under the mutex
};

class Pool {
 public:
  void run(int parts, PartFunction function, const void* context) {
    Job job{function, context, parts, 1, parts};
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(&job);
      waiting_.store(waiting_ + parts - 1, std::memory_order_relaxed);
      start_threads();
    }
    wake_.notify_all();
    function(context, 0);
    std::unique_lock lock(mutex_);
    finish(job);
    while (job.next < job.parts) run_part(job, lock);
    lock.unlock();
    for (int i = 0; i < kPatience && job.open.load(std::memory_order_acquire) != 0; ++i) std::this_thread::yield();
    // Whoever has done the last part holds the mutex until it has forgotten the job.
    lock.lock();
    done_.wait(lock, [&] { return job.open == 0; });
  }

 private:
  void start_threads() {
    try {
      while (idle_ + starting_ < waiting_ && threads_ < kMostThreads) {
        std::thread([this] { work(); }).detach();
        ++threads_;
        ++starting_;
      }
    } catch (const std::system_error&) {
      // The caller takes the parts.
    }
  }

  // The next part of a job that has one left; `lock` is released meanwhile.
  void run_part(Job& job, std::unique_lock<std::mutex>& lock) {
    const int part = job.next++;
    waiting_.store(waiting_ - 1, std::memory_order_relaxed);
    if (job.next == job.parts) std::erase(jobs_, &job);
    lock.unlock();
    job.function(job.context, part);
    lock.lock();
    finish(job);
  }

  void finish(Job& job) {
    if (job.open.fetch_sub(1, std::memory_order_release) == 1) done_.notify_all();
  }

  [[noreturn]] void work() {
    std::unique_lock lock(mutex_);
    --starting_;
    for (;;) {
      while (!jobs_.empty()) run_part(*jobs_.front(), lock);
      ++idle_;
      lock.unlock();
      for (int i = 0; i < kPatience && waiting_.load(std::memory_order_relaxed) == 0; ++i) std::this_thread::yield();
      lock.lock();
      wake_.wait(lock, [this] { return !jobs_.empty(); });
      --idle_;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  int threads_ = 0;
  std::vector<Job*> jobs_;       // with parts to be taken
  std::atomic<int> waiting_{0};  // such parts; written under the mutex
  int idle_ = 0;                 // threads without a part
  int starting_ = 0;             // threads that have not yet come so far
};

}  // namespace

void run_parts(int parts, PartFunction function, const void* context) {
  static Pool& pool = *new Pool;  // never destroyed: at exit its threads sleep on it
  pool.run(parts, function, context);
}

}  // namespace guardbit::arith::detail
