#include "tests/sim/random_pair.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <filesystem>
#include <set>
#include <string>

#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/sim/same_results.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::tests {
namespace {

using nets::RunResult;
using sim::Dataflow;
using sim::LoopOrder;
using sim::Machine;

// Complete: any directory will do, and that test runs this seed alone.
std::string repeat_command(std::uint64_t seed) {
  const auto tests = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return "repeat with: GUARDBIT_SIM_SEED=" + std::to_string(seed) + " " + (tests / "sim_random_test").string() +
         " --gtest_filter=RandomPairs.Agree";
}

// A check of the simulator's own ends the process, and an exception loses its traces: for those the command is written
// when they happen.
std::string running;  // of the pair that is being compared
extern "C" void say_what_was_running(int) {
  const ssize_t ignored = write(STDERR_FILENO, running.data(), running.size());
  static_cast<void>(ignored);
}

class Running {
 public:
  explicit Running(std::uint64_t seed) : exceptions_(std::uncaught_exceptions()) {
    running = repeat_command(seed) + "\n";
    std::signal(SIGABRT, say_what_was_running);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (std::uncaught_exceptions() > exceptions_) say_what_was_running(0);
    std::signal(SIGABRT, SIG_DFL);
  }

 private:
  int exceptions_;
};

std::string describe(const Machine& machine) {
  std::string text = std::to_string(machine.array.rows) + "x" + std::to_string(machine.array.columns) + " " +
                     std::string(sim::name(machine.array.dataflow)) + " " +
                     std::string(sim::name(machine.mapping.loop_order)) + ", accumulator " +
                     arith::to_string(machine.numerics.accumulator.format) + " step " +
                     std::to_string(machine.numerics.accumulator.step);
  if (machine.numerics.psum) {
    text += ", psum " + arith::to_string(machine.numerics.psum->format) + " step " +
            std::to_string(machine.numerics.psum->step);
  }
  return text;
}

void look_at_program(const Machine& machine, const sim::LayerProgram& program, Seen& seen) {
  std::set<std::int64_t> tiles, channels;
  std::uint64_t spills = 0;
  for (const sim::Command& command : program.commands) {
    spills += std::holds_alternative<sim::SpillSums>(command.operation) ? 1 : 0;
    if (const auto* fold = std::get_if<sim::Fold>(&command.operation)) {
      tiles.insert(fold->outputs.h.begin * 1000 + fold->outputs.w.begin);
      channels.insert(fold->n.begin);
      seen.cut_reductions += machine.array.dataflow == Dataflow::OutputStationary && !fold->last ? 1 : 0;
    }
  }
  const bool outer = machine.mapping.loop_order == LoopOrder::ReductionOuter;
  seen.tiles += program.commands.size() > 10 ? 1 : 0;
  seen.spills += spills;
  seen.waiting_sums += outer && spills == 0 && tiles.size() > 1 ? 1 : 0;
  seen.cut_channels += machine.array.dataflow == Dataflow::InputStationary && channels.size() > 1 ? 1 : 0;
}

}  // namespace

void compare_engines(std::uint64_t seed, Seen& seen) {
  const Running note(seed);
  const RandomCase random = random_case(seed);
  const Machine machine = random_machine(seed, random.network);
  SCOPED_TRACE(repeat_command(seed) + "\n" + describe(machine));
  const auto numbers = sim::accumulations(machine, random.network);
  nets::RunOptions options;
  options.keep_accumulators = true;
  options.first_image = static_cast<std::int64_t>(seed % 5);
  const auto run = [&](nets::Engine& engine) { return engine.run(random.network, numbers, random.input, options); };
  const RunResult reference = run(*nets::make_reference_engine());
  const RunResult tile = run(*sim::make_tile_engine(machine));
  const RunResult array = run(*sim::make_array_engine(machine));
  {
    SCOPED_TRACE("fast");
    expect_same_values(random.network, reference, run(*nets::make_fast_engine()));
  }
  {
    SCOPED_TRACE("tile");
    expect_same_values(random.network, reference, tile);
  }
  {
    SCOPED_TRACE("array");
    expect_same_values(random.network, reference, array);
    expect_same_cost(random.network, tile, array);
  }
  {
    SCOPED_TRACE("pe");
    const RunResult pe = run(*sim::make_pe_engine(machine));
    expect_same_values(random.network, reference, pe);
    expect_same_cost(random.network, tile, pe);
  }
  ++seen.pairs;
  seen.psum_pairs += machine.numerics.psum ? 1 : 0;
  seen.outer_pairs += machine.mapping.loop_order == LoopOrder::ReductionOuter ? 1 : 0;
  const auto dataflow = static_cast<std::size_t>(machine.array.dataflow);
  for (const nets::LayerResult& layer : tile.layers) {
    seen.overflows[dataflow] += layer.accumulation.accumulator.outputs;
    seen.psum_overflows[dataflow] += layer.accumulation.psum.outputs;
    seen.stalls += layer.cost->dram_stall_cycles;
    seen.conflicts[dataflow] += layer.cost->bank_conflict_cycles;
    seen.dead[dataflow] += layer.cost->activation_dead_bytes;
    seen.padded += layer.cost->padded_macs;
  }
  for (const sim::LayerProgram& program : sim::map_network(machine, random.network)) {
    look_at_program(machine, program, seen);
    if (random.network.layer(program.layer).op == nets::IntegerOp::Softmax) {
      ++seen.softmaxes;
      seen.cut_softmaxes += program.commands.size() > 3 ? 1 : 0;
    }
  }
}

}  // namespace guardbit::tests
