// The timeline against what the simulator counted: no unit does two things at once, busy cycles and bytes add up, and
// nothing starts before what it waits for has ended.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <tuple>

#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "traces/timeline.hpp"

namespace guardbit::traces {
namespace {

using nlohmann::json;
using sim::Machine;

tests::Chain chain() { return tests::Chain(7, 6, 5).conv(9, 3, 1, 1).max_pool(2, 2).conv(6, 2, 1, 0, 3).add(3); }

Machine small_machine() {
  Machine machine;
  machine.array = {.rows = 4, .columns = 4};
  machine.clock_ns = 2.5;
  machine.dram = {.bytes_per_cycle = 8, .latency_cycles = 5};
  machine.scratchpads.activation_bytes = 400;
  machine.scratchpads.accumulator_bytes = 300;
  return machine;
}

struct Recorded {
  std::string text;
  nets::RunResult result;
};

Recorded record(const std::string& engine, std::optional<std::uint64_t> stall_seed = {}) {
  const tests::Chain net = chain();
  const Machine machine = small_machine();
  Timeline timeline(net.network(), machine);
  const auto make = engine == "tile"    ? sim::make_tile_engine
                    : engine == "array" ? sim::make_array_engine
                                        : sim::make_pe_engine;
  Recorded run;
  run.result = make(machine, &timeline, stall_seed)
                   ->run(net.network(), sim::accumulations(machine, net.network()), net.input(2), {});
  run.text = timeline.json();
  return run;
}

struct Event {
  std::string name;
  std::uint64_t begin = 0, end = 0;
  std::int64_t bytes = 0;
};

// Events by track; checks what holds for each alone.
std::map<std::string, std::vector<Event>> tracks_of(const std::string& text) {
  std::map<int, std::string> names;
  std::map<std::string, std::vector<Event>> tracks;
  std::map<std::tuple<int, int, int>, Event> commands;  // image, layer, command
  std::vector<std::pair<std::tuple<int, int, int>, std::tuple<int, int, int>>> dependencies;
  std::pair<std::uint64_t, int> place;  // cycle, track: what the events are sorted by
  const json document = json::parse(text);
  for (const json& event : document["traceEvents"]) {
    if (event["ph"] == "M") {
      if (event["name"] == "thread_name") names[event["tid"]] = event["args"]["name"];
      continue;
    }
    EXPECT_EQ(event["ph"], "X");
    const json& args = event["args"];
    Event one{event["name"], args["cycle"], args["cycle"].get<std::uint64_t>() + args["cycles"].get<std::uint64_t>(),
              args.value("bytes", std::int64_t{0})};
    EXPECT_DOUBLE_EQ(event["ts"].get<double>(), static_cast<double>(one.begin) * 2.5 / 1000);
    EXPECT_DOUBLE_EQ(event["dur"].get<double>(), static_cast<double>(one.end - one.begin) * 2.5 / 1000);
    EXPECT_EQ(event["cat"], names.at(event["tid"]));
    const std::pair<std::uint64_t, int> next{one.begin, event["tid"]};
    EXPECT_LT(place, next) << one.name;
    place = next;
    const std::tuple<int, int, int> key{args["image"], args["layer"], args["command"]};
    for (const int before : args["after"]) {
      dependencies.push_back({{args["image"], args["layer"], before}, key});
    }
    EXPECT_TRUE(commands.emplace(key, one).second) << one.name << " twice";
    std::vector<Event>& track = tracks[names.at(event["tid"])];
    EXPECT_LE(track.empty() ? 0 : track.back().end, one.begin) << one.name;
    track.push_back(one);
  }
  EXPECT_GT(dependencies.size(), 50U);
  for (const auto& [before, after] : dependencies) {
    EXPECT_LE(commands.at(before).end, commands.at(after).begin) << commands.at(after).name;
  }
  return tracks;
}

std::uint64_t busy(const std::vector<Event>& track) {
  std::uint64_t sum = 0;
  for (const Event& event : track) sum += event.end - event.begin;
  return sum;
}

TEST(Timeline, AddsUpToTheCosts) {
  const Recorded run = record("tile");
  nets::LayerCost total;
  for (const nets::LayerResult& layer : run.result.layers) total.merge(*layer.cost);
  auto tracks = tracks_of(run.text);
  ASSERT_EQ(tracks.size(), 4U);
  EXPECT_EQ(busy(tracks["array"]), total.array_busy_cycles);
  EXPECT_EQ(busy(tracks["vector"]), total.vector_busy_cycles);
  const auto transfers = [](const std::vector<Event>& track, std::uint64_t& cycles) {
    std::uint64_t bytes = 0;
    for (const Event& event : track) {
      bytes += static_cast<std::uint64_t>(event.bytes);
      cycles += static_cast<std::uint64_t>(5 + (event.bytes + 7) / 8);
    }
    return bytes;
  };
  std::uint64_t read_cycles = 0, write_cycles = 0;
  EXPECT_EQ(transfers(tracks["dma_read"], read_cycles), total.dram_read_bytes);
  EXPECT_EQ(transfers(tracks["dma_write"], write_cycles), total.dram_write_bytes);
  EXPECT_EQ(busy(tracks["dma_read"]), read_cycles);
  EXPECT_EQ(busy(tracks["dma_write"]), write_cycles);
  std::uint64_t last = 0;
  for (const auto& [name, track] : tracks) last = std::max(last, track.back().end);
  EXPECT_EQ(last, total.cycles);
}

TEST(Timeline, NamesLayerTileAndFold) {
  const Recorded run = record("tile");
  auto tracks = tracks_of(run.text);
  const std::regex fold("(conv1|conv3) tile [0-9]+ fold [0-9]+");
  std::set<std::string> names;
  for (const Event& event : tracks["array"]) {
    EXPECT_TRUE(std::regex_match(event.name, fold)) << event.name;
    names.insert(event.name);
  }
  EXPECT_EQ(names.size() * 2, tracks["array"].size()) << "two images";
  // conv1: depth 45 on 4 rows.
  EXPECT_TRUE(names.contains("conv1 tile 0 fold 0"));
  EXPECT_TRUE(names.contains("conv1 tile 1 fold 11"));
  EXPECT_FALSE(names.contains("conv1 tile 0 fold 12"));
  EXPECT_EQ(tracks["dma_read"].front().name, "conv1 tile 0 fold 0 load input");
  EXPECT_EQ(tracks["dma_read"].at(1).name, "conv1 tile 0 fold 0 load weights");
  EXPECT_EQ(tracks["dma_write"].front().name, "conv1 tile 0 store");
  EXPECT_EQ(tracks["vector"].front().name, "conv1 tile 0 requantize");
  EXPECT_EQ(tracks["vector"].back().name, "add4 tile 0");
}

TEST(Timeline, HasTheSameBytesWithEveryEngine) {
  const std::string tile = record("tile").text;
  EXPECT_TRUE(tile == record("array").text);
  EXPECT_TRUE(tile == record("pe").text);
  EXPECT_TRUE(tile == record("tile").text);
}

TEST(Timeline, ShowsInjectedStalls) {
  const Recorded run = record("pe", 4);
  EXPECT_TRUE(run.text == record("tile", 4).text);
  nets::LayerCost total;
  for (const nets::LayerResult& layer : run.result.layers) total.merge(*layer.cost);
  auto tracks = tracks_of(run.text);
  EXPECT_GT(busy(tracks["array"]), total.array_busy_cycles);
  EXPECT_GT(busy(tracks["vector"]), total.vector_busy_cycles);
}

// One engine, several runs: time goes on.
TEST(Timeline, ContinuesOverTheRunsOfAnEngine) {
  const tests::Chain net = chain();
  const Machine machine = small_machine();
  const auto numbers = sim::accumulations(machine, net.network());
  Timeline timeline(net.network(), machine);
  const auto engine = sim::make_tile_engine(machine, &timeline);
  const nets::IntTensor both = net.input(2);
  for (const std::int64_t image : {0, 1}) {
    nets::IntTensor one({1, 7, 6, 5});
    std::copy_n(both.data.begin() + image * 210, 210, one.data.begin());
    nets::RunOptions options;
    options.first_image = image;
    (void)engine->run(net.network(), numbers, one, options);
    // Another engine's time in between does not count.
    (void)sim::make_tile_engine(machine)->run(net.network(), numbers, one, options);
  }
  EXPECT_TRUE(timeline.json() == record("tile").text);
}

}  // namespace
}  // namespace guardbit::traces
