#include "cli/workers.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <system_error>
#include <vector>

#include "arith/error.hpp"

namespace guardbit::cli {
namespace {

struct Child {
  pid_t pid = -1;
  int descriptor = -1;  // read end
  int job = 0;
  std::vector<std::uint8_t> bytes;
};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void write_all(int descriptor, const std::vector<std::uint8_t>& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) std::abort();
    done += static_cast<std::size_t>(n);
  }
}

// In the child: anything but Error ends the process abnormally, on purpose.
[[noreturn]] void child_main(int descriptor, const std::function<nlohmann::json()>& job) noexcept {
  nlohmann::json answer;
  try {
    answer["result"] = job();
  } catch (const Error& error) {
    answer["error"] = error.what();
  }
  std::fflush(stdout);
  write_all(descriptor, nlohmann::json::to_cbor(answer));
  ::_exit(0);
}

Child start(int index, const std::function<nlohmann::json()>& job) {
  int ends[2];
  if (::pipe(ends) != 0) fail("pipe");
  std::fflush(nullptr);  // or buffered text would be written twice
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    ::close(ends[0]);
    child_main(ends[1], job);
  }
  ::close(ends[1]);
  return {.pid = pid, .descriptor = ends[0], .job = index, .bytes = {}};
}

// Reads what is there; true at the end of the stream.
bool receive(Child& child) {
  std::uint8_t block[65536];
  const ssize_t n = ::read(child.descriptor, block, sizeof block);
  if (n < 0 && errno == EINTR) return false;
  if (n < 0) fail("read");
  child.bytes.insert(child.bytes.end(), block, block + n);
  return n == 0;
}

// The child's whole answer: {"result": ...} or {"error": text}.
nlohmann::json finish(Child& child) {
  ::close(child.descriptor);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  child.pid = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::fprintf(stderr, "guardbit: a worker process died (%s %d)\n", WIFSIGNALED(status) ? "signal" : "exit",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    std::abort();
  }
  return nlohmann::json::from_cbor(child.bytes);
}

nlohmann::json result_of(nlohmann::json answer) {
  if (answer.contains("error")) throw Error(answer["error"].get<std::string>());
  return std::move(answer["result"]);
}

}  // namespace

nlohmann::json run_in_child(const std::function<nlohmann::json()>& job) {
  Child child = start(0, job);
  while (!receive(child)) {
  }
  return result_of(finish(child));
}

void run_in_workers(int jobs, int workers, const std::function<nlohmann::json(int)>& job,
                    const std::function<void(int, nlohmann::json)>& take) {
  std::vector<Child> running;
  std::map<int, nlohmann::json> waiting;  // finished before their turn
  int next_job = 0, next_take = 0;
  try {
    while (next_take < jobs) {
      while (next_job < jobs && static_cast<int>(running.size()) < workers) {
        const int index = next_job++;
        running.push_back(start(index, [&job, index] { return job(index); }));
      }
      std::vector<pollfd> polls;
      for (const Child& child : running) polls.push_back({.fd = child.descriptor, .events = POLLIN, .revents = 0});
      if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) fail("poll");
      for (std::size_t i = polls.size(); i-- > 0;) {
        if (polls[i].revents == 0 || !receive(running[i])) continue;
        Child done = std::move(running[i]);
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
        waiting[done.job] = finish(done);
      }
      for (auto found = waiting.find(next_take); found != waiting.end(); found = waiting.find(next_take)) {
        nlohmann::json answer = std::move(found->second);
        waiting.erase(found);
        take(next_take++, result_of(std::move(answer)));  // of several errors, the first job's is reported
      }
    }
  } catch (...) {
    // Children get a broken pipe or finish; none is left behind as a zombie.
    for (const Child& child : running) {
      ::close(child.descriptor);
      ::waitpid(child.pid, nullptr, 0);
    }
    throw;
  }
}

}  // namespace guardbit::cli
