// Which tile and which fold each command of a layer's program belongs to: the numbers that timelines and waveforms
// show.
#pragma once

#include <vector>

#include "sim/program.hpp"

namespace guardbit::traces {

struct CommandLabel {
  int tile = -1;  // in the order in which tiles are begun; a load belongs to the first command that waits for it
  int fold = -1;  // within the tile, of folds and of what they load; -1 for others
};

[[nodiscard]] std::vector<CommandLabel> label_commands(const sim::LayerProgram& program);

}  // namespace guardbit::traces
