// guardbit import: from SCALE-Sim's files to a simulation, as a user types it.
#include <gtest/gtest.h>

#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::Outcome;
using tests::source;
using tests::Workplace;
using tests::write_text;

// AlexNet's last three convolutions, and a depthwise one.
constexpr const char* kTopology =
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
    "Conv3, 13, 13, 3, 3, 32, 48, 1,\nConv4, 13, 13, 3, 3, 48, 48, 2,\nConv5_DP, 9, 9, 3, 3, 16, 1, 1,\n";
constexpr const char* kConfig =
    "[general]\nrun_name = example\n[architecture_presets]\nArrayHeight: 8\nArrayWidth: 12\nIfmapSramSzkB: 64\n"
    "FilterSramSzkB: 32\nOfmapSramSzkB: 16\nIfmapOffset: 0\nBandwidth : 10\nDataflow : ws\n[run_presets]\n"
    "InterfaceBandwidth: USER\n";

class Import : public testing::Test {
 protected:
  Import() {
    write_text(place_ / "net.csv", kTopology);
    write_text(place_ / "s.cfg", kConfig);
  }
  void done(const std::vector<std::string>& arguments) {
    const Outcome outcome = place_.guardbit(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
  }
  void refused(const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome outcome = place_.guardbit(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << "one line: " << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << "no '" << part << "' in " << outcome.err;
  }
  Workplace place_{"import"};
};

TEST_F(Import, ATopologyAndItsConfigurationAreSimulated) {
  done({"import", place_ / "net.csv", "-o", place_ / "net", "config=" + (place_ / "s.cfg"), "--json", place_ / "i.json"});
  EXPECT_EQ(place_.json("i.json")["not_taken"], json({"architecture_presets.IfmapOffset"}));
  for (const char* engine : {"tile", "array"}) {
    done({"simulate", place_ / "net", "--engine", engine, "samples=2", "--json", place_ / (std::string(engine) + ".json")});
  }
  json tile = place_.json("tile.json"), array = place_.json("array.json");
  EXPECT_EQ(tile["machine"], "8x12 weight_stationary, accumulator int<32,WRAP> step 1");
  EXPECT_EQ(tile["dataset"], (json{{"name", "random"}, {"seed", 1}, {"first", 0}}));
  EXPECT_EQ(tile["network"], "net");
  ASSERT_EQ(tile["layers"].size(), 3U);
  // 11 x 11 outputs; ceil((13 - 3 + 2) / 2) = 6 x 6; 7 x 7 for each of 16 channels.
  const std::int64_t macs[] = {121 * 288 * 48, 36 * 432 * 48, 49 * 9 * 16};
  // Folds x (2 * rows + columns + T - 2): 36 k folds x 4 n folds, 54 x 4, and two k folds for each of 16 groups.
  const std::int64_t scale_sim[] = {36 * 4 * (28 + 121 - 2), 54 * 4 * (28 + 36 - 2), 2 * 16 * (28 + 49 - 2)};
  std::int64_t total = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(tile["layers"][i]["macs"], macs[i]);
    EXPECT_EQ(tile["layers"][i]["ideal_cycles"]["scale_sim"], scale_sim[i]);
    total += macs[i];
  }
  EXPECT_EQ(tile["totals"]["macs"], total);
  EXPECT_EQ(tile["totals"]["cost"]["useful_macs"], 2 * total);
  tile.erase("engine");
  array.erase("engine");
  EXPECT_EQ(tile, array);
}

TEST_F(Import, ResultsDependOnTheSeedOnly) {
  done({"import", place_ / "net.csv", "-o", place_ / "net"});
  const auto simulated = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"simulate", place_ / "net", source("sim/configs/mcu8.yaml"), "samples=2",
                                       "machine.numerics.accumulator.format=int<16,SAT>", "--json", place_ / "s.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(place_.guardbit(arguments).code, 0);
    return tests::read_text(place_ / "s.json");
  };
  const std::string one = simulated({"--threads", "1"});
  EXPECT_EQ(one, simulated({"--threads", "3"}));
  EXPECT_NE(one, simulated({"--seed", "2"}));
  EXPECT_GT(json::parse(one)["totals"]["overflow"]["accumulator"]["count"], 0);
}

TEST_F(Import, OneLayerBecomesABundleThatIsVerified) {
  done({"import", place_ / "net.csv", "-o", place_ / "conv4", "layer=Conv4"});
  done({"verify", place_ / "conv4", source("sim/configs/edge16.yaml"), "samples=2", "--json", place_ / "v.json"});
  const json verified = place_.json("v.json");
  EXPECT_EQ(verified["held"], true);
  EXPECT_EQ(verified["layers"][1]["macs"], 36 * 432 * 48);
  EXPECT_EQ(verified["engines"].size(), 4U);
}

TEST_F(Import, BadInputIsOneLine) {
  refused({"import"}, "found no file, allowed TOPOLOGY.csv");
  refused({"import", place_ / "net.csv"}, "output: found nothing");
  refused({"import", place_ / "net.onnx", "-o", place_ / "x"}, "found the extension '.onnx', allowed .csv");
  refused({"import", place_ / "none.csv", "-o", place_ / "x"}, "none.csv");
  refused({"import", place_ / "net.csv", "-o", place_ / "x", "layer=Conv6"}, "did you mean Conv3?");
  refused({"import", place_ / "net.csv", "-o", place_ / "x", "config=" + (place_ / "net.csv")}, "net.csv:1: found");
  refused({"simulate", place_ / "net"}, "no such file or folder");
  done({"import", place_ / "net.csv", "-o", place_ / "net"});
  refused({"simulate", place_ / "net"}, "machine: found nothing");
  refused({"simulate", place_ / "net", source("sim/configs/edge16.yaml"), "machine.scratchpads.activation=64B"},
          "layer Conv3: the smallest tile needs");
  refused({"verify", place_ / "net", source("sim/configs/edge16.yaml")}, "found no bundle");
}

}  // namespace
}  // namespace guardbit
