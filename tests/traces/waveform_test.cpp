// The waveform of engine pe, read back by a reader of its own, against the product it shows.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/traces/vcd_reader.hpp"
#include "traces/waveform.hpp"

namespace guardbit::traces {
namespace {

using sim::Machine;
using tests::Vcd;

constexpr int kRows = 2, kColumns = 3, kPixels = 6, kDepth = 4, kEdges = 2 * kRows + kColumns + kPixels - 1;

// 1x1 convolution of 6 pixels, 4 -> 3 channels: two folds of 2 rows.
tests::Chain product() { return tests::Chain(2, 3, kDepth).conv(kColumns, 1, 1, 0, 1, true); }

Machine machine(const char* accumulator = "int<32,WRAP>") {
  Machine result;
  result.array = {.rows = kRows, .columns = kColumns};
  result.clock_ns = 0.5;
  result.numerics.accumulator.format = arith::parse_format(accumulator);
  return result;
}

std::string record(const Machine& m, const tests::Chain& net, const WaveformOptions& options = {},
                   std::optional<std::uint64_t> stall_seed = {}) {
  Waveform waveform(m, options);
  (void)sim::make_pe_engine(m, &waveform, stall_seed)
      ->run(net.network(), sim::accumulations(m, net.network()), net.input(1), {});
  return waveform.vcd();
}

std::vector<std::uint64_t> rising_edges(const Vcd& vcd) {
  std::vector<std::uint64_t> times;
  std::string before = "0";
  for (const auto& [time, bits] : vcd.signals.at("array.clk").changes) {
    if (before == "0" && bits == "1") times.push_back(time);
    before = bits;
  }
  return times;
}

std::string pe(int row, int column, const char* what) {
  return "array.pe_" + std::to_string(row) + "_" + std::to_string(column) + "." + what;
}

// Every register after every edge of both folds, from the matrices alone: in fold f, after stream edge s, the PE in row
// r and column c holds pixel s - r - c.
void expect_the_product(const Vcd& vcd) {
  const tests::Chain net = product();
  const nets::IntegerLayer& layer = net.network().layers[1];
  const nets::IntTensor input = net.input(1);
  const auto x = [&](int m, int k) { return std::int64_t{input.data[static_cast<std::size_t>(m * kDepth + k)]}; };
  const auto w = [&](int k, int n) {
    return std::int64_t{layer.weight.data[static_cast<std::size_t>(n * kDepth + k)]};
  };
  const std::vector<std::uint64_t> edges = rising_edges(vcd);
  ASSERT_EQ(edges.size(), 2U * kEdges);
  int sums = 0;
  for (int f = 0; f < 2; ++f) {
    for (int s = 0; s < kEdges - kRows; ++s) {
      const std::uint64_t time = edges[static_cast<std::size_t>(f * kEdges + kRows + s)];
      for (int r = 0; r < kRows; ++r) {
        for (int c = 0; c < kColumns; ++c) {
          SCOPED_TRACE(testing::Message() << "fold " << f << " stream edge " << s << " pe " << r << " " << c);
          const int m = s - r - c;
          const bool valid = m >= 0 && m < kPixels;
          ASSERT_EQ(vcd.value(pe(r, c, "w"), time), w(f * kRows + r, c));
          ASSERT_EQ(vcd.value(pe(r, c, "x_valid"), time, false), valid ? 1 : 0);
          ASSERT_EQ(vcd.value(pe(r, c, "sum_valid"), time, false), valid ? 1 : 0);
          if (!valid) continue;
          std::int64_t sum = layer.bias[static_cast<std::size_t>(c)];
          for (int k = 0; k <= f * kRows + r; ++k) sum += x(m, k) * w(k, c);
          ASSERT_EQ(vcd.value(pe(r, c, "x"), time), x(m, f * kRows + r));
          ASSERT_EQ(vcd.value(pe(r, c, "sum"), time), sum);
          ++sums;
        }
      }
      // What the next edge finds on the wires.
      if (s + 1 < kEdges - kRows) {
        for (int r = 0; r < kRows; ++r) {
          const int m = s + 1 - r;
          const std::string wire = "array.west_" + std::to_string(r);
          ASSERT_EQ(vcd.value(wire + "_index", time), m >= 0 && m < kPixels ? m : -1);
          ASSERT_EQ(vcd.value(wire, time), m >= 0 && m < kPixels ? x(m, f * kRows + r) : 0);
        }
      }
    }
  }
  EXPECT_EQ(sums, 2 * kPixels * kRows * kColumns);
}

TEST(Waveform, ShowsTheProduct) {
  const Vcd vcd = tests::read_vcd(record(machine(), product()));
  EXPECT_EQ(vcd.timescale, "1 ps");
  EXPECT_EQ(vcd.signals.size(), 7U + 2 * (kRows + 2 * kColumns) + 6 * kRows * kColumns);
  expect_the_product(vcd);
  const auto edges = rising_edges(vcd);
  for (std::size_t i = 1; i < kEdges; ++i) EXPECT_EQ(edges[i] - edges[i - 1], 500U) << "0.5 ns";
  for (const std::uint64_t edge : edges) {
    EXPECT_EQ(vcd.value("array.clk", edge + 249, false), 1);
    EXPECT_EQ(vcd.value("array.clk", edge + 250, false), 0) << "low in the second half";
  }
  // The weights of the bottom row are on the wires before the first edge.
  const nets::IntegerLayer layer = product().network().layers[1];
  EXPECT_EQ(vcd.value("array.north_0", edges[0] - 1), layer.weight.data[1]);
  EXPECT_EQ(vcd.value("array.phase", edges[0] - 1, false), 0);
  EXPECT_EQ(vcd.value("array.phase", edges[kRows - 2], false), 0);
  EXPECT_EQ(vcd.value("array.phase", edges[kRows - 1], false), 1) << "the next edge streams";
  EXPECT_EQ(vcd.value("array.fold", edges[kEdges - 1] - 1), 0);
  EXPECT_EQ(vcd.value("array.fold", edges[kEdges] - 1), 1);
  EXPECT_EQ(vcd.value("array.layer", edges[0]), 1);
  EXPECT_EQ(vcd.value("array.phase", edges[2 * kEdges - 1], false), 3);
}

// Output stationary: in pass p, after stream edge s, the PE in row r and column c has added the products up to
// k = s - r - c of pixel 2 p + r. Three passes, each with 2 edges to drain.
TEST(Waveform, ShowsSumsThatStay) {
  Machine m = machine();
  m.array.dataflow = sim::Dataflow::OutputStationary;
  const tests::Chain net = product();
  const Vcd vcd = tests::read_vcd(record(m, net));
  const nets::IntegerLayer& layer = net.network().layers[1];
  const nets::IntTensor input = net.input(1);
  constexpr int kStream = kDepth + kRows + kColumns - 2;
  const auto edges = rising_edges(vcd);
  ASSERT_EQ(edges.size(), 3U * (kStream + kRows));
  int sums = 0;
  for (int p = 0; p < 3; ++p) {
    for (int s = 0; s < kStream; ++s) {
      for (int r = 0; r < kRows; ++r) {
        for (int c = 0; c < kColumns && c <= s - r; ++c) {
          std::int64_t sum = layer.bias[static_cast<std::size_t>(c)];
          for (int k = 0; k <= std::min(s - r - c, kDepth - 1); ++k) {
            sum += std::int64_t{input.data[static_cast<std::size_t>((2 * p + r) * kDepth + k)]} *
                   layer.weight.data[static_cast<std::size_t>(c * kDepth + k)];
          }
          const std::uint64_t time = edges[static_cast<std::size_t>(p * (kStream + kRows) + s)];
          ASSERT_EQ(vcd.value(pe(r, c, "sum"), time), sum) << "pass " << p << " edge " << s << " pe " << r << " " << c;
          ++sums;
        }
      }
    }
  }
  EXPECT_EQ(sums, 3 * 33);
  EXPECT_EQ(vcd.value("array.phase", edges[kStream - 1], false), 2);
}

// The same values at the same edges; the clock stands still where the array is frozen.
TEST(Waveform, OfAStalledRunHasTheSameEdgesAtOtherTimes) {
  const Vcd vcd = tests::read_vcd(record(machine(), product(), {}, 3));
  expect_the_product(vcd);
  const auto edges = rising_edges(vcd);
  std::set<std::uint64_t> periods;
  for (std::size_t i = 1; i < kEdges; ++i) periods.insert(edges[i] - edges[i - 1]);
  EXPECT_GT(periods.size(), 1U);
}

TEST(Waveform, FlagsOverflows) {
  const auto flagged = [](const Vcd& vcd) {
    int count = 0;
    for (const auto& [path, signal] : vcd.signals) {
      if (path.ends_with("sum_overflowed")) count += static_cast<int>(signal.changes.size()) - 1;
    }
    return count;
  };
  EXPECT_EQ(flagged(tests::read_vcd(record(machine(), product()))), 0);
  const Vcd narrow = tests::read_vcd(record(machine("int<12,SAT>"), product()));
  EXPECT_GT(flagged(narrow), 5);
  EXPECT_EQ(narrow.signals.at(pe(0, 0, "sum")).width, 12);
}

TEST(Waveform, IsLimitedByCyclesAndLayer) {
  const tests::Chain net = tests::Chain(4, 4, 3).conv(4, 3).conv(2, 1);
  const Vcd few = tests::read_vcd(record(machine(), net, {.cycles = 5, .layer = {}}));
  EXPECT_EQ(rising_edges(few).size(), 5U);
  const Vcd second = tests::read_vcd(record(machine(), net, {.cycles = 1000, .layer = 2}));
  EXPECT_EQ(rising_edges(second).size(), 2U * kEdges - 4) << "two folds of 4 pixels";
  for (const auto& [time, bits] : second.signals.at("array.layer").changes) {
    EXPECT_EQ(second.value("array.layer", time), time == 0 ? 0 : 2);
  }
}

// Whatever ran before in the process.
TEST(Waveform, HasTheSameBytesTwice) {
  const std::string once = record(machine(), product());
  Machine other;
  other.array = {.rows = 5, .columns = 1};
  (void)record(other, tests::Chain(4, 4, 3).conv(4, 3));
  EXPECT_TRUE(once == record(machine(), product()));
}

// GTKWave's converters, where they are installed: the file survives the way to FST and back.
TEST(Waveform, IsReadByGtkWave) {
  if (std::system("command -v vcd2fst >/dev/null && command -v fst2vcd >/dev/null") != 0) {
    GTEST_SKIP() << "vcd2fst and fst2vcd are not installed (package gtkwave)";
  }
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("guardbit-waveform-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string text = record(machine("int<12,SAT>"), product());
  std::ofstream(folder / "a.vcd") << text;
  const std::string in = "cd '" + folder.string() + "' && ";
  ASSERT_EQ(std::system((in + "vcd2fst a.vcd a.fst >log 2>&1 && fst2vcd a.fst >b.vcd 2>>log").c_str()), 0);
  std::ostringstream back;
  back << std::ifstream(folder / "b.vcd").rdbuf();
  const Vcd mine = tests::read_vcd(text), theirs = tests::read_vcd(back.str());
  ASSERT_EQ(mine.signals.size(), theirs.signals.size());
  for (const auto& [path, signal] : mine.signals) {
    for (const auto& [time, bits] : signal.changes) {
      ASSERT_EQ(theirs.value(path, time), mine.value(path, time)) << path << " at " << time;
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace guardbit::traces
