#include "traces/program_labels.hpp"

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

struct Tile {
  sim::Box outputs;
  int folds = 0;
};

// Number of the tile, which is added if it is new. Commands of a tile stand close together: the search from the end is
// short.
std::size_t tile_of(const sim::Box& outputs, std::vector<Tile>& tiles) {
  for (std::size_t i = tiles.size(); i-- > 0;) {
    if (tiles[i].outputs == outputs) return i;
  }
  tiles.push_back({outputs});
  return tiles.size() - 1;
}

}  // namespace

std::vector<CommandLabel> label_commands(const sim::LayerProgram& program) {
  std::vector<CommandLabel> labels(program.commands.size());
  std::vector<Tile> tiles;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const sim::Command& command = program.commands[i];
    const sim::Box* const outputs = outputs_of(command.operation);
    if (outputs == nullptr) {
      continue;
    }
    const std::size_t tile = tile_of(*outputs, tiles);
    labels[i].tile = static_cast<int>(tile);
    if (std::holds_alternative<sim::Fold>(command.operation)) {
      labels[i].fold = tiles[tile].folds++;
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
