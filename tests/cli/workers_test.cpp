// Child processes: results in order whatever their number, errors carried over, death noticed.
#include "cli/workers.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "arith/error.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

std::vector<int> squares(int jobs, int workers) {
  std::vector<int> taken;
  run_in_workers(
      jobs, workers,
      [](int i) {
        ::usleep(static_cast<useconds_t>((i * 7919) % 5 * 2000));  // finish out of order
        return json(i * i);
      },
      [&](int i, const json& result) {
        EXPECT_EQ(i, static_cast<int>(taken.size()));
        taken.push_back(result.get<int>());
      });
  return taken;
}

TEST(Workers, ResultsComeInTheOrderOfTheJobs) {
  std::vector<int> expected;
  for (int i = 0; i < 17; ++i) expected.push_back(i * i);
  for (const int workers : {1, 2, 5, 100}) EXPECT_EQ(squares(17, workers), expected) << workers;
  EXPECT_TRUE(squares(0, 4).empty());
}

TEST(Workers, ResultsLargerThanAPipeArrive) {
  const std::string large(3'000'000, 'x');
  int taken = 0;
  run_in_workers(
      4, 2, [&](int) { return json(large); },
      [&](int, const json& result) {
        EXPECT_EQ(result.get<std::string>(), large);
        ++taken;
      });
  EXPECT_EQ(taken, 4);
}

TEST(Workers, NumbersArriveExactly) {
  const json sent{{"a", 0.1}, {"b", INT64_MIN}, {"c", UINT64_MAX}, {"d", -0.0}, {"e", 5e-324}};
  EXPECT_EQ(run_in_child([&] { return sent; }), sent);
}

TEST(Workers, TheErrorOfTheFirstJobIsThrown) {
  const auto run = [](int workers) {
    try {
      run_in_workers(
          6, workers,
          [](int i) -> json {
            if (i == 2) ::usleep(30000);
            if (i >= 2) throw Error("job " + std::to_string(i));
            return i;
          },
          [](int, const json&) {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(run(1), "job 2");
  EXPECT_EQ(run(4), "job 2");
}

TEST(WorkersDeathTest, ADyingChildIsABug) {
  EXPECT_DEATH(static_cast<void>(run_in_child([]() -> json { std::raise(SIGKILL); return {}; })),
               "a worker process died \\(signal 9\\)");
  EXPECT_DEATH(static_cast<void>(run_in_child([]() -> json { throw std::logic_error("bug"); })),
               "a worker process died \\(signal 6\\)");
}

}  // namespace
}  // namespace guardbit::cli
