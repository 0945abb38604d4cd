// Threads over a fixed partition: part t of n items is always the same, so results never depend on timing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace guardbit::arith {

// Number of parts that parallel_parts will use: at most one per item, at least one.
[[nodiscard]] inline int part_count(int threads, std::int64_t items) {
  return static_cast<int>(std::clamp<std::int64_t>(items, 1, std::max(threads, 1)));
}

// Calls body(part, first, last) for `parts` contiguous, nearly equal ranges of 0..items-1, each on its own thread (part
// 0 on the caller's). An exception of the lowest part is passed on.
template <class Body>
void parallel_parts(int parts, std::int64_t items, const Body& body) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(parts));
  const auto run = [&](int part) {
    try {
      body(part, items * part / parts, items * (part + 1) / parts);
    } catch (...) {
      errors[static_cast<std::size_t>(part)] = std::current_exception();
    }
  };
  std::vector<std::jthread> workers;
  for (int part = 1; part < parts; ++part) workers.emplace_back(run, part);
  run(0);
  workers.clear();  // joins
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace guardbit::arith
