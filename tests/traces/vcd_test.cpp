// The VCD writer byte by byte, and through a reader of its own.
#include <gtest/gtest.h>

#include "tests/traces/vcd_reader.hpp"
#include "traces/vcd.hpp"

namespace guardbit::traces {
namespace {

TEST(VcdWriter, WritesTheseBytes) {
  VcdWriter writer("1 ps", "what it is");
  writer.open_scope("top");
  const auto clk = writer.add("clk", 1), sum = writer.add("sum", 4), index = writer.add("index", 3, -1);
  writer.close_scope();
  writer.set(clk, 1);
  writer.at(5);
  writer.set(sum, 6);
  writer.set(sum, -3);
  writer.set(clk, 1);  // no change
  writer.at(7);
  writer.at(10);
  writer.set(sum, 2);
  writer.set(index, 0);
  writer.set(clk, 0);
  writer.at(12);
  EXPECT_EQ(writer.finish(),
            "$comment what it is $end\n$version guardbit $end\n$timescale 1 ps $end\n"
            "$scope module top $end\n$var wire 1 ! clk $end\n$var reg 4 \" sum [3:0] $end\n"
            "$var reg 3 # index [2:0] $end\n$upscope $end\n$enddefinitions $end\n"
            "#0\n$dumpvars\n0!\nb0 \"\nb111 #\n$end\n"
            "1!\n#5\nb1101 \"\n#10\nb10 \"\nb0 #\n0!\n#12\n");
}

TEST(VcdWriter, KeepsThousandsOfVariablesApart) {
  VcdWriter writer("1 ns", "many");
  std::vector<VcdWriter::Variable> variables;
  writer.open_scope("top");
  for (int i = 0; i < 9000; ++i) variables.push_back(writer.add("v" + std::to_string(i), 16));
  writer.close_scope();
  writer.at(1);
  for (int i = 0; i < 9000; ++i) writer.set(variables[static_cast<std::size_t>(i)], i - 4500);
  const tests::Vcd vcd = tests::read_vcd(writer.finish());
  ASSERT_EQ(vcd.signals.size(), 9000U);
  for (int i = 0; i < 9000; ++i) {
    EXPECT_EQ(vcd.value("top.v" + std::to_string(i), 0), 0);
    EXPECT_EQ(vcd.value("top.v" + std::to_string(i), 1), i - 4500);
  }
}

TEST(VcdWriter, KeepsAllBitsOfEveryWidth) {
  for (const int width : {1, 2, 31, 32, 33, 63, 64}) {
    VcdWriter writer("1 ns", "wide");
    writer.open_scope("top");
    const auto variable = writer.add("v", width);
    writer.close_scope();
    const std::int64_t low = -1 - static_cast<std::int64_t>((std::uint64_t{1} << (width - 1)) - 1);
    const std::int64_t values[]{low, -1, 0, ~low};
    for (std::size_t i = 0; i < 4; ++i) {
      writer.at(i + 1);
      writer.set(variable, values[i]);
    }
    const tests::Vcd vcd = tests::read_vcd(writer.finish());
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(vcd.value("top.v", i + 1), values[i]) << width;
  }
}

}  // namespace
}  // namespace guardbit::traces
