// A command: its grammar as data, and the function that does the work.
//
//   guardbit COMMAND CONFIG.yaml|RUN_FOLDER|BUNDLE... [key.path=value...] [--KEY VALUE...]
//
// YAML files, folders' remembered configurations, overrides and options merge strictly left to right.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nets/config/config.hpp"

namespace guardbit::cli {

struct Command;

struct Invocation {
  const Command* command = nullptr;
  std::vector<std::string> tokens;  // files, folders and overrides, in order
  // The positional arguments of commands that name files themselves (Command::operands).
  std::vector<std::string> operands;
};

struct Command {
  std::string_view name;      // "verify"; "trace write" for one of a family
  std::string_view summary;   // one line
  std::string_view operands;  // what the positional arguments are, for the usage line
  int leading_operands = 0;   // so many positional arguments (at most) are not configuration
  std::vector<std::string_view> keys;  // the top-level keys it reads
  std::string_view details;            // paragraphs under the summary in --help
  int (*run)(const Invocation&) = nullptr;
};

[[nodiscard]] std::span<const Command> all_commands();

// Finds the command, parses its arguments, runs it. Returns the exit code; throws Error for bad input.
int dispatch(std::span<const std::string> arguments);

// One per file of the same name.
[[nodiscard]] Command train_command();
[[nodiscard]] Command eval_command();
[[nodiscard]] Command update_command();
[[nodiscard]] Command export_values_command();
[[nodiscard]] Command quantize_command();
[[nodiscard]] Command import_command();
[[nodiscard]] Command info_command();
[[nodiscard]] Command run_command();
[[nodiscard]] std::vector<Command> compute_commands();  // one per operator
[[nodiscard]] Command simulate_command();
[[nodiscard]] Command verify_command();
[[nodiscard]] Command trace_write_command();
[[nodiscard]] Command trace_check_command();
[[nodiscard]] Command config_print_default_command();
[[nodiscard]] Command config_schema_command();
[[nodiscard]] Command config_check_command();

}  // namespace guardbit::cli
