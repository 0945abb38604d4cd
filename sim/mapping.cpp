// Mapping of layers: choice of mapper, layers without weights, ideal cycles.
#include "sim/mapping.hpp"

#include <algorithm>
#include <array>

#include "sim/check.hpp"
#include "sim/gemm_view.hpp"
#include "sim/map_layer.hpp"

namespace guardbit::sim {
namespace {

using nets::IntegerLayer;
using nets::IntegerNetwork;
using nets::IntegerOp;

LanePasses lane_passes(const IntegerLayer& layer, const Box& outputs) {
  const std::int64_t elements = outputs.count();
  switch (layer.op) {
    case IntegerOp::MaxPool:
    case IntegerOp::AveragePool:
      return {elements * layer.window.kernel_h * layer.window.kernel_w};
    case IntegerOp::Add:
      return {elements * static_cast<std::int64_t>(layer.inputs.size())};
    case IntegerOp::Softmax:
      return {elements, elements, outputs.h.size() * outputs.w.size(), elements};
    case IntegerOp::Input:
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected:
    case IntegerOp::Concat:
    case IntegerOp::Requantize:
    case IntegerOp::Pad:
    case IntegerOp::Flatten:
      break;
  }
  return {elements};
}

// The reciprocals of a softmax come from its sums; its other passes each look at the codes.
int reading_passes(const IntegerLayer& layer) { return layer.op == IntegerOp::Softmax ? 3 : 1; }

std::vector<Box> output_tiles(const nets::Shape& shape, const TileShape& tile) {
  std::vector<Box> boxes;
  for (std::int64_t p = 0; p < shape.h; p += tile.p) {
    for (std::int64_t q = 0; q < shape.w; q += tile.q) {
      boxes.push_back({{p, std::min<std::int64_t>(p + tile.p, shape.h)},
                       {q, std::min<std::int64_t>(q + tile.q, shape.w)},
                       {0, shape.c}});
    }
  }
  return boxes;
}

}  // namespace

int append(LayerProgram& program, Operation operation, const std::vector<int>& after) {
  Command command{std::move(operation), {}};
  std::copy_if(after.begin(), after.end(), std::back_inserter(command.after), [](int index) { return index >= 0; });
  program.commands.push_back(std::move(command));
  return static_cast<int>(program.commands.size()) - 1;
}

LayerProgram map_elementwise(const Machine& machine, const IntegerNetwork& network, int index) {
  const IntegerLayer& layer = network.layer(index);
  LayerProgram program{.layer = index, .commands = {}};
  const std::vector<Box> tiles = output_tiles(layer.shape, choose_tiling(machine, network, index).tile);
  std::int64_t slot = 0;  // elements of one half: all inputs of a tile, then its outputs
  for (const Box& outputs : tiles) {
    std::int64_t elements = outputs.count();
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      elements += input_box(network, layer, static_cast<int>(i), outputs).count();
    }
    slot = std::max(slot, elements);
  }
  std::array<int, 2> stored{-1, -1}, computed{-1, -1};  // the command that frees a half
  for (std::size_t t = 0; t < tiles.size(); ++t) {
    const std::size_t half = t % static_cast<std::size_t>(machine.buffers());
    std::int64_t address = static_cast<std::int64_t>(half) * slot;
    Elementwise work{.outputs = tiles[t], .inputs = {}, .address = 0, .passes = lane_passes(layer, tiles[t]),
                     .reads = reading_passes(layer)};
    std::vector<int> after{stored[half]};
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const Region region{address, input_box(network, layer, static_cast<int>(i), tiles[t])};
      address += region.box.count();
      work.inputs.push_back(region);
      if (region.box.count() > 0) {
        // The new inputs may lie where the outputs two tiles ago were: sizes of tiles differ.
        after.push_back(append(program, LoadActivations{layer.inputs[i], region, region.box.h},
                               {computed[half], stored[half]}));
      }
    }
    work.address = address;
    computed[half] = append(program, work, after);
    stored[half] = append(program, StoreOutputs{tiles[t], address}, {computed[half]});
  }
  return program;
}

LayerProgram map_layer(const Machine& machine, const IntegerNetwork& network, int index) {
  const IntegerLayer& layer = network.layer(index);
  if (layer.op == IntegerOp::Input || layer.op == IntegerOp::Flatten) {
    return {.layer = index, .commands = {}};
  }
  return layer.weighted() ? map_weighted(machine, network, index) : map_elementwise(machine, network, index);
}

std::vector<LayerProgram> map_network(const Machine& machine, const IntegerNetwork& network) {
  std::vector<LayerProgram> programs;
  for (std::size_t index = 0; index < network.layers.size(); ++index) {
    programs.push_back(map_layer(machine, network, static_cast<int>(index)));
  }
  return programs;
}

IdealCycles ideal_cycles(const Machine& machine, const IntegerNetwork& network, int index) {
  const IntegerLayer& layer = network.layer(index);
  if (!layer.weighted()) {
    return {};
  }
  const GemmView view = gemm_view(network, layer);
  const Machine::Array& array = machine.array;
  std::int64_t in_rows = view.depth, in_columns = view.cols, in_time = view.pixels();
  if (array.dataflow == Dataflow::OutputStationary) {
    std::swap(in_rows, in_time);
  } else if (array.dataflow == Dataflow::InputStationary) {
    std::swap(in_columns, in_time);
  }
  const std::int64_t folds = view.groups * ceil_div(in_rows, array.rows) * ceil_div(in_columns, array.columns);
  return {folds * fold_cycles(array, in_time, true).total(), folds * scale_sim_fold_cycles(array, in_time)};
}

std::int64_t streamed(Dataflow dataflow, const Fold& fold) {
  switch (dataflow) {
    case Dataflow::WeightStationary:
      return fold.m.size();
    case Dataflow::OutputStationary:
      return fold.k.size();
    case Dataflow::InputStationary:
      return fold.n.size();
  }
  fail_check(__FILE__, __LINE__, "a dataflow that streams nothing");
}

FoldCycles fold_cycles(const Machine::Array& array, std::int64_t streamed, bool drains) {
  const std::int64_t rows = array.rows, columns = array.columns;
  if (array.dataflow == Dataflow::OutputStationary) {
    return {.load = 0, .stream = streamed, .fill_drain = rows + columns - 2 + (drains ? rows : 0)};
  }
  return {.load = rows, .stream = streamed, .fill_drain = rows + columns - 1};
}

FoldCycles fold_cycles(const Machine::Array& array, const Fold& fold) {
  return fold_cycles(array, streamed(array.dataflow, fold), fold.last);
}

std::int64_t scale_sim_fold_cycles(const Machine::Array& array, std::int64_t streamed) {
  const bool in_pes = array.dataflow == Dataflow::OutputStationary;
  return (in_pes ? 1 : 2) * std::int64_t{array.rows} + array.columns + streamed - 2;
}

}  // namespace guardbit::sim
