// Cycle counts of tiny cases, derived by hand, on both engines.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"

namespace guardbit::sim {
namespace {

using nets::LayerCost;
using tests::Chain;

// 2x2 PEs, 4 bytes per cycle after 3 cycles, 2 lanes; accumulators of 4 bytes.
Machine tiny_machine() {
  Machine machine;
  machine.array = {.rows = 2, .columns = 2};
  machine.dram = {.bytes_per_cycle = 4, .latency_cycles = 3};
  machine.vector_unit.lanes = 2;
  return machine;
}

LayerCost cost_of(const Machine& machine, const Chain& chain, bool array, std::int64_t images = 1) {
  const auto engine = array ? make_array_engine(machine) : make_tile_engine(machine);
  const auto result =
      engine->run(chain.network(), accumulations(machine, chain.network()), chain.input(images), {});
  return *result.layers.back().cost;
}

class Cycles : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Engines, Cycles, testing::Values(false, true),
                         [](const auto& param) { return param.param ? "array" : "tile"; });

TEST_P(Cycles, OfOneFold) {
  // 1x1 convolution, 3 pixels, 2 -> 2 channels.
  //   load 6 activation bytes   3 + ceil(6 / 4) = 5   [0, 5)
  //   load 4 weight bytes       3 + 1 = 4             [5, 9)
  //   fold                      load 2 rows; the operand of pixel 2 enters row 1 and column 1 two cycles after row 0
  //                             sees it in cycle 2, its sum is registered at the end of cycle 4 and taken over in
  //                             cycle 5: 2 + 6 = 8    [9, 17)
  //   requantize 6 elements     3                     [17, 20)
  //   store 6 bytes             3 + 2 = 5             [20, 25)
  const LayerCost cost = cost_of(tiny_machine(), Chain(1, 3, 2).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 25U);
  EXPECT_EQ(cost.array_busy_cycles, 8U);
  EXPECT_EQ(cost.weight_load_cycles, 2U);
  EXPECT_EQ(cost.stream_cycles, 3U);
  EXPECT_EQ(cost.fill_drain_cycles, 3U);
  EXPECT_EQ(cost.dram_stall_cycles, 9U + 5U);
  EXPECT_EQ(cost.vector_stall_cycles, 3U);
  EXPECT_EQ(cost.vector_busy_cycles, 3U);
  EXPECT_EQ(cost.useful_macs, 12U);
  EXPECT_EQ(cost.issued_macs, 12U);
  EXPECT_EQ(cost.dram_read_bytes, 10U);
  EXPECT_EQ(cost.dram_write_bytes, 6U);
  EXPECT_EQ(cost.activation_write_bytes, 6U + 6U);
  EXPECT_EQ(cost.activation_read_bytes, 6U + 6U);
  EXPECT_EQ(cost.weight_write_bytes, 4U);
  EXPECT_EQ(cost.weight_read_bytes, 4U);
  EXPECT_EQ(cost.accumulator_write_bytes, 24U);
  EXPECT_EQ(cost.accumulator_read_bytes, 24U);  // by the vector unit; the fold starts from the bias
  // 12 MACs x 0.3 + 6 lane operations x 0.1 + 80 SRAM bytes x 2.5 + 16 DRAM bytes x 162.5
  EXPECT_DOUBLE_EQ(cost.energy_pj, 3.6 + 0.6 + 200.0 + 2600.0);
}

TEST_P(Cycles, OfTheSmallestFold) {
  // One PE, one pixel: weight in, product and sum, takeover: 3 = 2 * 1 + 1 + 1 - 1.
  Machine machine = tiny_machine();
  machine.array = {.rows = 1, .columns = 1};
  const LayerCost cost = cost_of(machine, Chain(1, 1, 1).conv(1, 1), GetParam());
  EXPECT_EQ(cost.array_busy_cycles, 3U);
  EXPECT_EQ(cost.weight_load_cycles, 1U);
  EXPECT_EQ(cost.stream_cycles, 1U);
  EXPECT_EQ(cost.fill_drain_cycles, 1U);
}

TEST_P(Cycles, OfTwoFoldsWithPrefetchedWeights) {
  // 4 -> 2 channels: two k folds.
  //   load 12 bytes [0, 6)   W0 [6, 10)   W1 [10, 14)   fold 0 [10, 18)   fold 1 [18, 26)
  //   requantize [26, 29)    store [29, 34)
  const LayerCost cost = cost_of(tiny_machine(), Chain(1, 3, 4).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 34U);
  EXPECT_EQ(cost.array_busy_cycles, 16U);
  EXPECT_EQ(cost.dram_stall_cycles, 10U + 5U);
  EXPECT_EQ(cost.vector_stall_cycles, 3U);
  EXPECT_EQ(cost.accumulator_read_bytes, 48U);
}

TEST_P(Cycles, OfTwoFoldsThatShareOneWeightBuffer) {
  // As above, but 4 bytes of weights and single buffers: W1 [18, 22) waits for fold 0, fold 1 [22, 30).
  Machine machine = tiny_machine();
  machine.scratchpads.weight_bytes = 4;
  machine.scratchpads.double_buffered = false;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 4).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 38U);
  EXPECT_EQ(cost.dram_stall_cycles, 10U + 4U + 5U);
}

TEST_P(Cycles, OfTwoTilesThatWaitForTheVectorUnit) {
  // 2 pixels of one row, accumulators for one pixel: two tiles of 1 pixel, single buffers, 1 lane.
  //   load 2 pixels' input: not resident in 6 bytes (2 inputs + 2 outputs fit): per tile, 2 bytes: 3 + 1 = 4
  //   in0 [0, 4)  W [4, 8)  fold0 2*2 + 2 + 1 - 1 = 6 [8, 14)  requantize0 2 elements, 1 lane [14, 16)  store0 [16, 20)
  //   in1 waits for fold0: [14, 18)  fold1 waits for in1 and requantize0: [18, 24)  requantize1 [24, 26)
  //   store1 [26, 30)
  Machine machine = tiny_machine();
  machine.vector_unit.lanes = 1;
  machine.scratchpads = {.activation_bytes = 4, .weight_bytes = 4, .accumulator_bytes = 8, .double_buffered = false};
  const LayerCost cost = cost_of(machine, Chain(1, 2, 2).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 30U);
  EXPECT_EQ(cost.array_busy_cycles, 12U);
  EXPECT_EQ(cost.dram_stall_cycles, 8U + 4U + 4U);
  EXPECT_EQ(cost.vector_stall_cycles, 2U);
  // With all inputs resident (6 bytes: 4 inputs + 2 outputs) fold 1 waits for the vector unit alone:
  //   in0 [0, 4)  W [4, 8)  in1 [8, 12)  fold0 [8, 14)  requantize0 [14, 16)  fold1 [16, 22)  requantize1 [22, 24)
  //   store0 [16, 20)  store1 [24, 28)
  machine.scratchpads.activation_bytes = 6;
  const LayerCost resident = cost_of(machine, Chain(1, 2, 2).conv(2, 1), GetParam());
  EXPECT_EQ(resident.vector_stall_cycles, 2U + 2U);
  EXPECT_EQ(resident.array_busy_cycles, 12U);
}

TEST_P(Cycles, OfAnOutputStationaryLayer) {
  // 1x1 convolution, 3 pixels, 2 -> 2 channels: passes of 2 pixels and of 1.
  //   load 6 bytes [0, 5)   load 4 bytes [5, 9)
  //   pass                  PE (1, 1) multiplies k = 1 in cycle 3: 4 cycles, then 2 rows drain: 6   [9, 15)  [15, 21)
  //   requantize [21, 24)   store [24, 29)
  Machine machine = tiny_machine();
  machine.array.dataflow = Dataflow::OutputStationary;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 2).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 29U);
  EXPECT_EQ(cost.array_busy_cycles, 12U);
  EXPECT_EQ(cost.weight_load_cycles, 0U);
  EXPECT_EQ(cost.stream_cycles, 4U);
  EXPECT_EQ(cost.fill_drain_cycles, 8U);
  EXPECT_EQ(cost.useful_macs, 12U);
  EXPECT_EQ(cost.issued_macs, 16U);
  EXPECT_EQ(cost.padded_macs, 4U);
  EXPECT_EQ(cost.activation_read_bytes, 6U + 6U);
  EXPECT_EQ(cost.weight_read_bytes, 8U);           // 4 for each pass
  EXPECT_EQ(cost.accumulator_write_bytes, 24U);    // when drained
  EXPECT_EQ(cost.accumulator_read_bytes, 24U);     // by the vector unit alone
}

TEST_P(Cycles, OfAnOutputStationaryReductionInPieces) {
  // 4 -> 2 channels, 4 bytes of weights, single buffers: two pieces of k for each of two passes' worth of pixels. The
  // first piece does not drain: 4 cycles; the second 6. Each piece loads its weights when the last has been used.
  //   load 12 bytes [0, 6)   W0 [6, 10) pass [10, 14)   W1 [14, 18) pass [18, 24)   W0 [24, 28) pass [28, 32)
  //   W1 [32, 36) pass [36, 42)   requantize [42, 45)   store [45, 50)
  Machine machine = tiny_machine();
  machine.array.dataflow = Dataflow::OutputStationary;
  machine.scratchpads.weight_bytes = 4;
  machine.scratchpads.double_buffered = false;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 4).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 50U);
  EXPECT_EQ(cost.array_busy_cycles, 20U);
  EXPECT_EQ(cost.dram_read_bytes, 12U + 16U);
  EXPECT_EQ(cost.accumulator_write_bytes, 24U);
  EXPECT_EQ(cost.accumulator_read_bytes, 24U);  // by the vector unit; the second piece finds its sums in the PEs
}

TEST_P(Cycles, OfAPieceThatDoesNotWaitForTheLastTilesSums) {
  // Two tiles of one pixel, 4 -> 2 channels, pieces of 2 k, one lane, no latency. The first piece of the second tile
  // starts while the first tile's sums are still being requantized; only the piece that drains has to wait for them.
  //   load 8 bytes [0, 2)  W0 [2, 3) pass [3, 7)    W1 [7, 8) pass [8, 14)    requantize [14, 16)  store [16, 17)
  //                        W0 [14, 15) pass [15, 19)  W1 [19, 20) pass [20, 26)  requantize [26, 28)  store [28, 29)
  Machine machine = tiny_machine();
  machine.array.dataflow = Dataflow::OutputStationary;
  machine.dram.latency_cycles = 0;
  machine.vector_unit.lanes = 1;
  machine.scratchpads.weight_bytes = 4;
  machine.scratchpads.accumulator_bytes = 8;
  machine.scratchpads.double_buffered = false;
  const LayerCost cost = cost_of(machine, Chain(1, 2, 4).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 29U);
  EXPECT_EQ(cost.array_busy_cycles, 20U);
}

TEST_P(Cycles, OfAnInputStationaryLayer) {
  // 1x1 convolution, 3 pixels, 2 -> 2 channels: passes of 2 pixels and of 1, each 2 rows of load and 2 channels.
  //   load 6 bytes [0, 5)   load 4 bytes [5, 9)   passes of 2*2 + 2 + 2 - 1 = 7 [9, 16) [16, 23)
  //   requantize [23, 26)   store [26, 31)
  Machine machine = tiny_machine();
  machine.array.dataflow = Dataflow::InputStationary;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 2).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 31U);
  EXPECT_EQ(cost.array_busy_cycles, 14U);
  EXPECT_EQ(cost.weight_load_cycles, 4U);
  EXPECT_EQ(cost.stream_cycles, 4U);
  EXPECT_EQ(cost.fill_drain_cycles, 6U);
  EXPECT_EQ(cost.issued_macs, 16U);
  EXPECT_EQ(cost.weight_read_bytes, 8U);
}

TEST_P(Cycles, OfSumsThatAreSpilled) {
  // 4 -> 2 channels, 2 pixels, accumulators for one pixel, single buffers, weights once for all pixels: two tiles, each
  // visited for two k. A sum of 2 x 4 bytes takes 5 cycles to DRAM and 5 back.
  //   load 8 bytes [0, 5)  W0 [5, 9)   pass t0 k0 [9, 15) spill [15, 20)    pass t1 k0 [20, 26) spill [26, 31)
  //   reload t0 [31, 36)  W1 [36, 40)  pass t0 k1 [40, 46) requantize [46, 47) store [47, 51)
  //   reload t1 [47, 52)               pass t1 k1 [52, 58) requantize [58, 59) store [59, 63)
  Machine machine = tiny_machine();
  machine.mapping.loop_order = LoopOrder::ReductionOuter;
  machine.scratchpads.accumulator_bytes = 8;
  machine.scratchpads.double_buffered = false;
  const Chain chain = Chain(1, 2, 4).conv(2, 1);
  const LayerCost cost = cost_of(machine, chain, GetParam());
  EXPECT_EQ(cost.cycles, 63U);
  EXPECT_EQ(cost.array_busy_cycles, 24U);
  EXPECT_EQ(cost.vector_stall_cycles, 1U);  // the last; the other ends before the reload does
  EXPECT_EQ(cost.dram_read_bytes, 8U + 8U + 16U);
  EXPECT_EQ(cost.dram_write_bytes, 16U + 4U);
  EXPECT_EQ(cost.accumulator_read_bytes, 16U + 16U + 16U);   // spills, second passes, requantize
  EXPECT_EQ(cost.accumulator_write_bytes, 32U + 16U);        // passes, reloads
  EXPECT_EQ(cost.weight_write_bytes, 8U);
  // With room for both pixels nothing is spilled: passes [9, 16) [16, 23), requantize [23, 25), store [25, 29).
  machine.scratchpads.accumulator_bytes = 16;
  const LayerCost resident = cost_of(machine, chain, GetParam());
  EXPECT_EQ(resident.cycles, 29U);
  EXPECT_EQ(resident.dram_read_bytes, 16U);
  EXPECT_EQ(resident.dram_write_bytes, 4U);
}

TEST_P(Cycles, InputsThatStayAreLoadedOnce) {
  // 2 pixels in 2 rows, accumulators for one pixel and double buffers: two tiles; 3 channels on 2 columns: two blocks.
  // 4 bytes of inputs, 6 of weights, whatever the loop order.
  Machine machine = tiny_machine();
  machine.scratchpads.accumulator_bytes = 16;
  for (const LoopOrder order : {LoopOrder::ReductionInner, LoopOrder::ReductionOuter}) {
    machine.mapping.loop_order = order;
    EXPECT_EQ(cost_of(machine, Chain(2, 1, 2).conv(3, 1), GetParam()).dram_read_bytes, 10U);
  }
}

TEST_P(Cycles, OfAMaxPool) {
  // 2x2 windows over 2x4x1: load 8 bytes 5; 2 outputs x 4 taps on 2 lanes 4; store 2 bytes 4.
  const LayerCost cost = cost_of(tiny_machine(), Chain(2, 4, 1).max_pool(2, 2), GetParam());
  EXPECT_EQ(cost.cycles, 13U);
  EXPECT_EQ(cost.vector_busy_cycles, 4U);
  EXPECT_EQ(cost.vector_stall_cycles, 4U);
  EXPECT_EQ(cost.dram_stall_cycles, 9U);
  EXPECT_EQ(cost.array_busy_cycles, 0U);
}

TEST_P(Cycles, OfASoftmax) {
  // 3 positions of 5 channels: load 15 bytes 3 + 4 [0, 7); on 2 lanes largest codes 8, sums 8, reciprocals 2, results 8
  // [7, 33); store 7 [33, 40).
  const LayerCost cost = cost_of(tiny_machine(), Chain(1, 3, 5).softmax(0.1), GetParam());
  EXPECT_EQ(cost.cycles, 40U);
  EXPECT_EQ(cost.vector_busy_cycles, 26U);
  EXPECT_EQ(cost.vector_stall_cycles, 26U);
  EXPECT_EQ(cost.dram_stall_cycles, 14U);
  EXPECT_EQ(cost.array_busy_cycles, 0U);
  EXPECT_EQ(cost.dram_read_bytes, 15U);
  EXPECT_EQ(cost.dram_write_bytes, 15U);
  EXPECT_EQ(cost.activation_write_bytes, 15U + 15U);
  EXPECT_EQ(cost.activation_read_bytes, 3U * 15U + 15U);  // all passes but the reciprocals, and the store
  EXPECT_EQ(cost.activation_dead_bytes, 0U);
  EXPECT_EQ(cost.weight_read_bytes + cost.accumulator_read_bytes, 0U);
  // 48 lane operations x 0.1 + 90 SRAM bytes x 2.5 + 30 DRAM bytes x 162.5
  EXPECT_DOUBLE_EQ(cost.energy_pj, 4.8 + 225.0 + 4875.0);
}

TEST_P(Cycles, OfASoftmaxPositionByPosition) {
  // Room for one position: three times load 5 bytes 5, passes 3 + 3 + 1 + 3, store 5.
  Machine machine = tiny_machine();
  machine.scratchpads.activation_bytes = 10;
  machine.scratchpads.double_buffered = false;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 5).softmax(0.1), GetParam());
  EXPECT_EQ(cost.cycles, 60U);
  EXPECT_EQ(cost.vector_busy_cycles, 30U);
  EXPECT_EQ(cost.activation_read_bytes, 60U);
  // A position is never cut: its largest code and its sum are of all channels.
  machine.scratchpads.activation_bytes = 9;
  try {
    (void)cost_of(machine, Chain(1, 3, 5).softmax(0.1), GetParam());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer softmax1: the smallest tile needs 10 bytes of machine.scratchpads.activation, "
                               "found 9, allowed 10 or more");
  }
}

TEST_P(Cycles, PaddedMacsAreIssuedButNotUseful) {
  // 3 -> 3 channels on 2x2 PEs: 2 x 2 folds of 4 PEs for 5 pixels, 9 of 16 PE slots useful.
  const LayerCost cost = cost_of(tiny_machine(), Chain(1, 5, 3).conv(3, 1), GetParam());
  EXPECT_EQ(cost.useful_macs, 45U);
  EXPECT_EQ(cost.issued_macs, 80U);
  EXPECT_EQ(cost.padded_macs, 35U);
}

TEST_P(Cycles, AddUpOverImages) {
  const Chain chain = Chain(4, 4, 3).conv(5, 3, 1, 1);
  const LayerCost one = cost_of(tiny_machine(), chain, GetParam());
  const LayerCost three = cost_of(tiny_machine(), chain, GetParam(), 3);
  EXPECT_EQ(three.cycles, 3 * one.cycles);
  EXPECT_EQ(three.dram_read_bytes, 3 * one.dram_read_bytes);
  EXPECT_DOUBLE_EQ(three.energy_pj, 3 * one.energy_pj);
}

TEST_P(Cycles, WithIdealMemoryAreTheFormula) {
  // Everything fits, DRAM is fast: the array never waits between folds, so busy cycles are the formula, and the stalls
  // are the first load (4 commands of 1 cycle at most), the last requantize and the last store.
  Machine machine = tiny_machine();
  machine.array = {.rows = 4, .columns = 3};
  machine.dram = {.bytes_per_cycle = 1 << 20, .latency_cycles = 0};
  machine.vector_unit.lanes = 1 << 16;
  machine.scratchpads.accumulator_bytes = machine.scratchpads.activation_bytes = 1 << 20;
  const Chain chain = Chain(6, 7, 5).conv(7, 3, 1, 1);
  const LayerCost cost = cost_of(machine, chain, GetParam());
  const IdealCycles ideal = ideal_cycles(machine, chain.network(), 1);
  // 12 k folds x 3 n folds of 8 + 3 + 42 - 1 cycles.
  EXPECT_EQ(ideal.ours, 36 * 52);
  EXPECT_EQ(ideal.scale_sim, 36 * 51);
  EXPECT_EQ(cost.array_busy_cycles, 36U * 52U);
  EXPECT_LE(cost.cycles, 36U * 52U + 4U);
}

}  // namespace
}  // namespace guardbit::sim
