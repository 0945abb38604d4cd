// guardbit: entry point. Bad input is caught here, once: one line on standard error, exit code 2. A bug aborts.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/text.hpp"

namespace {

int bad_input(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "guardbit: %s\n", guardbit::cli::one_line(message).c_str());
  return 2;
}

// A mapped data file that is cut short under the program: the kernel has nothing to give where it is touched. Other
// bus errors are bugs and end as they would without this.
extern "C" void report_lost_file(int signal, siginfo_t* information, void*) {
  constexpr char kLine[] = "guardbit: a data file in use: found it cut short or not readable any more\n";
  if (information->si_code == BUS_ADRERR) {
    if (::write(STDERR_FILENO, kLine, sizeof kLine - 1) < 0) ::_exit(2);
    ::_exit(2);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void watch_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = report_lost_file;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  // Read by the SystemC library when its first simulation context is made.
  ::setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  ::setenv("SC_COPYRIGHT_MESSAGE", "DISABLE", 1);
  watch_mapped_files();
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    return guardbit::cli::dispatch(arguments);
  } catch (const guardbit::Error& error) {
    return bad_input(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return bad_input(std::string("file system: found ") + error.what() + ", allowed a path that can be used");
  }
}
