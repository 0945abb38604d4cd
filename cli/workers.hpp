// Work in child processes: a SystemC simulation context exists once per process, so simulations that are independent
// run in processes of their own, and two of them use two cores.
//
// A job sees everything its parent had in memory when it started and hands back a JSON value. guardbit::Error thrown in
// a job is thrown again in the parent. A job that dies otherwise is a bug: the parent aborts.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

namespace guardbit::cli {

[[nodiscard]] nlohmann::json run_in_child(const std::function<nlohmann::json()>& job);

// job(0) .. job(jobs - 1), at most `workers` at a time. `take` gets the results in the order of the jobs, so that what
// it builds does not depend on the number of workers.
void run_in_workers(int jobs, int workers, const std::function<nlohmann::json(int)>& job,
                    const std::function<void(int, nlohmann::json)>& take);

}  // namespace guardbit::cli
