// Threads over a fixed partition: part t of n items is always the same, so results never depend on timing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

namespace guardbit::arith {

// Number of parts that parallel_parts will use: at most one per item, at least one.
[[nodiscard]] inline int part_count(int threads, std::int64_t items) {
  return static_cast<int>(std::clamp<std::int64_t>(items, 1, std::max(threads, 1)));
}

namespace detail {

using PartFunction = void (*)(const void* context, int part);  // must not throw
// Calls function(context, part) for every part: part 0 on this thread, the others on those of a pool, or on this one
// when none is free. Returns when all are done.
void run_parts(int parts, PartFunction function, const void* context);

}  // namespace detail

// Calls body(part, first, last) for `parts` contiguous, nearly equal ranges of 0..items-1, on up to as many threads
// (part 0 on the caller's). An exception of the lowest part is passed on. May be called from within a part, and by
// several threads at once.
template <class Body>
void parallel_parts(int parts, std::int64_t items, const Body& body) {
  if (parts == 1) return body(0, std::int64_t{0}, items);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(parts));
  const auto run = [&](int part) noexcept {
    try {
      body(part, items * part / parts, items * (part + 1) / parts);
    } catch (...) {
      errors[static_cast<std::size_t>(part)] = std::current_exception();
    }
  };
  using Run = decltype(run);
  detail::run_parts(parts, [](const void* context, int part) { (*static_cast<const Run*>(context))(part); }, &run);
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace guardbit::arith
