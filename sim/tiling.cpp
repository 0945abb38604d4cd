// Which part of a tensor a tile needs, and how large a tile may be.
#include <algorithm>

#include "arith/error.hpp"
#include "sim/gemm_view.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {
namespace {

using nets::IntegerLayer;
using nets::IntegerNetwork;
using nets::IntegerOp;

struct Axis {
  int kernel, stride, dilation, padding;
};
Axis vertical(const nets::Window& w) { return {w.kernel_h, w.stride_h, w.dilation_h, w.padding.top}; }
Axis horizontal(const nets::Window& w) { return {w.kernel_w, w.stride_w, w.dilation_w, w.padding.left}; }

Span clip(std::int64_t begin, std::int64_t end, std::int64_t size) {
  const std::int64_t first = std::clamp<std::int64_t>(begin, 0, size);
  return {first, std::clamp<std::int64_t>(end, first, size)};
}

// Input indices that the windows of `outputs` touch.
Span touched(const Span& outputs, const Axis& axis, std::int64_t size) {
  const std::int64_t begin = outputs.begin * axis.stride - axis.padding;
  const std::int64_t last = (outputs.end - 1) * axis.stride - axis.padding;
  return clip(begin, last + std::int64_t{axis.dilation} * (axis.kernel - 1) + 1, size);
}

// Most input indices that any run of `count` outputs touches.
std::int64_t most_touched(std::int64_t count, const Axis& axis, std::int64_t size) {
  return std::min(size, (count - 1) * axis.stride + std::int64_t{axis.dilation} * (axis.kernel - 1) + 1);
}

struct Need {
  std::int64_t activation_bytes = 0, weight_bytes = 0, accumulator_bytes = 0;
};

// Elements of all inputs of one tile of a layer.
std::int64_t tile_inputs(const IntegerNetwork& network, const IntegerLayer& layer, const TileShape& tile) {
  if (layer.weighted()) {
    const GemmView view = gemm_view(network, layer);
    return most_touched(tile.p, vertical(view.window), view.input.h) *
           most_touched(tile.q, horizontal(view.window), view.input.w) * view.channels;
  }
  std::int64_t sum = 0;
  for (const int input : layer.inputs) {
    const nets::Shape shape = network.layer(input).shape;
    const bool pool = layer.op == IntegerOp::MaxPool || layer.op == IntegerOp::AveragePool;
    const std::int64_t h = pool ? most_touched(tile.p, vertical(layer.window), shape.h)
                                : std::min<std::int64_t>(tile.p, shape.h);
    const std::int64_t w = pool ? most_touched(tile.q, horizontal(layer.window), shape.w)
                                : std::min<std::int64_t>(tile.q, shape.w);
    sum += h * w * shape.c;
  }
  return sum;
}

// Channels of a block: the array's columns hold them, or they are streamed, as many as memory has room for.
std::int64_t most_channels(const Machine& machine, const GemmView& view) {
  return machine.array.dataflow == Dataflow::InputStationary ? view.cols
                                                             : std::min<std::int64_t>(machine.array.columns, view.cols);
}

// Fewest reduction indices of a pass: what the rows hold, or any number in time.
std::int64_t least_depth(const Machine& machine, const GemmView& view) {
  return machine.array.dataflow == Dataflow::OutputStationary ? 1
                                                              : std::min<std::int64_t>(machine.array.rows, view.depth);
}

// What a tile of `channels` output channels occupies, copies included.
Need need_of(const Machine& machine, const IntegerNetwork& network, const IntegerLayer& layer, const TileShape& tile,
             std::int64_t channels) {
  const std::int64_t copies = machine.buffers();
  Need need;
  if (layer.weighted()) {
    need.weight_bytes =
        copies * least_depth(machine, gemm_view(network, layer)) * channels * machine.weight_element_bytes();
    need.accumulator_bytes = copies * tile.p * tile.q * channels * machine.accumulator_element_bytes();
  }
  need.activation_bytes = copies * (tile_inputs(network, layer, tile) + tile.p * tile.q * channels) *
                          machine.activation_element_bytes();
  return need;
}

void require(const IntegerLayer& layer, const char* memory, std::int64_t needed, std::int64_t available) {
  if (needed > available) {
    throw Error("layer " + layer.name + ": the smallest tile needs " + std::to_string(needed) +
                " bytes of machine.scratchpads." + memory + ", found " + std::to_string(available) +
                ", allowed " + std::to_string(needed) + " or more");
  }
}

bool fits(const Machine& machine, const Need& need) {
  const Machine::Scratchpads& pads = machine.scratchpads;
  return need.activation_bytes <= pads.activation_bytes && need.weight_bytes <= pads.weight_bytes &&
         need.accumulator_bytes <= pads.accumulator_bytes;
}

// The same number of tiles, as equal in size as possible.
std::int64_t balanced(std::int64_t size, std::int64_t tile) { return ceil_div(size, ceil_div(size, tile)); }

// The passes of a tile, and what may stay where it is.
void cut_passes(const Machine& machine, const GemmView& view, Tiling& tiling) {
  const Machine::Scratchpads& pads = machine.scratchpads;
  const std::int64_t copies = machine.buffers(), tile = tiling.tile.p * tiling.tile.q;
  const std::int64_t whole_input = std::int64_t{view.input.h} * view.input.w * view.channels;
  tiling.input_resident =
      copies * (whole_input + tile * tiling.n) * machine.activation_element_bytes() <= pads.activation_bytes;
  tiling.weights_resident = copies * view.depth * tiling.n * machine.weight_element_bytes() <= pads.weight_bytes;
  tiling.sums_resident =
      copies * view.pixels() * tiling.n * machine.accumulator_element_bytes() <= pads.accumulator_bytes;
  tiling.k = std::min<std::int64_t>(machine.array.rows, view.depth);
  switch (machine.array.dataflow) {
    case Dataflow::WeightStationary:
      tiling.m = tile;
      break;
    case Dataflow::OutputStationary: {
      const std::int64_t room = pads.weight_bytes / machine.weight_element_bytes() / copies / tiling.n;
      tiling.m = std::min<std::int64_t>(machine.array.rows, tile);
      tiling.k = tiling.weights_resident ? view.depth : balanced(view.depth, room);
      break;
    }
    case Dataflow::InputStationary:
      tiling.m = std::min<std::int64_t>(machine.array.columns, tile);
      break;
  }
}

}  // namespace

GemmView gemm_view(const IntegerNetwork& network, const IntegerLayer& layer) {
  GemmView view;
  const nets::Shape input = network.layer(layer.inputs[0]).shape;
  const bool flat = layer.op == IntegerOp::FullyConnected;
  view.input = flat ? nets::Shape{1, 1, static_cast<int>(input.count())} : input;
  view.output = layer.shape;
  view.window = flat ? nets::Window{} : layer.window;
  view.groups = layer.groups;
  view.channels = view.input.c / layer.groups;
  view.cols = layer.shape.c / layer.groups;
  view.depth = view.channels * view.window.kernel_h * view.window.kernel_w;
  return view;
}

Box input_box(const IntegerNetwork& network, const IntegerLayer& layer, int input, const Box& outputs) {
  const nets::Shape shape = network.layer(layer.inputs[static_cast<std::size_t>(input)]).shape;
  switch (layer.op) {
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected: {
      const GemmView view = gemm_view(network, layer);
      const std::int64_t group = outputs.c.begin / view.cols;
      return {touched(outputs.h, vertical(view.window), view.input.h),
              touched(outputs.w, horizontal(view.window), view.input.w),
              {group * view.channels, (group + 1) * view.channels}};
    }
    case IntegerOp::MaxPool:
    case IntegerOp::AveragePool:
      return {touched(outputs.h, vertical(layer.window), shape.h),
              touched(outputs.w, horizontal(layer.window), shape.w),
              outputs.c};
    case IntegerOp::Pad:
      return {clip(outputs.h.begin - layer.padding.top, outputs.h.end - layer.padding.top, shape.h),
              clip(outputs.w.begin - layer.padding.left, outputs.w.end - layer.padding.left, shape.w),
              {0, shape.c}};
    case IntegerOp::Input:
    case IntegerOp::Add:
    case IntegerOp::Concat:
    case IntegerOp::Requantize:
    case IntegerOp::Flatten:
    case IntegerOp::Softmax:
      break;
  }
  return {outputs.h, outputs.w, {0, shape.c}};
}

Tiling choose_tiling(const Machine& machine, const IntegerNetwork& network, int index) {
  const IntegerLayer& layer = network.layer(index);
  const std::int64_t channels = layer.weighted() ? most_channels(machine, gemm_view(network, layer)) : layer.shape.c;
  const bool in_time = layer.weighted() && machine.array.dataflow == Dataflow::InputStationary;
  const Need least = need_of(machine, network, layer, {1, 1}, in_time ? 1 : channels);
  require(layer, "activation", least.activation_bytes, machine.scratchpads.activation_bytes);
  require(layer, "weight", least.weight_bytes, machine.scratchpads.weight_bytes);
  require(layer, "accumulator", least.accumulator_bytes, machine.scratchpads.accumulator_bytes);

  const std::int64_t p = layer.shape.h, q = layer.shape.w;
  // Tiles smaller than the columns of an input-stationary array leave PEs empty: channels give way first.
  const std::int64_t enough = in_time ? std::min<std::int64_t>(q, machine.array.columns) : 1;
  Tiling tiling{.tile = {p, q}, .n = channels};
  const auto fits_now = [&] { return fits(machine, need_of(machine, network, layer, tiling.tile, tiling.n)); };
  for (; tiling.tile.p > 1 && !fits_now(); --tiling.tile.p) {
  }
  for (; tiling.tile.q > enough && !fits_now(); --tiling.tile.q) {
  }
  for (; in_time && tiling.n > 1 && !fits_now(); --tiling.n) {
  }
  for (; tiling.tile.q > 1 && !fits_now(); --tiling.tile.q) {
  }
  tiling.tile = {balanced(p, tiling.tile.p), balanced(q, tiling.tile.q)};
  if (layer.weighted()) {
    tiling.n = balanced(in_time ? channels : tiling.n, tiling.n);
    cut_passes(machine, gemm_view(network, layer), tiling);
  }
  return tiling;
}

}  // namespace guardbit::sim
