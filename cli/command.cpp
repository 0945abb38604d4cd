#include "cli/command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <optional>

#include "arith/error.hpp"
#include "cli/keys.hpp"
#include "cli/sections.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"

namespace guardbit::cli {
namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : all_commands()) names.emplace_back(command.name);
  return names;
}

std::string overview() {
  std::string text =
      "guardbit: a deterministic simulator and accelerator model for integer-only neural networks\n\n"
      "usage: guardbit COMMAND CONFIG.yaml|RUN_FOLDER|BUNDLE... [key.path=value...] [--json FILE] [--seed N]\n"
      "                [--threads N] [-o DIR]\n\ncommands:\n";
  for (const Command& command : all_commands()) text += fmt::format("  {:<22}{}\n", command.name, command.summary);
  text +=
      "\n`guardbit COMMAND --help` lists a command's keys; `guardbit config schema` all of them.\n"
      "exit codes: 0 done and held, 1 done and a check did not hold, 2 bad input\n";
  return text;
}

// The command that the first one or two arguments name; `used` says how many.
const Command& choose(std::span<const std::string> arguments, std::size_t& used) {
  const std::string& first = arguments[0];
  std::vector<std::string> family;  // second words of "trace write", "trace check"
  for (const Command& command : all_commands()) {
    const std::string_view name = command.name;
    const std::size_t space = name.find(' ');
    if (space == std::string_view::npos && name == first) {
      used = 1;
      return command;
    }
    if (space == std::string_view::npos || name.substr(0, space) != first) continue;
    family.emplace_back(name.substr(space + 1));
    if (arguments.size() > 1 && arguments[1] == family.back()) {
      used = 2;
      return command;
    }
  }
  if (!family.empty()) {
    const std::string found = arguments.size() > 1 ? arguments[1] : "nothing";
    throw Error(fmt::format("command line: {}: found {}{}, allowed {}", first, found, did_you_mean(found, family),
                            join(family)));
  }
  const std::vector<std::string> names = command_names();
  throw Error(fmt::format("command line: found command {}{}, allowed {}", first, did_you_mean(first, names),
                          join(names)));
}

std::string help_of(const Key& key) {
  return key.fallback.empty() ? std::string(key.help) : fmt::format("{} [{}]", key.help, key.fallback);
}

// Sections are written as key.sub.key=value, so CLI11 knows nothing of what is in them.
std::string sections_help(const Command& command) {
  std::string text;
  for (const std::string_view name : command.keys) {
    const Key& key = *find_key(name);
    if (key.kind != KeyKind::Section) continue;
    text += fmt::format("\n{}: {}\n", key.name, key.help);
    for (const SectionKey& nested : section_keys()) {
      if (!nested.path.starts_with(std::string(key.name) + ".")) continue;
      text += fmt::format("  {:<40}{}{}\n", nested.path, nested.meaning,
                          nested.fallback.empty() ? "" : fmt::format(" [{}]", nested.fallback));
    }
  }
  return text.empty() ? "" : "\nSections (key.sub.key=value, or YAML):\n" + text;
}

// The usage line is ours; CLI11's own would only say "[OPTIONS]".
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override { return ""; }
  std::string make_positionals(const CLI::App* /*app*/) const override { return ""; }
};

// CLI11 reads the arguments; the order in which it saw them is kept, because configuration merges left to right.
class Parser {
 public:
  explicit Parser(const Command& command)
      : command_(command), app_(fmt::format("{}.\n\n{}", command.summary, command.details),
                                fmt::format("guardbit {}", command.name)) {
    app_.allow_extras();
    app_.formatter(std::make_shared<HelpFormat>());
    positional_ = app_.add_option("arguments", positional_values_, std::string(command.operands));
    positional_->type_name("");
    for (const std::string_view name : command.keys) add(*find_key(name));
  }

  Invocation parse(std::span<const std::string> arguments) {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app_.parse(std::move(reversed));
    reject_unknown_options();
    Invocation invocation{.command = &command_, .tokens = {}, .operands = {}};
    std::map<const CLI::Option*, std::size_t> seen;
    for (const CLI::Option* option : app_.parse_order()) {
      const std::size_t index = seen[option]++;
      if (option == positional_) {
        take_positional(option->results().at(index), invocation);
      } else if (const auto found = keys_.find(option); found != keys_.end()) {
        invocation.tokens.push_back(as_override(*found->second, option->results().at(index)));
      }
    }
    return invocation;
  }

  [[nodiscard]] std::string help() const { return app_.help(); }

 private:
  void add(const Key& key) {
    if (key.kind == KeyKind::Section) return;
    std::string spelling = "--" + option_name(key.name);
    if (key.name == "output") spelling = "-o," + spelling;
    CLI::Option* option = nullptr;
    if (key.kind == KeyKind::Flag) {
      option = app_.add_flag(spelling, flags_[key.name], help_of(key));
    } else {
      option = app_.add_option(spelling, values_[key.name], help_of(key))->type_name(std::string(key.value));
      option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    option->group("Keys (`--key value` is `key=value`)");
    keys_[option] = &key;
  }

  void reject_unknown_options() const {
    for (const std::string& extra : app_.remaining()) {
      if (extra.size() < 2 || extra[0] != '-') continue;
      std::vector<std::string> known{"help"};
      for (const std::string_view key : command_.keys) {
        if (find_key(key)->kind != KeyKind::Section) known.push_back(option_name(key));
      }
      std::string word = extra.substr(extra.find_first_not_of('-') == std::string::npos
                                          ? extra.size() : extra.find_first_not_of('-'));
      word = word.substr(0, word.find('='));
      std::vector<std::string> shown;
      for (const std::string& name : known) shown.push_back("--" + name);
      throw Error(fmt::format("command line: {}: found unknown option {}{}, allowed {}", command_.name, extra,
                              did_you_mean(word, known, "--"), join(shown)));
    }
  }

  void take_positional(const std::string& token, Invocation& invocation) const {
    const bool leading = static_cast<int>(invocation.operands.size()) < command_.leading_operands;
    if (leading && !nets::is_override(token)) {
      invocation.operands.push_back(token);
      return;
    }
    const std::size_t sign = token.find('=');
    const Key* key = sign == std::string::npos ? nullptr : find_key(std::string_view(token).substr(0, sign));
    const bool list = key != nullptr && key->kind == KeyKind::List;
    invocation.tokens.push_back(list ? as_override(*key, token.substr(sign + 1)) : token);
  }

  static std::string as_override(const Key& key, const std::string& value) {
    switch (key.kind) {
      case KeyKind::Flag:
        return fmt::format("{}=true", key.name);
      case KeyKind::List:
        return value.starts_with('[') ? fmt::format("{}={}", key.name, value)
                                      : fmt::format("{}=[{}]", key.name, value);
      case KeyKind::Scalar:
      case KeyKind::Section:
        break;
    }
    return fmt::format("{}={}", key.name, value);
  }

  const Command& command_;
  CLI::App app_;
  CLI::Option* positional_ = nullptr;
  std::vector<std::string> positional_values_;
  std::map<std::string_view, std::string> values_;  // storage that CLI11 asks for; results() is what is read
  std::map<std::string_view, bool> flags_;
  std::map<const CLI::Option*, const Key*> keys_;
};

std::string usage(const Command& command) {
  return fmt::format("usage: guardbit {} {}", command.name, command.operands);
}

}  // namespace

int dispatch(std::span<const std::string> arguments) {
  if (arguments.empty()) {
    throw Error(fmt::format("command line: found no command, allowed {}", join(command_names())));
  }
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    fmt::print("{}", overview());
    return 0;
  }
  if (arguments[0] == "--version") {
    fmt::print("guardbit {}\n", kVersion);
    return 0;
  }
  std::size_t used = 0;
  const Command& command = choose(arguments, used);
  Parser parser(command);
  std::optional<Invocation> invocation;
  try {
    invocation = parser.parse(arguments.subspan(used));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}\n\n{}{}", usage(command), parser.help(), sections_help(command));
    return 0;
  } catch (const CLI::ParseError& error) {
    throw Error(fmt::format("command line: {}: found {}, allowed {}", command.name, one_line(error.what()),
                            "the options that --help lists"));
  }
  return command.run(*invocation);
}

}  // namespace guardbit::cli
