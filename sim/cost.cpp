// Bytes, MACs, cycles by cause and energy of a layer.
#include "sim/cost.hpp"

#include <algorithm>

#include "sim/check.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {
namespace {

std::uint64_t u64(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// Elements of a load: some rows of a region.
std::int64_t loaded(const LoadActivations& load) {
  return load.rows.size() * load.region.box.w.size() * load.region.box.c.size();
}

struct DramBytes {
  const Machine& machine;
  std::int64_t operator()(const LoadActivations& load) const {
    return loaded(load) * machine.activation_element_bytes();
  }
  std::int64_t operator()(const LoadWeights& load) const {
    return load.k.size() * load.n.size() * machine.weight_element_bytes() +
           (load.bias ? load.n.size() * machine.accumulator_element_bytes() : 0);
  }
  std::int64_t operator()(const StoreOutputs& store) const {
    return store.outputs.count() * machine.activation_element_bytes();
  }
  std::int64_t operator()(const SpillSums& spill) const {
    return spill.outputs.count() * machine.accumulator_element_bytes();
  }
  std::int64_t operator()(const ReloadSums& reload) const {
    return reload.outputs.count() * machine.accumulator_element_bytes();
  }
  std::int64_t operator()(const Fold&) const { return 0; }
  std::int64_t operator()(const RequantizeTile&) const { return 0; }
  std::int64_t operator()(const Elementwise&) const { return 0; }
};

// Lane operations of the vector unit, pass by pass; none for other units.
LanePasses lane_passes(const Operation& operation) {
  if (const auto* requantize = std::get_if<RequantizeTile>(&operation)) {
    return {requantize->outputs.count()};
  }
  if (const auto* elementwise = std::get_if<Elementwise>(&operation)) {
    return elementwise->passes;
  }
  return {};
}

struct Charge {
  const Machine& machine;
  nets::LayerCost& cost;

  void operator()(const LoadActivations& load) const {
    cost.dram_read_bytes += u64(dram_bytes(machine, load));
    cost.activation_write_bytes += u64(dram_bytes(machine, load));
  }
  void operator()(const LoadWeights& load) const {
    cost.dram_read_bytes += u64(dram_bytes(machine, load));
    cost.weight_write_bytes += u64(load.k.size() * load.n.size() * machine.weight_element_bytes());
  }
  void operator()(const StoreOutputs& store) const {
    cost.dram_write_bytes += u64(dram_bytes(machine, store));
    cost.activation_read_bytes += u64(dram_bytes(machine, store));
  }
  void operator()(const SpillSums& spill) const {
    cost.dram_write_bytes += u64(dram_bytes(machine, spill));
    cost.accumulator_read_bytes += u64(dram_bytes(machine, spill));
  }
  void operator()(const ReloadSums& reload) const {
    cost.dram_read_bytes += u64(dram_bytes(machine, reload));
    cost.accumulator_write_bytes += u64(dram_bytes(machine, reload));
  }
  void operator()(const Fold& fold) const {
    const std::int64_t pixels = fold.m.size(), depth = fold.k.size(), channels = fold.n.size();
    const std::int64_t useful = pixels * depth * channels;
    const std::int64_t issued =
        std::int64_t{machine.array.rows} * machine.array.columns * streamed(machine.array.dataflow, fold);
    const std::int64_t sums = pixels * channels * machine.accumulator_element_bytes();
    const bool in_pes = machine.array.dataflow == Dataflow::OutputStationary;
    cost.useful_macs += u64(useful);
    cost.padded_macs += u64(issued - useful);
    cost.issued_macs += u64(issued);
    cost.activation_read_bytes += u64(pixels * depth * machine.activation_element_bytes());
    cost.weight_read_bytes += u64(depth * channels * machine.weight_element_bytes());
    cost.accumulator_read_bytes += u64(fold.first || in_pes ? 0 : sums);
    cost.accumulator_write_bytes += u64(!in_pes || fold.last ? sums : 0);
  }
  void operator()(const RequantizeTile& tile) const {
    cost.vector_busy_cycles += u64(command_cycles(machine, tile));
    cost.accumulator_read_bytes += u64(tile.outputs.count() * machine.accumulator_element_bytes());
    cost.activation_write_bytes += u64(tile.outputs.count() * machine.activation_element_bytes());
  }
  void operator()(const Elementwise& work) const {
    cost.vector_busy_cycles += u64(command_cycles(machine, work));
    for (const Region& region : work.inputs) {
      cost.activation_read_bytes += u64(work.reads * region.box.count() * machine.activation_element_bytes());
    }
    cost.activation_write_bytes += u64(work.outputs.count() * machine.activation_element_bytes());
  }
};

// Input indices of one axis that at least one window touches.
std::uint64_t used(int outputs, int kernel, int stride, int dilation, int padding, int size) {
  std::vector<bool> hit(static_cast<std::size_t>(size));
  for (int out = 0; out < outputs; ++out) {
    for (int tap = 0; tap < kernel; ++tap) {
      const int in = out * stride - padding + tap * dilation;
      if (in >= 0 && in < size) {
        hit[static_cast<std::size_t>(in)] = true;
      }
    }
  }
  return u64(std::count(hit.begin(), hit.end(), true));
}

std::uint64_t used_pixels(const nets::Window& window, const nets::Shape& input, const nets::Shape& output) {
  return used(output.h, window.kernel_h, window.stride_h, window.dilation_h, window.padding.top, input.h) *
         used(output.w, window.kernel_w, window.stride_w, window.dilation_w, window.padding.left, input.w);
}

}  // namespace

std::int64_t dram_bytes(const Machine& machine, const Operation& operation) {
  return std::visit(DramBytes{machine}, operation);
}

std::int64_t command_cycles(const Machine& machine, const Operation& operation) {
  std::int64_t vector_cycles = 0;
  for (const std::int64_t work : lane_passes(operation)) {
    vector_cycles += ceil_div(work, machine.vector_unit.lanes);
  }
  if (vector_cycles > 0) {
    return vector_cycles;
  }
  return machine.dram.latency_cycles + ceil_div(dram_bytes(machine, operation), machine.dram.bytes_per_cycle);
}

void charge(const Machine& machine, const Operation& operation, nets::LayerCost& cost) {
  std::visit(Charge{machine, cost}, operation);
}

void account_cycles(const LayerProgram& program, const Schedule& schedule, nets::LayerCost& cost) {
  cost.cycles += schedule.layer_end - schedule.layer_begin;
  std::uint64_t array_free = schedule.layer_begin;
  for (std::size_t i = 0; i < program.commands.size(); ++i) {
    const Command& command = program.commands[i];
    if (command.unit() != Unit::Array) {
      continue;
    }
    const std::uint64_t idle = schedule.begin[i] - array_free;
    bool on_vector = false, on_dram = false;
    for (const int before : command.after) {
      const bool last = schedule.end[static_cast<std::size_t>(before)] == schedule.begin[i];
      const bool vector = program.commands[static_cast<std::size_t>(before)].unit() == Unit::Vector;
      on_vector = on_vector || (last && vector);
      on_dram = on_dram || (last && !vector);
    }
    (on_vector && !on_dram ? cost.vector_stall_cycles : cost.dram_stall_cycles) += idle;
    array_free = schedule.end[i];
  }
  std::uint64_t vector_tail = 0;
  for (std::size_t i = 0; i < program.commands.size(); ++i) {
    if (program.commands[i].unit() == Unit::Vector && schedule.end[i] > array_free) {
      vector_tail += schedule.end[i] - std::max(schedule.begin[i], array_free);
    }
  }
  cost.vector_stall_cycles += vector_tail;
  cost.dram_stall_cycles += schedule.layer_end - array_free - vector_tail;
}

std::int64_t vector_operations(const LayerProgram& program) {
  std::int64_t sum = 0;
  for (const Command& command : program.commands) {
    for (const std::int64_t work : lane_passes(command.operation)) {
      sum += work;
    }
  }
  return sum;
}

double energy_pj(const Machine& machine, const nets::LayerCost& cost, std::uint64_t operations) {
  const Machine::EnergyPj& table = machine.energy_pj;
  const std::uint64_t sram = cost.activation_read_bytes + cost.activation_write_bytes + cost.weight_read_bytes +
                             cost.weight_write_bytes + cost.accumulator_read_bytes + cost.accumulator_write_bytes;
  return table.mac * static_cast<double>(cost.issued_macs) + table.vector_op * static_cast<double>(operations) +
         table.sram_byte * static_cast<double>(sram) +
         table.dram_byte * static_cast<double>(cost.dram_read_bytes + cost.dram_write_bytes);
}

Compulsory compulsory(const Machine& machine, const nets::IntegerNetwork& network, int index) {
  const nets::IntegerLayer& layer = network.layer(index);
  const auto element = u64(machine.activation_element_bytes());
  Compulsory least;
  if (layer.op == nets::IntegerOp::Input || layer.op == nets::IntegerOp::Flatten) {
    return least;
  }
  least.write_bytes = u64(layer.shape.count()) * element;
  if (layer.weighted()) {
    const GemmView view = gemm_view(network, layer);
    least.read_bytes = used_pixels(view.window, view.input, view.output) * u64(view.input.c) * element +
                       u64(view.groups * view.depth * view.cols * machine.weight_element_bytes()) +
                       layer.bias.size() * u64(machine.accumulator_element_bytes());
    return least;
  }
  for (const int input : layer.inputs) {
    const nets::Shape shape = network.layer(input).shape;
    const bool pool = layer.op == nets::IntegerOp::MaxPool || layer.op == nets::IntegerOp::AveragePool;
    least.read_bytes += (pool ? used_pixels(layer.window, shape, layer.shape) : u64(std::int64_t{shape.h} * shape.w)) *
                        u64(shape.c) * element;
  }
  return least;
}

void check_cost(const Machine& machine, const nets::IntegerNetwork& network, int index, std::uint64_t images,
                const nets::LayerCost& cost) {
  const nets::IntegerLayer& layer = network.layer(index);
  const Compulsory least = compulsory(machine, network, index);
  const std::uint64_t macs = layer.weighted() ? u64(gemm_view(network, layer).macs()) : 0;
  GUARDBIT_SIM_CHECK(cost.useful_macs == macs * images);
  GUARDBIT_SIM_CHECK(cost.issued_macs == cost.useful_macs + cost.padded_macs);
  GUARDBIT_SIM_CHECK(cost.dram_read_bytes >= least.read_bytes * images);
  GUARDBIT_SIM_CHECK(cost.dram_write_bytes >= least.write_bytes * images);
  GUARDBIT_SIM_CHECK(cost.array_busy_cycles ==
                     cost.weight_load_cycles + cost.stream_cycles + cost.fill_drain_cycles);
  GUARDBIT_SIM_CHECK(cost.array_busy_cycles + cost.bank_conflict_cycles + cost.dram_stall_cycles +
                         cost.vector_stall_cycles + cost.injected_stall_cycles ==
                     cost.cycles);
  GUARDBIT_SIM_CHECK(cost.vector_busy_cycles <= cost.cycles);
  // Weights and sums are never moved in vain; of activations, only loaded ones (outputs are all stored).
  const std::uint64_t outputs = u64(layer.shape.count() * machine.activation_element_bytes()) * images;
  GUARDBIT_SIM_CHECK(cost.weight_dead_bytes == 0 && cost.accumulator_dead_bytes == 0);
  GUARDBIT_SIM_CHECK(cost.activation_dead_bytes == 0 ||
                     cost.activation_dead_bytes + outputs <= cost.activation_write_bytes);
  GUARDBIT_SIM_CHECK(cost.issued_macs ==
                     cost.stream_cycles * u64(machine.array.rows) * u64(machine.array.columns));
}

}  // namespace guardbit::sim
