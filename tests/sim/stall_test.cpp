// Injected stalls: values and evidence never move, only cycles do, and by the same number in every engine.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <vector>

#include "sim/simulator.hpp"
#include "sim/stall.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/sim/same_results.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::sim {
namespace {

using nets::RunResult;

TEST(Stalls, AreTheWordsOfPhilox) {
  // Random123's known answer for counter 0, key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8. Modulo 8: 5, 5, 4, 0; the last
  // one freezes for 1 + 0x9b00dbd8 / 8 % 7 = 2 cycles.
  const Stalls stalls(0, 0, 0);
  EXPECT_EQ(stalls.before(0, 0, 3), 0);
  EXPECT_EQ(stalls.before(0, 3, 1), 2);
  EXPECT_EQ(stalls.before(0, 0, 4), 2);
  EXPECT_EQ(Stalls().before(0, 0, 1000), 0);
  EXPECT_FALSE(Stalls().any());
}

TEST(Stalls, AddUpOverAnyPartition) {
  const Stalls stalls(0x123456789abcdefU, 7, 3);
  const std::int64_t whole = stalls.before(5, 0, 1001);
  for (const std::int64_t piece : {1, 2, 3, 5, 64}) {
    std::int64_t sum = 0;
    for (std::int64_t at = 0; at < 1001; at += piece) {
      sum += stalls.before(5, at, std::min<std::int64_t>(piece, 1001 - at));
    }
    EXPECT_EQ(sum, whole);
  }
  // One word in eight, 1 to 7 cycles: 0.5 per cycle.
  EXPECT_GT(whole, 350);
  EXPECT_LT(whole, 650);
}

TEST(Stalls, DependOnSeedImageLayerAndCommand) {
  const std::int64_t one = Stalls(1, 2, 3).before(4, 0, 1000);
  EXPECT_NE(one, Stalls(2, 2, 3).before(4, 0, 1000));
  EXPECT_NE(one, Stalls(1 + (std::uint64_t{1} << 32), 2, 3).before(4, 0, 1000));
  EXPECT_NE(one, Stalls(1, 3, 3).before(4, 0, 1000));
  EXPECT_NE(one, Stalls(1, 2, 4).before(4, 0, 1000));
  EXPECT_NE(one, Stalls(1, 2, 3).before(5, 0, 1000));
}

// All of `cost` but what stalls add.
nets::LayerCost without_injected(nets::LayerCost cost) {
  cost.cycles -= cost.injected_stall_cycles;
  cost.injected_stall_cycles = 0;
  return cost;
}

TEST(StalledEngines, GiveTheSameValuesAndCountTheSameCycles) {
  std::uint64_t injected = 0, layers = 0, unmoved = 0;
  for (std::uint64_t seed = 0; seed < 60 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const tests::RandomCase random = tests::random_case(seed);
    const Machine machine = tests::random_machine(seed, random.network);
    const auto numbers = accumulations(machine, random.network);
    nets::RunOptions options;
    options.keep_accumulators = true;
    options.first_image = static_cast<std::int64_t>(seed % 3);
    const auto run = [&](const std::unique_ptr<nets::Engine>& engine) {
      return engine->run(random.network, numbers, random.input, options);
    };
    const std::uint64_t stall_seed = seed * 77;
    const RunResult reference = run(nets::make_reference_engine()), free = run(make_tile_engine(machine));
    const RunResult tile = run(make_tile_engine(machine, nullptr, stall_seed));
    const RunResult array = run(make_array_engine(machine, nullptr, stall_seed));
    const RunResult pe = run(make_pe_engine(machine, nullptr, stall_seed));
    for (const RunResult* stalled : {&tile, &array, &pe}) {
      tests::expect_same_values(random.network, reference, *stalled);
      tests::expect_same_cost(random.network, tile, *stalled);
    }
    for (std::size_t i = 0; i < tile.layers.size(); ++i) {
      EXPECT_TRUE(without_injected(*tile.layers[i].cost) == *free.layers[i].cost) << random.network.layers[i].name;
      EXPECT_EQ(free.layers[i].cost->injected_stall_cycles, 0U);
      injected += tile.layers[i].cost->injected_stall_cycles;
      if (tile.layers[i].cost->cycles > 0) {
        ++layers;
        unmoved += tile.layers[i].cost->injected_stall_cycles == 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(injected, 10000U);
  EXPECT_LT(unmoved * 10, layers);
}

class Durations : public Observer {
 public:
  void begin_command(const Command& command, int index, std::uint64_t cycle) override {
    begin_[index] = cycle;
    unit_[index] = command.unit();
  }
  void end_command(const Command&, int index, std::uint64_t cycle) override {
    cycles[static_cast<std::size_t>(unit_.at(index))] += cycle - begin_.at(index);
  }
  [[nodiscard]] bool wants_array_state() const override { return true; }
  void array_state(const ArrayState& state, std::uint64_t cycle) override {
    const bool inside = phase_ == 1 && state.phase == 1;
    frozen_inside += inside && cycle > cycle_ + 1 ? 1 : 0;
    phase_ = state.phase;
    cycle_ = cycle;
  }
  std::array<std::uint64_t, kUnits> cycles{};
  int frozen_inside = 0;

 private:
  std::map<int, std::uint64_t> begin_;
  std::map<int, Unit> unit_;
  int phase_ = 3;
  std::uint64_t cycle_ = 0;
};

TEST(StalledEngines, StallEveryUnitAndFreezeTheArrayWithinFolds) {
  const tests::Chain chain = tests::Chain(6, 6, 5).conv(9, 3).max_pool(2, 2).conv(4, 2);
  Machine machine;
  machine.array = {.rows = 4, .columns = 4};
  const auto numbers = accumulations(machine, chain.network());
  Durations free, stalled;
  (void)make_pe_engine(machine, &free)->run(chain.network(), numbers, chain.input(1), {});
  (void)make_pe_engine(machine, &stalled, 5)->run(chain.network(), numbers, chain.input(1), {});
  for (std::size_t unit = 0; unit < kUnits; ++unit) {
    EXPECT_GT(free.cycles[unit], 0U);
    EXPECT_GT(stalled.cycles[unit], free.cycles[unit]) << name(static_cast<Unit>(unit));
  }
  EXPECT_EQ(free.frozen_inside, 0);
  EXPECT_GT(stalled.frozen_inside, 50);
}

// An image's stalls belong to the image, not to the batch it came in.
TEST(StalledEngines, DoNotDependOnHowImagesAreBatched) {
  const tests::Chain chain = tests::Chain(5, 5, 3).conv(6, 3);
  Machine machine;
  machine.array = {.rows = 4, .columns = 4};
  const auto numbers = accumulations(machine, chain.network());
  const nets::IntTensor all = chain.input(3);
  const RunResult together = make_tile_engine(machine, nullptr, 9)->run(chain.network(), numbers, all, {});
  std::uint64_t cycles = 0;
  std::map<std::uint64_t, int> different;
  for (std::int64_t image = 2; image >= 0; --image) {
    nets::IntTensor one({1, 5, 5, 3});
    std::copy_n(all.data.begin() + image * 75, 75, one.data.begin());
    nets::RunOptions options;
    options.first_image = image;
    const RunResult alone = make_tile_engine(machine, nullptr, 9)->run(chain.network(), numbers, one, options);
    cycles += alone.layers[1].cost->cycles;
    ++different[alone.layers[1].cost->cycles];
  }
  EXPECT_EQ(together.layers[1].cost->cycles, cycles);
  EXPECT_GT(different.size(), 1U);
}

}  // namespace
}  // namespace guardbit::sim
