#include "tests/sim/random_machine.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "arith/error.hpp"
#include "sim/mapping.hpp"

namespace guardbit::tests {
namespace {

using sim::Machine;

// SplitMix64: Steele, Lea, Flood, OOPSLA 2014.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  // In [low, high]; the bias of the remainder does not matter here.
  std::int64_t in(std::int64_t low, std::int64_t high) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return low + static_cast<std::int64_t>((z ^ (z >> 31)) % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return in(1, 100) <= percent; }

 private:
  std::uint64_t state_;
};

arith::AccumulatorSpec random_accumulator(Random& random) {
  constexpr std::array kModes{arith::Overflow::SAT, arith::Overflow::SAT_ZERO, arith::Overflow::SAT_SYM,
                              arith::Overflow::WRAP, arith::Overflow::WRAP_SM};
  constexpr std::array kWidths{4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 31, 32, 33, 40, 62, 63, 64};
  const bool is_signed = !random.chance(15);
  const auto mode = kModes[static_cast<std::size_t>(random.in(0, is_signed ? 4 : 3))];
  int width = kWidths[static_cast<std::size_t>(random.in(0, std::size(kWidths) - 1))];
  width = is_signed ? width : std::min(width, 63);
  arith::AccumulatorSpec spec{.format = arith::integer_format(width, is_signed, mode),
                              .step = static_cast<int>(random.chance(50) ? 1 : random.in(0, 10))};
  if (mode == arith::Overflow::WRAP && random.chance(20)) {
    spec.format.n_bits = static_cast<int>(random.in(1, 3));
  }
  return spec;
}

// The number after `before` in an error message.
std::int64_t number_after(const std::string& text, const std::string& before) {
  return std::stoll(text.substr(text.find(before) + before.size()));
}

}  // namespace

void shrink_scratchpads(Machine& machine, const nets::IntegerNetwork& network) {
  Machine::Scratchpads& pads = machine.scratchpads;
  pads.activation_bytes = pads.weight_bytes = pads.accumulator_bytes = 1;
  for (;;) {
    try {
      (void)sim::map_network(machine, network);
      return;
    } catch (const Error& error) {
      const std::string text = error.what();
      const std::int64_t needed = number_after(text, "needs ");
      std::int64_t& size = text.find("scratchpads.activation") != std::string::npos ? pads.activation_bytes
                           : text.find("scratchpads.weight") != std::string::npos   ? pads.weight_bytes
                                                                                    : pads.accumulator_bytes;
      size = std::max(size + 1, needed);
    }
  }
}

Machine random_machine(std::uint64_t seed, const nets::IntegerNetwork& network) {
  Random random(seed ^ 0x6D616368696E65U);
  Machine machine;
  machine.array.rows = static_cast<int>(random.in(1, 8));
  machine.array.columns = static_cast<int>(random.in(1, 8));
  machine.array.dataflow = static_cast<sim::Dataflow>(random.in(0, 2));
  if (machine.array.dataflow != sim::Dataflow::OutputStationary && random.chance(40)) {
    machine.mapping.loop_order = sim::LoopOrder::ReductionOuter;
  }
  machine.numerics.activation = arith::integer_format(16);
  machine.numerics.weight = arith::integer_format(16);
  for (const nets::IntegerLayer& layer : network.layers) {
    if (!machine.numerics.activation.contains(layer.output.format.max_code())) {
      machine.numerics.activation = arith::integer_format(16, false);
    }
  }
  machine.numerics.accumulator = random_accumulator(random);
  if (random.chance(40)) {
    machine.numerics.psum = random_accumulator(random);
  }
  machine.numerics.output = network.output_policy;
  machine.scratchpads.double_buffered = random.chance(60);
  machine.dram.bytes_per_cycle = random.in(1, 16);
  machine.dram.latency_cycles = random.in(0, 20);
  machine.vector_unit.lanes = static_cast<int>(random.in(1, 8));
  if (random.chance(60)) {
    machine.scratchpads.banks = static_cast<int>(random.in(1, 9));
    machine.scratchpads.word = static_cast<int>(random.in(1, 5));
    machine.scratchpads.ports = static_cast<int>(random.in(1, 3));
  }
  shrink_scratchpads(machine, network);
  Machine::Scratchpads& pads = machine.scratchpads;
  const std::int64_t factor = std::array{1, 1, 2, 5, 1000}[static_cast<std::size_t>(random.in(0, 4))];
  pads.activation_bytes = pads.activation_bytes * factor + random.in(0, 3);
  pads.weight_bytes = pads.weight_bytes * (random.chance(50) ? factor : 1);
  pads.accumulator_bytes = pads.accumulator_bytes * (random.chance(70) ? factor : 1) + random.in(0, 3);
  return machine;
}

}  // namespace guardbit::tests
