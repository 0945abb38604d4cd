// parallel_parts(): the partition, exceptions, calls within calls and from several threads.
#include "arith/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using namespace guardbit::arith;

TEST(Parallel, EveryItemIsInOnePartAndThePartsAreInOrder) {
  for (const int parts : {1, 2, 3, 7, 16}) {
    for (const std::int64_t items : {0, 1, 2, 16, 1000}) {
      std::vector<std::int64_t> first(static_cast<std::size_t>(parts)), last(first.size());
      parallel_parts(parts, items, [&](int part, std::int64_t begin, std::int64_t end) {
        first[static_cast<std::size_t>(part)] = begin;
        last[static_cast<std::size_t>(part)] = end;
      });
      EXPECT_EQ(first.front(), 0);
      EXPECT_EQ(last.back(), items);
      for (std::size_t p = 1; p < first.size(); ++p) {
        EXPECT_EQ(first[p], last[p - 1]);
        EXPECT_LE((last[p] - first[p]) - (last[0] - first[0]), 1);
      }
    }
  }
  EXPECT_EQ(part_count(8, 3), 3);
  EXPECT_EQ(part_count(0, 3), 1);
  EXPECT_EQ(part_count(2, 0), 1);
}

TEST(Parallel, PartZeroRunsOnTheCaller) {
  const auto caller = std::this_thread::get_id();
  for (int i = 0; i < 100; ++i) {
    parallel_parts(4, 4, [&](int part, std::int64_t, std::int64_t) {
      if (part != 0) return;
      EXPECT_EQ(std::this_thread::get_id(), caller);
    });
  }
}

TEST(Parallel, TwoPartsRunAtTheSameTime) {
  // Each waits for the other.
  std::atomic<int> arrived{0};
  parallel_parts(2, 2, [&](int, std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST(Parallel, TheExceptionOfTheLowestPartIsPassedOnWhenAllAreDone) {
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> ran{0};
    try {
      parallel_parts(5, 5, [&](int part, std::int64_t, std::int64_t) {
        ++ran;
        if (part >= 2) throw std::runtime_error(std::to_string(part));
      });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "2");
    }
    EXPECT_EQ(ran, 5);
  }
}

// Sums 1 .. items with calls within calls.
std::int64_t sum(int depth, std::int64_t from, std::int64_t items) {
  if (depth == 0) return items * from + items * (items + 1) / 2;
  std::vector<std::int64_t> sums(3);
  parallel_parts(3, items, [&](int part, std::int64_t first, std::int64_t last) {
    sums[static_cast<std::size_t>(part)] = sum(depth - 1, from + first, last - first);
  });
  return std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
}

TEST(Parallel, CallsWithinPartsAndFromSeveralThreadsEnd) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += sum(3, 0, 1000 + i) == std::int64_t{1000 + i} * (1001 + i) / 2 ? 0 : 1;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
