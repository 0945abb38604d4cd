// Checks for bugs of the simulator itself: they stay on in every build type and abort with file and line.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace guardbit::sim {

[[noreturn]] inline void fail_check(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: simulator check failed: %s\n", file, line, what);
  std::abort();
}

}  // namespace guardbit::sim

#define GUARDBIT_SIM_CHECK(condition) \
  ((condition) ? void(0) : ::guardbit::sim::fail_check(__FILE__, __LINE__, #condition))
