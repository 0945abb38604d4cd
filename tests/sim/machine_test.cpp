// Machines from YAML: the default, the committed configurations, and one clear line for each bad one.
#include <gtest/gtest.h>

#include <set>

#include "arith/error.hpp"
#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"

namespace guardbit::sim {
namespace {

using tests::Chain;

Machine read(const std::string& yaml) {
  const nets::Section root = nets::Section::parse("machine:\n" + yaml, "m.yaml");
  const nets::Section section = root.section_or_empty("machine");
  Machine machine = read_machine(section);
  root.done();
  return machine;
}

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Machine, AnEmptySectionIsTheDefault) { EXPECT_EQ(read("  clock_ns: 1\n"), Machine{}); }

TEST(Machine, ThePrintedDefaultReadsAsTheDefault) {
  const std::string text = print_default_machine();
  const nets::Section root = nets::Section::parse(text);
  EXPECT_EQ(read_machine(root.section("machine")), Machine{});
  root.done();
}

TEST(Machine, EveryKeyIsListedOnce) {
  std::set<std::string> paths;
  for (const MachineKey& key : machine_keys()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    EXPECT_FALSE(key.meaning.empty());
  }
  EXPECT_TRUE(paths.contains("machine.numerics.accumulator.format"));
}

TEST(Machine, EveryValueIsRead) {
  const Machine machine = read(
      "  array: {rows: 3, columns: 5, dataflow: input_stationary}\n"
      "  mapping: {loop_order: reduction_outer}\n"
      "  numerics: {activation: uint8, weight: int4, accumulator: {format: 'int<20,SAT>', step: 4},\n"
      "             narrow_accumulator: false, psum: {format: 'int<14,WRAP>', step: 2}, output: pow2}\n"
      "  scratchpads: {activation: 1KiB, weight: 2KiB, accumulator: 3KiB, banks: 2, word: 3, ports: 4,\n"
      "                double_buffered: false}\n"
      "  dram: {bytes_per_cycle: 7, latency_cycles: 9}\n"
      "  vector_unit: {lanes: 11}\n"
      "  clock_ns: 2.5\n"
      "  energy_pj: {mac_int8: 1, vector_op: 2, sram_byte: 3, dram_byte: 4, source: here}\n");
  Machine expected;
  expected.array = {.rows = 3, .columns = 5, .dataflow = Dataflow::InputStationary};
  expected.mapping.loop_order = LoopOrder::ReductionOuter;
  expected.numerics.activation = arith::parse_format("uint8");
  expected.numerics.weight = arith::parse_format("int4");
  expected.numerics.accumulator = {arith::parse_format("int<20,SAT>"), 4};
  expected.numerics.psum = {arith::parse_format("int<14,WRAP>"), 2};
  expected.numerics.output = "pow2";
  expected.scratchpads = {1024, 2048, 3072, 2, 3, 4, false};
  expected.dram = {7, 9};
  expected.vector_unit.lanes = 11;
  expected.clock_ns = 2.5;
  expected.energy_pj = {1, 2, 3, 4, "here"};
  EXPECT_EQ(machine, expected);
}

TEST(Machine, CommittedConfigurationsAreValid) {
  const Chain cifarnet = tests::cifarnet_chain();
  for (const char* name : {"edge16", "cloud128", "mcu8", "vision8"}) {
    SCOPED_TRACE(name);
    const nets::Section root(nets::load_yaml(std::string("sim/configs/") + name + ".yaml"));
    Machine machine = read_machine(root.section("machine"));
    EXPECT_NO_THROW(root.done());
    EXPECT_NO_THROW((void)map_network(machine, cifarnet.network()));
    EXPECT_EQ(machine.scratchpads.ports, 1) << "the reference machines have real banks";
    machine.scratchpads.ports = Machine{}.scratchpads.ports;
    machine.scratchpads.banks = Machine{}.scratchpads.banks;
    EXPECT_EQ(machine == Machine{}, std::string(name) == "edge16");
  }
}

TEST(Machine, EachBadValueIsOneLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"  array: {rows: 0}\n", "m.yaml:2: machine.array.rows: found 0, allowed 1 to 1024"},
      {"  array: {columns: 4096}\n", "m.yaml:2: machine.array.columns: found 4096, allowed 1 to 1024"},
      {"  array: {dataflow: sideways}\n",
       "m.yaml:2: machine.array.dataflow: found sideways, allowed weight_stationary, output_stationary, "
       "input_stationary"},
      {"  mapping: {loop_order: zigzag}\n",
       "m.yaml:2: machine.mapping.loop_order: found zigzag, allowed reduction_inner, reduction_outer"},
      {"  array: {dataflow: output_stationary}\n  mapping: {loop_order: reduction_outer}\n",
       "m.yaml:3: machine.mapping.loop_order: found reduction_outer with dataflow output_stationary, allowed "
       "reduction_inner: sums stay in the PEs until they are complete"},
      {"  numerics: {accumulator: {format: 'fixed<16,8>'}}\n",
       "m.yaml:2: machine.numerics.accumulator.format: found fixed<16,8>, allowed an integer format of 2 to 64 bits, "
       "for example int<32,WRAP>"},
      {"  numerics: {accumulator: {format: 'int<1>'}}\n",
       "m.yaml:2: machine.numerics.accumulator.format: found int<1>, allowed an integer format of 2 to 64 bits, for "
       "example int<32,WRAP>"},
      {"  numerics: {accumulator: {format: 'int<0>'}}\n",
       "m.yaml:2: machine.numerics.accumulator.format: found int<0>, allowed an integer format of 2 to 64 bits, for "
       "example int<32,WRAP>"},
      {"  numerics: {accumulator: {format: 'int<15,WRAP>'}}\n",
       "m.yaml:2: machine.numerics.accumulator.format: found int<15,WRAP>, allowed a format that holds every product "
       "of int8 and int8 (or machine.numerics.narrow_accumulator=true)"},
      {"  numerics: {activation: uint8, weight: int4, psum: {format: 'int<12,SAT_SYM>'},\n"
       "             accumulator: {format: int11}}\n",
       "m.yaml:3: machine.numerics.accumulator.format: found int11, allowed a format that holds every product of uint8 "
       "and int4 (or machine.numerics.narrow_accumulator=true)"},
      {"  numerics: {weight: int17}\n",
       "m.yaml:2: machine.numerics.weight: found int17, allowed an integer format of 1 to 16 bits, for example int8"},
      {"  scratchpads: {ports: 2000}\n", "m.yaml:2: machine.scratchpads.ports: found 2000, allowed 0 to 1024"},
      {"  scratchpads: {word: 0}\n", "m.yaml:2: machine.scratchpads.word: found 0, allowed 1 to 1024"},
      {"  scratchpads: {weight: 0}\n", "m.yaml:2: machine.scratchpads.weight: found 0, allowed 1 to 1073741824 bytes"},
  };
  for (const auto& [yaml, expected] : cases) {
    const std::string text = error_of([&] { (void)read(yaml); });
    EXPECT_EQ(text, expected);
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
}

TEST(Machine, AnAccumulatorThatHoldsEveryProductIsWideEnough) {
  // -128 * -128 needs 16 bits, 255 * -8 = -2040 and 255 * 7 need 12.
  EXPECT_EQ(read("  numerics: {accumulator: {format: int16}}\n").numerics.accumulator.format.width, 16);
  EXPECT_EQ(read("  numerics: {activation: uint8, weight: int4, accumulator: {format: int12}}\n").numerics.psum,
            std::nullopt);
  EXPECT_EQ(read("  numerics: {accumulator: {format: int9}, narrow_accumulator: true}\n")
                .numerics.accumulator.format.width, 9);
}

TEST(Machine, MisfitsOfTheNetworkAreNamed) {
  const Chain chain = Chain(2, 2, 1).conv(1, 1);
  Machine machine;
  machine.numerics.output = "pow2";
  EXPECT_EQ(error_of([&] { check_compatible(machine, chain.network()); }),
            "network chain: found output policy tflite_double, allowed machine.numerics.output = pow2; set "
            "machine.numerics.output=tflite_double or convert the network again");
  machine = {};
  machine.numerics.activation = arith::parse_format("uint8");
  EXPECT_EQ(error_of([&] { check_compatible(machine, chain.network()); }),
            "layer input: found activations of format int8, allowed codes that fit machine.numerics.activation = "
            "uint8");
  machine = {};
  machine.numerics.weight = arith::parse_format("int7");
  EXPECT_EQ(error_of([&] { check_compatible(machine, chain.network()); }),
            "layer conv1: found weights of format int8, allowed codes that fit machine.numerics.weight = int7");
}

TEST(Machine, AScratchpadSmallerThanOneTileIsNamed) {
  // One output pixel of a 3x3 convolution over 4 channels: 36 inputs and 2 outputs, twice.
  const Chain chain = Chain(5, 5, 4).conv(2, 3);
  Machine machine;
  machine.scratchpads.activation_bytes = 75;
  EXPECT_EQ(error_of([&] { (void)map_network(machine, chain.network()); }),
            "layer conv1: the smallest tile needs 76 bytes of machine.scratchpads.activation, found 75, allowed 76 or "
            "more");
  machine.scratchpads.activation_bytes = 76;
  EXPECT_NO_THROW((void)map_network(machine, chain.network()));
  // Input stationary: of one channel. 36 inputs and 1 output, twice.
  machine.array.dataflow = Dataflow::InputStationary;
  machine.scratchpads.activation_bytes = 73;
  EXPECT_EQ(error_of([&] { (void)map_network(machine, chain.network()); }),
            "layer conv1: the smallest tile needs 74 bytes of machine.scratchpads.activation, found 73, allowed 74 or "
            "more");
  machine.scratchpads.activation_bytes = 74;
  EXPECT_NO_THROW((void)map_network(machine, chain.network()));
  // Output stationary: weights of one k for 2 channels, twice.
  machine = {};
  machine.array.dataflow = Dataflow::OutputStationary;
  machine.scratchpads.weight_bytes = 3;
  EXPECT_EQ(error_of([&] { (void)map_network(machine, chain.network()); }),
            "layer conv1: the smallest tile needs 4 bytes of machine.scratchpads.weight, found 3, allowed 4 or more");
  machine.scratchpads.weight_bytes = 4;
  EXPECT_NO_THROW((void)map_network(machine, chain.network()));
}

TEST(Machine, AnOutputStationaryArrayDoesNotSpill) {
  Machine machine;
  machine.array.dataflow = Dataflow::OutputStationary;
  machine.mapping.loop_order = LoopOrder::ReductionOuter;
  EXPECT_EQ(error_of([&] { check_machine(machine); }),
            "machine.mapping.loop_order: found reduction_outer with dataflow output_stationary, allowed "
            "reduction_inner: sums stay in the PEs until they are complete");
}

TEST(Engines, RejectAccumulationsThatAreNotTheMachines) {
  const Chain chain = Chain(2, 2, 1).conv(1, 1);
  const Machine machine;
  auto numbers = accumulations(machine, chain.network());
  numbers[1].fold = 3;
  EXPECT_EQ(error_of([&] { (void)make_tile_engine(machine)->run(chain.network(), numbers, chain.input(1), {}); }),
            "engine tile: layer conv1: found an accumulation that is not the machine's, allowed "
            "sim::accumulations(machine, network)");
  Machine zero_rows;
  zero_rows.array.rows = 0;
  EXPECT_EQ(error_of([&] { (void)make_array_engine(zero_rows); }),
            "machine.array: found 0 rows and 16 columns, allowed 1 to 1024 of each");
}

}  // namespace
}  // namespace guardbit::sim
