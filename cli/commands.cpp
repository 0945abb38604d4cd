// The list of all commands, in the order of --help.
#include "cli/command.hpp"

namespace guardbit::cli {

std::span<const Command> all_commands() {
  static const std::vector<Command> commands{
      info_command(),        train_command(),       eval_command(),
      quantize_command(),    run_command(),         simulate_command(),
      verify_command(),      trace_write_command(), trace_check_command(),
      config_print_default_command(), config_schema_command(), config_check_command(),
  };
  return commands;
}

}  // namespace guardbit::cli
