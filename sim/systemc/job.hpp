// A job: one layer of one image. The host fills it in, the modules read and write through it.
#pragma once

#include <cstdint>
#include <vector>

#include "nets/engines/engine.hpp"
#include "sim/cost.hpp"
#include "sim/detail/layer_state.hpp"
#include "sim/live_bytes.hpp"
#include "sim/observer.hpp"
#include "sim/stall.hpp"

namespace guardbit::sim {

// Who plays the array.
enum class ArrayModel : unsigned char { Tile, Cycle, Pe };

struct Job {
  const LayerState* state = nullptr;
  ArrayModel array = ArrayModel::Tile;
  Stalls stalls;
  std::int64_t image = 0;                   // of the whole data set; only `first` overflows and the observer see it
  std::vector<const std::int32_t*> tensors;  // DRAM: output of every layer of this image
  std::int32_t* output = nullptr;           // DRAM: [P, Q, K] of this layer
  std::int64_t* accumulators = nullptr;     // [P, Q, K] when they are kept
  nets::LayerCost* cost = nullptr;
  LiveBytes* live = nullptr;
  arith::AccumulationEvidence* evidence = nullptr;
  arith::StageCounts* stages = nullptr;
  Observer* observer = nullptr;
  std::uint64_t origin = 0;  // cycle in which the run started

  // Index of output (pixel 0 of the tile, its first channel) and the step from pixel to pixel. Tiles are whole rows
  // or part of one, so that their pixels are consecutive.
  [[nodiscard]] std::int64_t pixel_index(const Box& outputs) const {
    return outputs.h.begin * state->view.output.w + outputs.w.begin;
  }
  // Of the first pixel of a pass.
  [[nodiscard]] std::int64_t first_output(const Fold& fold) const {
    return (image * state->view.pixels() + pixel_index(fold.outputs) + fold.m.begin) * state->view.output.c +
           fold.outputs.c.begin;
  }
};

}  // namespace guardbit::sim
