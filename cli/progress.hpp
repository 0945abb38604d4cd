// A progress line on standard error: only on a terminal, rewritten in place at most ten times a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace guardbit::cli {

class Progress {
 public:
  Progress(std::string what, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::uint64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  std::uint64_t total_;
  bool terminal_;
  bool shown_ = false;
  Clock::time_point start_, next_;
};

}  // namespace guardbit::cli
