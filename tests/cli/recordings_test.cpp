// Engine pe, stalls, timelines and waveforms through the executable.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/guardbit.hpp"
#include "tests/cli/tiny_bundle.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::Outcome;
using tests::read_text;
using tests::source;
using tests::Workplace;

class Recordings : public testing::Test {
 protected:
  void SetUp() override { tests::make_tiny_bundle(place_); }

  std::vector<std::string> with(const std::string& command, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{command, place_ / "int8", place_ / "machine.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Outcome held(const std::string& command, const std::vector<std::string>& more) {
    Outcome outcome = place_.guardbit(with(command, more));
    EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
    return outcome;
  }
  void refused(const std::string& command, const std::vector<std::string>& more, const std::string& line) {
    const Outcome outcome = place_.guardbit(with(command, more));
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, "guardbit: " + line + "\n");
    EXPECT_EQ(outcome.out, "");
  }
  Workplace place_{"recordings"};
};

TEST_F(Recordings, EnginePeRunsSimulatesAndIsVerified) {
  held("run", {"engine=pe", "samples=2", "all_layers=true", "-o", place_ / "pe"});
  held("run", {"engine=reference", "samples=2", "all_layers=true", "-o", place_ / "reference"});
  for (const char* layer : {"conv1", "conv2", "logits"}) {
    const std::string file = std::string("/") + layer + ".npy";
    EXPECT_TRUE(read_text(place_ / ("pe" + file)) == read_text(place_ / ("reference" + file))) << layer;
  }
  held("verify", {"engines=[tile,array,pe]", "samples=2", "machine.numerics.accumulator.format=int<12,SAT>", "--json",
                  place_ / "verify.json"});
  const json result = place_.json("verify.json");
  EXPECT_EQ(result["held"], true);
  ASSERT_EQ(result["engines"].size(), 4U);
  EXPECT_EQ(result["engines"][3]["name"], "pe");
  EXPECT_GT(result["engines"][3]["compared_codes"], 2 * 784);
  const Outcome broken =
      place_.guardbit(with("verify", {"engines=[tile,pe]", "samples=1", "--inject", "pe:skip_step"}));
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.out.find("MISMATCH engine pe"), std::string::npos) << broken.out;
}

TEST_F(Recordings, StallsMoveCyclesAndNothingElse) {
  held("simulate", {"samples=10", "--json", place_ / "free.json"});
  for (const std::string engine : {"tile", "array", "pe"}) {
    held("simulate", {"samples=10", "engine=" + engine, "--stall-seed", "5", "--json", place_ / (engine + ".json")});
  }
  held("simulate", {"samples=10", "stall_seed=5", "threads=1", "--json", place_ / "one.json"});
  EXPECT_TRUE(read_text(place_ / "one.json") == read_text(place_ / "tile.json")) << "workers do not matter";
  json free = place_.json("free.json"), tile = place_.json("tile.json");
  EXPECT_EQ(free["stall_seed"], nullptr);
  EXPECT_EQ(tile["stall_seed"], 5);
  EXPECT_EQ(free["totals"]["cost"]["injected_stall_cycles"], 0);
  EXPECT_GT(tile["totals"]["cost"]["injected_stall_cycles"], 1000);
  for (const char* engine : {"array", "pe"}) {
    json other = place_.json(std::string(engine) + ".json");
    other["engine"] = "tile";
    EXPECT_EQ(other, tile);
  }
  const auto erase_cycles = [](json& row) {
    row.erase("cycles");
    row.erase("utilization");
    row.erase("roofline");  // MACs per cycle
    if (!row["cost"].is_null()) {
      row["cost"]["cycles"] =
          row["cost"]["cycles"].get<std::uint64_t>() - row["cost"]["injected_stall_cycles"].get<std::uint64_t>();
      row["cost"].erase("injected_stall_cycles");
    }
  };
  for (json* report : {&free, &tile}) {
    report->erase("stall_seed");
    erase_cycles((*report)["totals"]);
    for (json& layer : (*report)["layers"]) erase_cycles(layer);
  }
  EXPECT_EQ(free, tile);
  held("verify", {"engines=[tile,array,pe]", "samples=2", "stall_seed=3"});
}

TEST_F(Recordings, ATimelineAndAWaveformChangeNoNumber) {
  held("simulate", {"samples=9", "engine=pe", "--json", place_ / "plain.json"});
  const std::vector<std::string> recorded{"samples=9", "engine=pe", "layer=conv2", "waveform_cycles=50",
                                          "--waveform", place_ / "w.vcd", "--timeline", place_ / "t.json"};
  std::vector<std::string> once = recorded, twice = recorded;
  once.insert(once.end(), {"--json", place_ / "recorded.json"});
  const Outcome outcome = held("simulate", once);
  EXPECT_NE(outcome.out.find("w.vcd, 50 clock edges of the array"), std::string::npos) << outcome.out;
  EXPECT_TRUE(read_text(place_ / "plain.json") == read_text(place_ / "recorded.json"));
  const std::string vcd = read_text(place_ / "w.vcd"), timeline = read_text(place_ / "t.json");
  held("simulate", twice);
  EXPECT_TRUE(vcd == read_text(place_ / "w.vcd"));
  EXPECT_TRUE(timeline == read_text(place_ / "t.json"));
  EXPECT_NE(vcd.find("$scope module pe_5_3 $end"), std::string::npos);
  EXPECT_EQ(vcd.find("$scope module pe_6_0 $end"), std::string::npos);

  const json document = json::parse(timeline);
  std::uint64_t busy = 0, images = 0;
  for (const json& event : document["traceEvents"]) {
    if (event["ph"] != "X") continue;
    if (event["cat"] == "array") busy += event["args"]["cycles"].get<std::uint64_t>();
    images = std::max(images, event["args"]["image"].get<std::uint64_t>() + 1);
  }
  EXPECT_EQ(images, 9U) << "two batches";
  EXPECT_EQ(busy, place_.json("plain.json")["totals"]["cost"]["array_busy_cycles"].get<std::uint64_t>());
}

TEST_F(Recordings, BadRequestsAreOneLineEach) {
  const std::string large =
      "machine.array: found 128x4, allowed at most 16x16 with engine pe; engine array has no such limit";
  refused("simulate", {"engine=pe", "machine.array.rows=128"}, large);
  refused("verify", {"engines=[pe]", "machine.array.rows=128"}, large);
  refused("run", {"engine=pe", "machine.array.rows=128", "-o", place_ / "x"}, large);
  refused("simulate", {"waveform=" + (place_ / "w.vcd")},
          "waveform: found engine tile, allowed engine=pe, the one that has wires");
  refused("simulate", {"engine=pe", "waveform=" + (place_ / "w.vcd"), "layer=conv3"},
          "layer: found conv3, did you mean conv1?, allowed conv1, conv2, logits");
  EXPECT_EQ(place_.guardbit(with("simulate", {"stall_seed=-1"})).code, 2);
  EXPECT_EQ(place_.guardbit(with("simulate", {"waveform_cycles=0"})).code, 2);
  EXPECT_FALSE(std::filesystem::exists(place_ / "w.vcd"));
}

}  // namespace
}  // namespace guardbit
