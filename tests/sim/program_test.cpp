// Programs of random layers on random machines, without running them: every product is computed once, every output is
// stored once, addresses stay inside their memories, and two commands that touch the same place (one of them writing)
// are ordered by the dependencies, so that no duration of anything can change a value.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "sim/gemm_view.hpp"
#include "sim/mapping.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::sim {
namespace {

enum class Memory : unsigned char { Activation, Weight, Accumulator, Spilled };

struct Access {
  Memory memory;
  std::int64_t begin, end;
  bool write;
};

// Every command that has certainly ended before another starts: bit sets over commands.
class Order {
 public:
  explicit Order(const LayerProgram& program) : words_((program.commands.size() + 63) / 64) {
    std::map<Unit, int> last;
    for (std::size_t i = 0; i < program.commands.size(); ++i) {
      auto& mine = before_.emplace_back(words_, 0);
      std::vector<int> direct = program.commands[i].after;
      if (const auto found = last.find(program.commands[i].unit()); found != last.end()) {
        direct.push_back(found->second);
      }
      for (const int earlier : direct) {
        EXPECT_LT(earlier, static_cast<int>(i));
        const auto e = static_cast<std::size_t>(earlier);
        mine[e / 64] |= std::uint64_t{1} << (e % 64);
        for (std::size_t word = 0; word < words_; ++word) {
          mine[word] |= before_[e][word];
        }
      }
      last[program.commands[i].unit()] = static_cast<int>(i);
    }
  }
  [[nodiscard]] bool ordered(std::size_t early, std::size_t late) const {
    return (before_[late][early / 64] >> (early % 64) & 1) != 0;
  }

 private:
  std::size_t words_;
  std::vector<std::vector<std::uint64_t>> before_;
};

// What the commands of one layer read and write.
class Accesses {
 public:
  Accesses(const Machine& machine, const nets::IntegerNetwork& network, int layer)
      : machine_(machine), network_(network), layer_(network.layer(layer)) {}

  std::vector<Access> of(const Operation& operation) const {
    return std::visit([this](const auto& one) { return list(one); }, operation);
  }

 private:
  // Rows [rows) of a region.
  static Access rows_of(const Region& region, const Span& rows, bool write) {
    const std::int64_t row = region.box.w.size() * region.box.c.size();
    const std::int64_t begin = region.address + (rows.begin - region.box.h.begin) * row;
    return {Memory::Activation, begin, begin + rows.size() * row, write};
  }
  static Access sums(std::int64_t address, std::int64_t count, bool write) {
    return {Memory::Accumulator, address, address + count, write};
  }
  Access in_dram(const Box& tile, bool write) const {
    const nets::Shape& shape = layer_.shape;
    const std::int64_t pixel = tile.h.begin * shape.w + tile.w.begin;
    const std::int64_t begin = tile.c.begin * shape.h * shape.w + pixel;
    return {Memory::Spilled, begin, begin + tile.h.size() * tile.w.size(), write};
  }

  std::vector<Access> list(const LoadActivations& load) const { return {rows_of(load.region, load.rows, true)}; }
  std::vector<Access> list(const LoadWeights& load) const {
    return {{Memory::Weight, load.address, load.address + load.k.size() * load.n.size(), true}};
  }
  std::vector<Access> list(const Fold& fold) const {
    std::vector<Access> all{rows_of(fold.input, input_box(network_, layer_, 0, fold.outputs).h, false),
                            {Memory::Weight, fold.weights, fold.weights + fold.k.size() * fold.n.size(), false}};
    if (machine_.array.dataflow != Dataflow::OutputStationary || fold.last) {
      all.push_back(sums(fold.accumulators, fold.m.size() * fold.n.size(), true));
    }
    return all;
  }
  std::vector<Access> list(const RequantizeTile& tile) const {
    return {sums(tile.accumulators, tile.outputs.count(), false),
            {Memory::Activation, tile.address, tile.address + tile.outputs.count(), true}};
  }
  std::vector<Access> list(const Elementwise& work) const {
    std::vector<Access> all{{Memory::Activation, work.address, work.address + work.outputs.count(), true}};
    for (const Region& region : work.inputs) {
      all.push_back(rows_of(region, region.box.h, false));
    }
    return all;
  }
  std::vector<Access> list(const StoreOutputs& store) const {
    return {{Memory::Activation, store.address, store.address + store.outputs.count(), false}};
  }
  std::vector<Access> list(const SpillSums& spill) const {
    return {sums(spill.accumulators, spill.outputs.count(), false), in_dram(spill.outputs, true)};
  }
  std::vector<Access> list(const ReloadSums& reload) const {
    return {in_dram(reload.outputs, false), sums(reload.accumulators, reload.outputs.count(), true)};
  }

  const Machine& machine_;
  const nets::IntegerNetwork& network_;
  const nets::IntegerLayer& layer_;
};

bool conflict(const Access& a, const Access& b) {
  return a.memory == b.memory && (a.write || b.write) && a.begin < b.end && b.begin < a.end;
}

std::int64_t elements(const Machine& machine, Memory memory) {
  switch (memory) {
    case Memory::Activation:
      return machine.scratchpads.activation_bytes / machine.activation_element_bytes();
    case Memory::Weight:
      return machine.scratchpads.weight_bytes / machine.weight_element_bytes();
    case Memory::Accumulator:
      return machine.scratchpads.accumulator_bytes / machine.accumulator_element_bytes();
    case Memory::Spilled:
      break;
  }
  return INT64_MAX;
}

constexpr const char* kMemories[] = {"activation", "weight", "accumulator", "spilled"};

std::string text(const LayerProgram& program, std::size_t index) {
  constexpr const char* kNames[] = {"load activations", "load weights", "pass",         "requantize",
                                    "elementwise",      "store",        "spill", "reload"};
  return std::string(kNames[program.commands[index].operation.index()]) + " (command " + std::to_string(index) + ")";
}

// Returns the number of pairs that had to be ordered.
std::uint64_t check_order(const Machine& machine, const nets::IntegerNetwork& network, const LayerProgram& program) {
  const Accesses accesses(machine, network, program.layer);
  const Order order(program);
  std::vector<std::vector<Access>> all;
  std::uint64_t pairs = 0;
  for (std::size_t i = 0; i < program.commands.size(); ++i) {
    all.push_back(accesses.of(program.commands[i].operation));
    for (const Access& mine : all[i]) {
      EXPECT_GE(mine.begin, 0);
      EXPECT_LE(mine.end, elements(machine, mine.memory)) << "command " << i;
      for (std::size_t j = 0; j < i; ++j) {
        for (const Access& other : all[j]) {
          if (conflict(mine, other)) {
            ++pairs;
            EXPECT_TRUE(order.ordered(j, i)) << text(program, j) << " and " << text(program, i) << " race in "
                                             << kMemories[static_cast<std::size_t>(mine.memory)] << " [" << mine.begin
                                             << ", " << mine.end << ")";
          }
        }
      }
    }
  }
  return pairs;
}

// Each (pixel, k, channel) exactly once, k ascending for each output, `first` and `last` where they belong.
void check_products(const nets::IntegerNetwork& network, const LayerProgram& program) {
  const GemmView view = gemm_view(network, network.layer(program.layer));
  const std::int64_t outputs = view.pixels() * view.output.c;
  std::vector<std::int64_t> next_k(static_cast<std::size_t>(outputs));
  for (const Command& command : program.commands) {
    const auto* fold = std::get_if<Fold>(&command.operation);
    if (fold == nullptr) {
      continue;
    }
    EXPECT_EQ(fold->first, fold->k.begin == 0);
    EXPECT_EQ(fold->last, fold->k.end == view.depth);
    EXPECT_EQ(fold->outputs.c.begin, fold->group * view.cols + fold->n.begin);
    EXPECT_EQ(fold->outputs.c.size(), fold->n.size());
    const std::int64_t tile = fold->outputs.h.begin * view.output.w + fold->outputs.w.begin;
    for (std::int64_t m = fold->m.begin; m < fold->m.end; ++m) {
      for (std::int64_t c = fold->outputs.c.begin; c < fold->outputs.c.end; ++c) {
        std::int64_t& next = next_k[static_cast<std::size_t>((tile + m) * view.output.c + c)];
        EXPECT_EQ(next, fold->k.begin);
        next = fold->k.end;
      }
    }
  }
  EXPECT_EQ(std::count(next_k.begin(), next_k.end(), view.depth), outputs);
}

void check_stores(const nets::IntegerNetwork& network, const LayerProgram& program) {
  const nets::Shape& shape = network.layer(program.layer).shape;
  std::vector<int> stored(static_cast<std::size_t>(shape.count()));
  for (const Command& command : program.commands) {
    if (const auto* store = std::get_if<StoreOutputs>(&command.operation)) {
      const Box& box = store->outputs;
      for (std::int64_t at = 0; at < box.count(); ++at) {
        const std::int64_t c = box.c.begin + at % box.c.size(), pixel = at / box.c.size();
        const std::int64_t h = box.h.begin + pixel / box.w.size(), w = box.w.begin + pixel % box.w.size();
        ++stored[static_cast<std::size_t>((h * shape.w + w) * shape.c + c)];
      }
    }
  }
  EXPECT_EQ(std::count(stored.begin(), stored.end(), 1), shape.count());
}

TEST(Programs, AreCompleteAndHaveNoRaces) {
  std::uint64_t pairs = 0, programs = 0, spilling = 0;
  for (std::uint64_t seed = 0; seed < 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const tests::RandomCase random = tests::random_case(seed);
    const Machine machine = tests::random_machine(seed, random.network);
    for (const LayerProgram& program : map_network(machine, random.network)) {
      if (program.commands.empty()) {
        continue;
      }
      SCOPED_TRACE(random.network.layer(program.layer).name);
      if (random.network.layer(program.layer).weighted()) {
        check_products(random.network, program);
      }
      check_stores(random.network, program);
      if (program.commands.size() <= 400) {
        pairs += check_order(machine, random.network, program);
        ++programs;
        spilling += std::any_of(program.commands.begin(), program.commands.end(), [](const Command& command) {
          return std::holds_alternative<SpillSums>(command.operation);
        });
      }
    }
  }
  EXPECT_GT(programs, 800U);
  EXPECT_GT(spilling, 30U);
  EXPECT_GT(pairs, 100000U);
}

}  // namespace
}  // namespace guardbit::sim
