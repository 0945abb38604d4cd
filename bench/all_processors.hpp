// Measuring with several threads in a process that is pinned to one processor.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstddef>

namespace guardbit::bench {

// All processors, whatever bench/run has pinned the process to: two threads on one core show nothing.
class AllProcessors {
 public:
  AllProcessors() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t all;
    CPU_ZERO(&all);
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); ++i) CPU_SET(static_cast<std::size_t>(i), &all);
    sched_setaffinity(0, sizeof all, &all);
  }
  AllProcessors(const AllProcessors&) = delete;
  AllProcessors& operator=(const AllProcessors&) = delete;
  ~AllProcessors() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

}  // namespace guardbit::bench
