// The engines: every layer of every image as one job on the machine.
#include "sim/simulator.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "sim/check.hpp"
#include "sim/detail/bank_schedule.hpp"
#include "sim/systemc/accelerator.hpp"

namespace guardbit::sim {
namespace {

using nets::IntegerNetwork;
using nets::IntTensor;
using nets::LayerResult;

class SimulatedEngine : public nets::Engine {
 public:
  SimulatedEngine(const Machine& machine, ArrayModel array, Observer* observer, std::optional<std::uint64_t> stall_seed)
      : machine_(machine), array_(array), observer_(observer), stall_seed_(stall_seed) {
    check_machine(machine);
  }

  [[nodiscard]] std::string name() const override {
    switch (array_) {
      case ArrayModel::Tile:
        return "tile";
      case ArrayModel::Cycle:
        return "array";
      case ArrayModel::Pe:
        return "pe";
    }
    fail_check(__FILE__, __LINE__, "a model of the array without a name");
  }

  [[nodiscard]] nets::RunResult run(const IntegerNetwork& network,
                                    const std::vector<arith::Accumulation>& accumulations, const IntTensor& input,
                                    const nets::RunOptions& options) override;

 private:
  void check_accumulations(const IntegerNetwork& network, const std::vector<arith::Accumulation>& given) const;
  void run_image(const std::vector<LayerState>& states, std::int64_t image, const nets::RunOptions& options,
                 std::uint64_t origin, nets::RunResult& result) const;

  Machine machine_;
  ArrayModel array_;
  Observer* observer_;
  std::optional<std::uint64_t> stall_seed_;
  std::uint64_t elapsed_ = 0;  // cycles of all runs so far
};

void SimulatedEngine::check_accumulations(const IntegerNetwork& network,
                                          const std::vector<arith::Accumulation>& given) const {
  const std::vector<arith::Accumulation> own = accumulations(machine_, network);
  if (given.size() != own.size()) {
    throw Error("engine " + name() + ": found " + std::to_string(given.size()) + " accumulations, allowed one per " +
                "layer (" + std::to_string(own.size()) + ")");
  }
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (network.layers[i].weighted() && !(given[i] == own[i])) {
      throw Error("engine " + name() + ": layer " + network.layers[i].name +
                  ": found an accumulation that is not the machine's, allowed sim::accumulations(machine, network)");
    }
  }
}

// [N, H, W, C] of the network's input, and the number N.
std::int64_t images_of(const IntegerNetwork& network, const IntTensor& input) {
  const nets::Shape& shape = network.layers[0].shape;
  if (input.shape.size() != 4 || input.shape[1] != shape.h || input.shape[2] != shape.w || input.shape[3] != shape.c) {
    throw Error("network " + network.name + ": found input codes of another shape, allowed [N, " +
                std::to_string(shape.h) + ", " + std::to_string(shape.w) + ", " + std::to_string(shape.c) + "]");
  }
  return input.shape[0];
}

void SimulatedEngine::run_image(const std::vector<LayerState>& states, std::int64_t image,
                                const nets::RunOptions& options, std::uint64_t origin,
                                nets::RunResult& result) const {
  Job job;
  LiveBytes live;
  job.array = array_;
  job.image = options.first_image + image;
  job.observer = observer_;
  job.origin = origin;
  for (const LayerState& state : states) {
    LayerResult& layer = result.layers[static_cast<std::size_t>(state.program.layer)];
    const std::int64_t count = state.layer->shape.count();
    std::int32_t* const output = layer.codes.data.data() + image * count;
    job.tensors.push_back(output);
    if (state.layer->op == nets::IntegerOp::Flatten) {
      std::copy_n(job.tensors[static_cast<std::size_t>(state.layer->inputs[0])], count, output);
    }
    if (state.program.commands.empty()) {
      continue;
    }
    job.state = &state;
    job.stalls = Stalls(stall_seed_, job.image, state.program.layer);
    job.output = output;
    job.accumulators = layer.accumulators.data.empty() ? nullptr : layer.accumulators.data.data() + image * count;
    job.cost = &*layer.cost;
    job.live = &live;
    job.evidence = &layer.accumulation;
    job.stages = &layer.stages;
    Accelerator::instance().run(job);
  }
}

nets::RunResult SimulatedEngine::run(const IntegerNetwork& network,
                                     const std::vector<arith::Accumulation>& given, const IntTensor& input,
                                     const nets::RunOptions& options) {
  check_compatible(machine_, network);
  check_accumulations(network, given);
  const std::int64_t images = images_of(network, input);
  std::vector<LayerState> states;
  nets::RunResult result;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = network.layers[i];
    states.push_back(prepare_layer(machine_, network, static_cast<int>(i)));
    if (array_ == ArrayModel::Tile) {
      states.back().bank_waits = bank_waits(states.back());
    }
    LayerResult& one = result.layers.emplace_back();
    const nets::Shape& shape = layer.shape;
    one.codes = i == 0 ? input : IntTensor({images, shape.h, shape.w, shape.c});
    if (layer.weighted() && options.keep_accumulators) {
      one.accumulators = nets::WideTensor({images, shape.h, shape.w, shape.c});
    }
    one.stages.changed.resize(layer.stages.size());
    one.cost.emplace();
  }
  const std::uint64_t origin = now_in_cycles() - elapsed_;
  for (std::int64_t image = 0; image < images; ++image) {
    run_image(states, image, options, origin, result);
  }
  elapsed_ = now_in_cycles() - origin;
  for (std::size_t i = 0; i < states.size(); ++i) {
    nets::LayerCost& cost = *result.layers[i].cost;
    const auto count = static_cast<std::uint64_t>(images);
    const auto operations = static_cast<std::uint64_t>(vector_operations(states[i].program));
    cost.energy_pj = energy_pj(machine_, cost, count * operations);
    check_cost(machine_, network, static_cast<int>(i), count, cost);
  }
  return result;
}

}  // namespace

std::unique_ptr<nets::Engine> make_tile_engine(const Machine& machine, Observer* observer,
                                               std::optional<std::uint64_t> stall_seed) {
  return std::make_unique<SimulatedEngine>(machine, ArrayModel::Tile, observer, stall_seed);
}

std::unique_ptr<nets::Engine> make_array_engine(const Machine& machine, Observer* observer,
                                                std::optional<std::uint64_t> stall_seed) {
  return std::make_unique<SimulatedEngine>(machine, ArrayModel::Cycle, observer, stall_seed);
}

std::unique_ptr<nets::Engine> make_pe_engine(const Machine& machine, Observer* observer,
                                             std::optional<std::uint64_t> stall_seed) {
  check_pe_machine(machine);
  return std::make_unique<SimulatedEngine>(machine, ArrayModel::Pe, observer, stall_seed);
}

void check_pe_machine(const Machine& machine) {
  const Machine::Array& array = machine.array;
  if (array.rows > kMaxPeSide || array.columns > kMaxPeSide) {
    throw Error("machine.array: found " + std::to_string(array.rows) + "x" + std::to_string(array.columns) +
                ", allowed at most " + std::to_string(kMaxPeSide) + "x" + std::to_string(kMaxPeSide) +
                " with engine pe; engine array has no such limit");
  }
}

}  // namespace guardbit::sim
