#include "sim/live_bytes.hpp"

#include "sim/detail/feeder.hpp"

namespace guardbit::sim {
namespace {

struct Touch {
  LiveBytes& live;
  const LayerState& state;

  void operator()(const LoadActivations& load) const {
    const Box& box = load.region.box;
    const std::int64_t row = box.w.size() * box.c.size();
    live.write(Memory::Activation, load.region.address + (load.rows.begin - box.h.begin) * row, load.rows.size() * row);
  }
  void operator()(const LoadWeights& load) const {
    live.write(Memory::Weight, load.address, load.k.size() * load.n.size());
  }
  void operator()(const Fold& fold) const {
    const std::int64_t sums = fold.m.size() * fold.n.size();
    const bool in_pes = state.machine->array.dataflow == Dataflow::OutputStationary;
    for_operands(
        state, fold, [](std::int64_t) {},
        [&](std::int64_t address, std::int64_t count) { live.read(Memory::Activation, address, count); });
    live.read(Memory::Weight, fold.weights, fold.k.size() * fold.n.size());
    if (!fold.first && !in_pes) {
      live.read(Memory::Accumulator, fold.accumulators, sums);
    }
    if (fold.last || !in_pes) {
      live.write(Memory::Accumulator, fold.accumulators, sums);
    }
  }
  void operator()(const RequantizeTile& tile) const {
    live.read(Memory::Accumulator, tile.accumulators, tile.outputs.count());
    live.write(Memory::Activation, tile.address, tile.outputs.count());
  }
  void operator()(const SpillSums& spill) const {
    live.read(Memory::Accumulator, spill.accumulators, spill.outputs.count());
  }
  void operator()(const ReloadSums& reload) const {
    live.write(Memory::Accumulator, reload.accumulators, reload.outputs.count());
  }
  void operator()(const Elementwise& work) const {
    for (const Region& region : work.inputs) {
      live.read(Memory::Activation, region.address, region.box.count());
    }
    live.write(Memory::Activation, work.address, work.outputs.count());
  }
  void operator()(const StoreOutputs& store) const {
    live.read(Memory::Activation, store.address, store.outputs.count());
  }
};

}  // namespace

void touch(LiveBytes& live, const LayerState& state, const Operation& operation) {
  std::visit(Touch{live, state}, operation);
}

void LiveBytes::finish(const Machine& machine, nets::LayerCost& cost) {
  const auto take = [&](Memory memory, int element_bytes) {
    const auto index = static_cast<std::size_t>(memory);
    const auto left = static_cast<std::uint64_t>(std::count(unread_[index].begin(), unread_[index].end(), 1));
    const std::uint64_t dead = std::exchange(dead_[index], 0) + left;
    unread_[index].clear();
    return dead * static_cast<std::uint64_t>(element_bytes);
  };
  cost.activation_dead_bytes += take(Memory::Activation, machine.activation_element_bytes());
  cost.weight_dead_bytes += take(Memory::Weight, machine.weight_element_bytes());
  cost.accumulator_dead_bytes += take(Memory::Accumulator, machine.accumulator_element_bytes());
}

}  // namespace guardbit::sim
