// The list of all commands, in the order of --help.
#include "cli/command.hpp"

namespace guardbit::cli {

std::span<const Command> all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all{
        info_command(),        train_command(),       eval_command(),
        update_command(),      export_values_command(),
        import_command(),      quantize_command(),    run_command(),         simulate_command(),
        verify_command(),      trace_write_command(), trace_check_command(),
        config_print_default_command(), config_schema_command(), config_check_command(),
    };
    const std::vector<Command> operators = compute_commands();
    all.insert(all.begin() + 8, operators.begin(), operators.end());  // after `run`
    return all;
  }();
  return commands;
}

}  // namespace guardbit::cli
