// Preparing a layer's constants.
#include "sim/detail/layer_state.hpp"

#include <algorithm>
#include <cstdlib>

#include "arith/error.hpp"
#include "arith/int128.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {
namespace {

// [K, R, S, C / groups] -> [group][k][n]: a weight row is what one array row holds.
std::vector<std::int32_t> dram_weights(const nets::IntegerLayer& layer, const GemmView& view) {
  std::vector<std::int32_t> weights(layer.weight.data.size());
  const auto depth = static_cast<std::size_t>(view.depth), cols = static_cast<std::size_t>(view.cols);
  for (std::size_t group = 0; group < static_cast<std::size_t>(view.groups); ++group) {
    const std::size_t base = group * depth * cols;
    for (std::size_t n = 0; n < cols; ++n) {
      for (std::size_t k = 0; k < depth; ++k) {
        weights[base + k * cols + n] = layer.weight.data[base + n * depth + k];
      }
    }
  }
  return weights;
}

constexpr arith::int128 kLargestSum = arith::int128{1} << 62;  // what the accumulator kernels are defined for

// Bound on every exact sum of the layer: sum of |w| times the largest |x - zero point|, per output channel.
void bound_sums(LayerState& state, const nets::TensorFormat& input) {
  const auto low = static_cast<std::int64_t>(input.format.min_code()) - input.zero_point;
  const auto high = static_cast<std::int64_t>(input.format.max_code()) - input.zero_point;
  const std::int64_t largest = std::max(std::abs(low), std::abs(high));
  const auto depth = static_cast<std::size_t>(state.view.depth);
  for (std::size_t channel = 0; channel < state.bias.size(); ++channel) {
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      sum += std::abs(std::int64_t{state.layer->weight.data[channel * depth + k]});
    }
    state.group_magnitude = std::max(state.group_magnitude, sum * largest);
    const arith::int128 bias = state.bias[channel];
    const arith::int128 magnitude = arith::int128{sum} * largest + (bias < 0 ? -bias : bias);
    if (magnitude >= kLargestSum) {
      throw Error("layer " + state.layer->name + ": found sums of up to 2^62 or more in output channel " +
                  std::to_string(channel) + ", allowed less than 2^62");
    }
    state.magnitude = std::max(state.magnitude, static_cast<std::int64_t>(magnitude));
  }
}

bool per_channel(const arith::Stage& stage) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.value.values; }) {
          return one.value.values.size() > 1;
        } else if constexpr (requires { one.bits.values; }) {
          return one.bits.values.size() > 1;
        } else if constexpr (requires { one.values; }) {
          return one.values.size() > 1;
        } else {
          return false;
        }
      },
      stage);
}

}  // namespace

InputStages::InputStages(const arith::StageList& stages, const arith::Format& codes) : stages_(&stages) {
  if (codes.width > 16 || std::any_of(stages.begin(), stages.end(), per_channel)) {
    return;
  }
  lowest_ = static_cast<std::int32_t>(codes.min_code());
  for (auto code = lowest_; code <= static_cast<std::int32_t>(codes.max_code()); ++code) {
    table_.push_back(compute(code, 0));
  }
}

std::int64_t InputStages::compute(std::int32_t code, std::int64_t channel) const {
  arith::StageCounts unused;
  unused.changed.resize(stages_->size());
  return arith::apply_stages(*stages_, code, channel, unused);
}

LayerState prepare_layer(const Machine& machine, const nets::IntegerNetwork& network, int index) {
  const nets::IntegerLayer& layer = network.layer(index);
  LayerState state;
  state.machine = &machine;
  state.network = &network;
  state.layer = &layer;
  state.program = map_layer(machine, network, index);
  for (const int input : layer.inputs) {
    state.inputs.push_back(network.layer(input).shape);
  }
  if (layer.weighted()) {
    state.view = gemm_view(network, layer);
    state.inputs[0] = state.view.input;
    state.accumulation = sim::accumulation(machine);
    state.zero_point = network.layer(layer.inputs[0]).output.zero_point;
    state.weights = dram_weights(layer, state.view);
    state.bias = layer.bias;
    state.bias.resize(static_cast<std::size_t>(layer.shape.c));
    bound_sums(state, network.layer(layer.inputs[0]).output);
  }
  state.requantizer = std::make_unique<arith::Requantizer>(layer.stages, layer.shape.c);
  for (std::size_t i = 0; i < layer.input_stages.size(); ++i) {
    state.rescale.emplace_back(layer.input_stages[i], network.layer(layer.inputs[i]).output.format);
  }
  if (layer.op == nets::IntegerOp::Softmax) {
    state.softmax.emplace(layer);
  }
  return state;
}

}  // namespace guardbit::sim
