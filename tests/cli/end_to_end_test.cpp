// The main job on a tiny scale, through the executable: train, quantize, verify, break, simulate, trace, check.
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
using tests::write_text;

class EndToEnd : public testing::Test {
 protected:
  // A trained and quantized network, and a machine that does not divide its layers evenly.
  void SetUp() override {
    tests::make_tiny_bundle(place_);
  }

  Outcome held(const std::vector<std::string>& arguments) {
    Outcome outcome = place_.guardbit(arguments);
    EXPECT_EQ(outcome.code, 0) << arguments[0] << ": " << outcome.err << outcome.out;
    EXPECT_EQ(outcome.out.find("SystemC"), std::string::npos) << "the banner of SystemC";
    return outcome;
  }

  std::vector<std::string> verify(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"verify", place_ / "int8", place_ / "machine.yaml", "samples=12"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  Workplace place_{"end"};
};

const json& layer(const json& result, const std::string& name) {
  for (const json& row : result["layers"]) {
    if (row["name"] == name) return row;
  }
  ADD_FAILURE() << "no layer " << name;
  return result["layers"][0];
}

TEST_F(EndToEnd, TrainingEvaluationAndInfoOfARunFolder) {
  EXPECT_EQ(place_.json("train.json")["epochs"], 1);
  held({"eval", place_ / "run", "--json", place_ / "eval.json"});
  EXPECT_EQ(place_.json("eval.json")["top1"], place_.json("train.json")["test"]["top1"]);
  held({"info", place_ / "run", "--json", place_ / "info.json"});
  EXPECT_EQ(place_.json("info.json")["totals"]["macs"], 14 * 14 * 4 * 25 + 5 * 5 * 6 * 36 + 150 * 10);
}

TEST_F(EndToEnd, AFolderDoesNotRememberWhatBelongedToOneCall) {
  const std::string config = place_ / "run/config.yaml";
  write_text(config, read_text(config) + "output: " + (place_ / "run") + "\nsamples: 7\n");
  const Outcome nowhere = place_.guardbit({"quantize", place_ / "run"});
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_NE(nowhere.err.find("output: found nothing"), std::string::npos) << nowhere.err;
  held({"eval", place_ / "run", "--json", place_ / "eval.json"});
  EXPECT_EQ(place_.json("eval.json")["dataset"]["count"], 60) << "all test images";
}

TEST_F(EndToEnd, EvaluationAndInfoOfABundle) {
  held({"eval", place_ / "int8", "--json", place_ / "fast.json"});
  held({"eval", place_ / "int8", place_ / "machine.yaml", "engine=reference", "--json", place_ / "reference.json"});
  EXPECT_EQ(place_.json("fast.json")["top1"], place_.json("reference.json")["top1"]);
  held({"info", place_ / "int8", "--json", place_ / "info.json"});
  const json info = place_.json("info.json");
  EXPECT_EQ(info["totals"]["macs"], 14 * 14 * 4 * 25 + 5 * 5 * 6 * 36 + 150 * 10);
  EXPECT_GE(layer(info, "conv1")["accumulator_bits"]["proven"], 8);
  held({"config", "check", place_ / "int8", place_ / "machine.yaml"});
}

TEST_F(EndToEnd, AllEnginesAgreeAtEveryAccumulator) {
  for (const std::string format : {"int<32,WRAP>", "int<12,SAT>", "int<10,WRAP>"}) {
    const std::string set = "machine.numerics.accumulator.format=" + format;
    const Outcome outcome = held(verify({set, "--json", place_ / "verify.json"}));
    const json result = place_.json("verify.json");
    EXPECT_EQ(result["held"], true);
    EXPECT_EQ(result["samples"], 12);
    EXPECT_EQ(result["agreement"]["mismatching_codes"], 0);
    EXPECT_EQ(result["agreement"]["evidence_mismatches"], 0);
    EXPECT_EQ(result["agreement"]["mac_mismatches"], 0);
    EXPECT_EQ(result["agreement"]["first"], nullptr);
    EXPECT_GE(result["agreement"]["compared_codes"], 3 * 12 * (784 + 784 + 196 + 150 + 10));
    EXPECT_EQ(result["engines"].size(), 4U);
    EXPECT_EQ(layer(result, "conv1")["macs"], 14 * 14 * 4 * 25);
    EXPECT_GT(layer(result, "conv1")["cycles"], 0);
    EXPECT_EQ(layer(result, "conv1")["accumulator_bits"]["configured"],
        format == "int<32,WRAP>" ? 32 : format == "int<12,SAT>" ? 12 : 10);
    const std::uint64_t overflows = layer(result, "conv2")["overflow"]["accumulator"]["count"];
    EXPECT_EQ(overflows > 0, format != "int<32,WRAP>") << format;
    EXPECT_NE(outcome.out.find("held"), std::string::npos);
  }
}

TEST_F(EndToEnd, EveryEngineBrokenOnPurposeIsCaughtAndLocated) {
  for (const std::string engine : {"fast", "tile", "array", "reference"}) {
    for (const std::string fault : {"rounding", "skip_step"}) {
      const Outcome outcome = place_.guardbit(
          verify({"--inject", engine + ":" + fault + ":conv2", "--json", place_ / "broken.json"}));
      EXPECT_EQ(outcome.code, 1) << engine << " " << fault << outcome.err;
      EXPECT_NE(outcome.out.find("MISMATCH engine "), std::string::npos) << outcome.out;
      EXPECT_NE(outcome.out.find("layer conv2 [n "), std::string::npos) << outcome.out;
      const json result = place_.json("broken.json");
      EXPECT_EQ(result["held"], false);
      EXPECT_GT(result["agreement"]["mismatching_codes"], 0);
      EXPECT_EQ(result["agreement"]["first"]["layer"], "conv2");
      EXPECT_EQ(result["agreement"]["first"]["coordinate"].size(), 4U);
      EXPECT_EQ(layer(result, "conv1")["mismatches"], 0) << "the layer before the fault is intact";
      EXPECT_GT(layer(result, "conv2")["mismatches"], 0);
      const std::string named = result["agreement"]["first"]["engine"];
      EXPECT_EQ(named, engine == "reference" ? "fast" : engine) << "all others differ from a broken reference";
    }
  }
  // Images keep their index in the whole split, also beyond the first batch.
  EXPECT_EQ(place_.guardbit(verify({"--inject", "fast:skip_step:conv2", "first=31", "--json",
      place_ / "b.json"})).code, 1);
  EXPECT_GE(place_.json("b.json")["agreement"]["first"]["coordinate"][0], 31);
  EXPECT_EQ(place_.guardbit(verify({"--inject", "fast:rounding:nothing"})).code, 2);
  EXPECT_EQ(place_.guardbit(verify({"--inject", "fast:gremlins"})).code, 2);
}

TEST_F(EndToEnd, AllEnginesAgreeOnEveryDataflow) {
  for (const std::string dataflow : {"output_stationary", "input_stationary"}) {
    const std::string array = "machine.array.dataflow=" + dataflow;
    held(verify({array, "machine.numerics.accumulator.format=int<16,SAT>", "--json", place_ / "verify.json"}));
    EXPECT_GT(layer(place_.json("verify.json"), "conv2")["overflow"]["accumulator"]["count"], 0);
    held({"trace", "write", place_ / "int8", place_ / "machine.yaml", array, "layer=conv2",
          "machine.numerics.accumulator.format=int<16,SAT>", "machine.numerics.accumulator.step=4", "-o",
          place_ / dataflow});
    held({"trace", "check", place_ / dataflow});
  }
  held(verify({"machine.mapping.loop_order=reduction_outer", "machine.scratchpads.accumulator=1KiB"}));
  // A scratchpad that cannot hold one tile: 5 x 5 taps of 4 channels and 6 outputs, twice.
  const Outcome tiny = place_.guardbit(verify({"machine.scratchpads.activation=10"}));
  EXPECT_EQ(tiny.code, 2);
  EXPECT_NE(tiny.err.find("the smallest tile needs"), std::string::npos) << tiny.err;
  EXPECT_EQ(tiny.err.find('\n'), tiny.err.size() - 1) << tiny.err;
}

TEST_F(EndToEnd, TheSameBytesWhateverTheNumberOfWorkers) {
  for (const std::string threads : {"1", "2", "3"}) {
    held(verify({"threads=" + threads, "samples=20", "machine.numerics.accumulator.format=int<12,SAT>", "--json",
                 place_ / ("verify" + threads + ".json")}));
    held({"simulate", place_ / "int8", place_ / "machine.yaml", "samples=20", "--threads", threads, "--json",
          place_ / ("simulate" + threads + ".json")});
  }
  for (const std::string what : {"verify", "simulate"}) {
    const std::string one = read_text(place_ / (what + "1.json"));
    EXPECT_FALSE(one.empty());
    EXPECT_EQ(read_text(place_ / (what + "2.json")), one);
    EXPECT_EQ(read_text(place_ / (what + "3.json")), one);
    EXPECT_EQ(one.find(place_ / ""), std::string::npos) << "a path in the result";
  }
}

TEST_F(EndToEnd, TileAndArraySimulateTheSame) {
  held({"simulate", place_ / "int8", place_ / "machine.yaml", "samples=3", "--json", place_ / "tile.json"});
  held({"simulate", place_ / "int8", place_ / "machine.yaml", "samples=3", "engine=array", "--json",
        place_ / "array.json"});
  json tile = place_.json("tile.json"), array = place_.json("array.json");
  EXPECT_EQ(tile["engine"], "tile");
  EXPECT_EQ(array["engine"], "array");
  tile.erase("engine");
  array.erase("engine");
  EXPECT_EQ(tile, array);
  EXPECT_EQ(tile["totals"]["macs"], 14 * 14 * 4 * 25 + 5 * 5 * 6 * 36 + 150 * 10);
}

TEST_F(EndToEnd, EnginesWriteTheSameCodes) {
  for (const std::string engine : {"reference", "fast", "tile", "array"}) {
    held({"run", place_ / "int8", place_ / "machine.yaml", "samples=3", "--engine", engine, "--all-layers", "-o",
          place_ / engine});
    for (const std::string name : {"input", "conv1", "conv2", "logits"}) {
      const std::string codes = read_text(place_ / (engine + "/" + name + ".npy"));
      EXPECT_GT(codes.size(), 128U) << name;
      EXPECT_EQ(codes, read_text(place_ / ("reference/" + name + ".npy"))) << engine << " " << name;
    }
  }
  // Its own input codes again, from a file.
  held({"run", place_ / "int8", "input=" + (place_ / "fast/input.npy"), "-o", place_ / "again"});
  EXPECT_EQ(read_text(place_ / "again/logits.npy"), read_text(place_ / "fast/logits.npy"));
  EXPECT_FALSE(std::filesystem::exists(place_ / "again/conv1.npy")) << "only the output without --all-layers";
}

TEST_F(EndToEnd, ATraceChecksItselfAndADeviceAgainstIt) {
  held({"trace", "write", place_ / "int8", place_ / "machine.yaml", "layer=conv2",
        "machine.numerics.accumulator.format=int<12,SAT>", "-o", place_ / "trace"});
  held({"trace", "check", place_ / "trace"});
  const std::string expected = place_ / "trace/expect/out.hex";
  held({"trace", "check", place_ / "trace", expected});
  held({"trace", "check", place_ / "trace", place_ / "trace/expect/acc.hex", "stream=accumulator"});

  std::string dump = read_text(expected);
  char& digit = dump[dump.size() - 2];  // of the last element, [0, 4, 4, 5]
  digit = digit == '0' ? '1' : '0';
  write_text(place_ / "dump.hex", dump);
  const Outcome broken = place_.guardbit({"trace", "check", place_ / "trace", place_ / "dump.hex"});
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.out.find("MISMATCH layer=conv2 stream=output word=149 lane=0 n=0 p=4 q=4 k=5 expected=8'h"),
            std::string::npos)
      << broken.out;

  EXPECT_EQ(place_.guardbit({"trace", "write", place_ / "int8", place_ / "machine.yaml", "layer=conv3", "-o",
                             place_ / "trace"}).code, 2);
  EXPECT_EQ(place_.guardbit({"trace", "write", place_ / "int8", place_ / "machine.yaml", "layer=conv2", "-o",
                             place_ / "run"}).code, 2)
      << "a run folder is not a trace package";
  EXPECT_TRUE(std::filesystem::exists(place_ / "run/weights.safetensors"));
  write_text(place_ / "trace/stim/wgt.hex", "00\n");
  EXPECT_EQ(place_.guardbit({"trace", "check", place_ / "trace", expected}).code, 2) << "a damaged package";
}

TEST_F(EndToEnd, WithoutAMachineReferenceAndFastAreCompared) {
  held({"verify", place_ / "int8", "samples=5", "--json", place_ / "verify.json"});
  const json result = place_.json("verify.json");
  EXPECT_EQ(result["engines"].size(), 2U);
  EXPECT_EQ(layer(result, "conv1")["cycles"], nullptr);
  EXPECT_EQ(place_.guardbit({"verify", place_ / "int8", "engines=tile"}).code, 2);
}

TEST_F(EndToEnd, ADamagedBundleIsBadInput) {
  const std::string weights = place_ / "int8/weights.safetensors";
  const std::string bytes = read_text(weights);
  write_text(weights, bytes.substr(0, bytes.size() / 2));
  const Outcome outcome = place_.guardbit({"verify", place_ / "int8", "samples=1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("weights.safetensors"), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

}  // namespace
}  // namespace guardbit
