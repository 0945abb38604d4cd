// guardbit config: every key with its default and meaning, and a check of configurations without running anything.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/keys.hpp"
#include "cli/network_source.hpp"
#include "cli/sections.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/data/dataset.hpp"
#include "nets/graph/info.hpp"
#include "nets/graph/load.hpp"
#include "nets/quantize/quantize_options.hpp"
#include "trainer/options.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

std::vector<std::string> commands_of(std::string_view key) {
  std::vector<std::string> names;
  for (const Command& command : all_commands()) {
    if (std::find(command.keys.begin(), command.keys.end(), key) != command.keys.end()) {
      names.emplace_back(command.name);
    }
  }
  return names;
}

std::string_view kind_name(KeyKind kind) {
  switch (kind) {
    case KeyKind::Scalar:
      return "scalar";
    case KeyKind::Flag:
      return "flag";
    case KeyKind::List:
      return "list";
    case KeyKind::Section:
      return "section";
  }
  return "";
}

int schema(const Invocation& invocation) {
  const Session session(invocation);
  session.finish();
  Table table({{"key", Align::Left}, {"default", Align::Left}, {"meaning", Align::Left}});
  json keys = json::array();
  const auto add = [&](const std::string& path, std::string_view kind, const std::string& fallback,
                       const std::string& meaning, const std::vector<std::string>& commands) {
    table.row({path, fallback, meaning});
    keys.push_back({{"key", path}, {"kind", kind}, {"default", fallback}, {"meaning", meaning}, {"commands",
        commands}});
  };
  for (const Key& key : all_keys()) {
    add(std::string(key.name), kind_name(key.kind), std::string(key.fallback), std::string(key.help),
        commands_of(key.name));
  }
  table.rule();
  for (const SectionKey& key : section_keys()) {
    add(key.path, "nested", key.fallback, key.meaning, commands_of(key.path.substr(0, key.path.find('.'))));
  }
  fmt::print("config schema: every key; `--key value` is `key=value` for those without a dot\n{}", table.text());
  session.write_json({{"keys", std::move(keys)}});
  return 0;
}

// Keys that exclude others: of a learning rate that is a map instead of a number, of another optimizer.
bool is_variant(const std::string& path) {
  return path.starts_with("trainer.learning_rate.") || path.starts_with("model.") || path.starts_with("quantizer.") ||
         path.starts_with("trainer.optimizer.beta") || path == "trainer.optimizer.epsilon" ||
         path == "trainer.optimizer.decay" || path == "trainer.custom_lr_constant";
}

// A document that `config check` accepts: keys without a default are comments.
int print_default(const Invocation& invocation) {
  const Session session(invocation);
  session.finish();
  std::string text;
  std::vector<std::string> open;
  for (const SectionKey& key : section_keys()) {
    const std::vector<std::string> path = nets::split_path(key.path);
    const bool variant = is_variant(key.path);
    for (std::size_t depth = 0; depth + 1 < path.size(); ++depth) {
      if (depth < open.size() && open[depth] == path[depth]) continue;
      open.resize(depth);
      open.push_back(path[depth]);
      text += fmt::format("{}{}{}:\n", variant ? "# " : "", std::string(2 * depth, ' '), path[depth]);
    }
    open.resize(path.size() - 1);
    const bool comment = key.fallback.empty() || variant;
    std::string line = fmt::format("{}{}{}: {}", comment ? "# " : "", std::string(2 * (path.size() - 1), ' '),
                                   path.back(), key.fallback);
    line.resize(std::max<std::size_t>(line.size() + 2, 44), ' ');
    text += line + "# " + key.meaning + '\n';
  }
  for (const Key& key : all_keys()) {
    if (key.kind == KeyKind::Section) continue;
    std::string line = fmt::format("# {}:", key.name);
    line.resize(std::max<std::size_t>(line.size() + 2, 44), ' ');
    text += fmt::format("{}# {}{}\n", line, key.help, key.fallback.empty() ? "" : fmt::format(" [{}]", key.fallback));
  }
  fmt::print("{}", text);
  session.write_json({{"text", text}});
  return 0;
}

int check(const Invocation& invocation) {
  const Session session(invocation);
  const nets::Section& root = session.root();
  std::vector<std::string> read;
  if (root.has("model") && session.source() != Source::Bundle) {
    const nets::Network network = load_float(session);
    read.push_back(fmt::format("model {} ({} MACs)", network.name,
                               grouped(nets::network_info(network).totals.macs)));
  }
  if (root.has("dataset")) {
    const nets::Section dataset = root.section("dataset");
    if (dataset.has("name")) {
      read.push_back("dataset " + nets::read_dataset_spec(dataset).name);
    } else {
      nets::read_preprocess(dataset.section_or_empty("preprocess"));
      for (const char* key : {"path", "seed", "train_size", "test_size", "holdout", "cache"}) dataset.ignore(key);
    }
  }
  if (root.has("trainer")) {
    nets::Value copy = session.config();
    if (copy.find("output") == nullptr) copy.set("output", "out");
    const nets::Section training(copy);
    if (training.section("trainer").has("epochs")) {
      static_cast<void>(trainer::read_train_options(training));
      training.section("trainer").done();
      training.section_or_empty("save").done();
      read.push_back("trainer");
    }
    root.ignore("trainer");
    root.ignore("save");
  }
  if (root.has("model") && trainer::QuantizerState::is_wanted(session.config())) {
    nets::Network network = load_float(session);
    if (network.parameters.empty()) nets::initialise(network, session.seed());
    static_cast<void>(trainer::QuantizerState(nets::resolve(session.config()), network));
    read.push_back("quantizer");
  }
  static_cast<void>(nets::read_quantize_options(root));
  if (const auto machine = optional_machine(session)) read.push_back("machine " + describe(machine));
  if (root.has("info")) static_cast<void>(nets::read_info_widths(root.section("info")));
  session.finish();
  fmt::print("config check: {}\n", read.empty() ? "nothing to check but names" : join(read));
  session.write_json({{"checked", read}});
  return 0;
}

}  // namespace

Command config_print_default_command() {
  return {.name = "config print-default",
          .summary = "Print every section with its default values, as YAML",
          .operands = "",
          .leading_operands = 0,
          .keys = {"json", "threads", "seed"},
          .details = "Keys without a default, and those that exclude each other, are comments.",
          .run = print_default};
}

Command config_schema_command() {
  return {.name = "config schema",
          .summary = "List every key: default, meaning, commands that read it",
          .operands = "[--json FILE]",
          .leading_operands = 0,
          .keys = {"json", "threads", "seed"},
          .details = "With --json as {keys: [{key, kind, default, meaning, commands}]}.",
          .run = schema};
}

Command config_check_command() {
  return {.name = "config check",
          .summary = "Merge and read a configuration without running anything",
          .operands = "CONFIG.yaml|RUN_FOLDER|BUNDLE... [key=value...]",
          .leading_operands = 0,
          .keys = {"model", "weights", "dataset", "trainer", "quantizer", "scheme", "activation_bits", "weight_bits",
                   "calibration",
                   "output_policy", "rounding", "machine", "info", "save", "load", "json", "threads", "seed"},
          .details = "Unknown keys, values out of range and networks that do not fit together are errors (exit code 2).",
          .run = check};
}

}  // namespace guardbit::cli
