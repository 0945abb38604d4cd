#include "traces/program_labels.hpp"

#include <array>
#include <map>

namespace guardbit::traces {
namespace {

// The outputs a command works on; null for loads of operands.
const sim::Box* outputs_of(const sim::Operation& operation) {
  return std::visit(
      [](const auto& one) -> const sim::Box* {
        if constexpr (requires { one.outputs; }) {
          return &one.outputs;
        } else {
          return nullptr;
        }
      },
      operation);
}

using Key = std::array<std::int64_t, 6>;

Key key_of(const sim::Box& box) {
  return {box.h.begin, box.h.end, box.w.begin, box.w.end, box.c.begin, box.c.end};
}

}  // namespace

std::vector<CommandLabel> label_commands(const sim::LayerProgram& program) {
  std::vector<CommandLabel> labels(program.commands.size());
  std::map<Key, int> tiles;
  std::vector<int> folds;  // of each tile so far
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const sim::Command& command = program.commands[i];
    const sim::Box* const outputs = outputs_of(command.operation);
    if (outputs == nullptr) {
      continue;
    }
    const auto [tile, is_new] = tiles.emplace(key_of(*outputs), static_cast<int>(tiles.size()));
    if (is_new) {
      folds.push_back(0);
    }
    labels[i].tile = tile->second;
    if (std::holds_alternative<sim::Fold>(command.operation)) {
      labels[i].fold = folds[static_cast<std::size_t>(tile->second)]++;
    }
    for (const int before : command.after) {
      CommandLabel& load = labels[static_cast<std::size_t>(before)];
      if (load.tile < 0) {
        load = labels[i];
      }
    }
  }
  return labels;
}

}  // namespace guardbit::traces
