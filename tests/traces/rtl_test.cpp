// The simulators of RTL teams read the package: $readmemh in Icarus and Verilator, word counts, first and last words,
// and a dump written by $writememh that compares equal.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "nets/io/file.hpp"
#include "tests/traces/small_layer.hpp"

namespace guardbit::traces {
namespace {

namespace fs = std::filesystem;
using tests::Scratch;

constexpr const char* kBench = R"(`timescale 1ns/1ps
module bench;
  reg [7:0] out [0:143];
  reg [7:0] act [0:159];
  integer i, known, file;
  initial begin
    $readmemh("trace/expect/out.hex", out);
    $readmemh("trace/stim/act.hex", act);
    known = 0;
    for (i = 0; i < 160; i = i + 1) if ((^act[i]) !== 1'bx) known = known + 1;
    file = $fopen("words.txt", "w");
    $fdisplay(file, "%0d %h %h", known, act[0], act[159]);
    $fclose(file);
    $writememh("dump.hex", out);
    $finish;
  end
endmodule
)";

bool installed(const char* program) {
  return std::system(("command -v " + std::string(program) + " >/dev/null 2>&1").c_str()) == 0;
}

std::string text_of(const fs::path& path) {
  const nets::Bytes bytes = nets::read_file(path);
  return {bytes.begin(), bytes.end()};
}

void check_with(const std::string& build_and_run) {
  const Scratch scratch("rtl");
  Package package = tests::small_package();
  ASSERT_TRUE(publish(package, scratch / "trace").held());
  std::ofstream(scratch / "bench.v") << kBench;
  const std::string command = "cd '" + (scratch / "").string() + "' && (" + build_and_run + ") >log.txt 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << text_of(scratch / "log.txt");
  EXPECT_EQ(text_of(scratch / "words.txt"), "160 80 6b\n") << "first -128; last 159 * 53 % 256 - 128 = 107";
  const CheckReport report = compare_dump(package, Role::Output, text_of(scratch / "dump.hex"), "dump.hex");
  EXPECT_TRUE(report.held());
  EXPECT_EQ(report.compared, 144);
}

TEST(Rtl, IcarusReadsThePackageAndItsDumpComparesEqual) {
  if (!installed("iverilog")) GTEST_SKIP() << "iverilog is not installed";
  check_with("iverilog -g2012 -o sim bench.v && vvp -n sim");
}

TEST(Rtl, VerilatorReadsThePackageAndItsDumpComparesEqual) {
  if (!installed("verilator")) GTEST_SKIP() << "verilator is not installed";
  check_with("verilator --binary -O0 -Wno-fatal bench.v --top-module bench -Mdir obj -o sim && obj/sim");
}

}  // namespace
}  // namespace guardbit::traces
