// guardbit: entry point. Bad input is caught here, once: one line on standard error, exit code 2. A bug aborts.
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

}  // namespace

int main(int argc, char** argv) {
  // Read by the SystemC library when its first simulation context is made.
  ::setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  ::setenv("SC_COPYRIGHT_MESSAGE", "DISABLE", 1);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    return guardbit::cli::dispatch(arguments);
  } catch (const guardbit::Error& error) {
    return bad_input(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return bad_input(std::string("file system: found ") + error.what() + ", allowed a path that can be used");
  }
}
