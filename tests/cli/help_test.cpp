// What the program says about itself, and `info` against the published table of CifarNet.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::Outcome;
using tests::source;
using tests::Workplace;

const std::vector<std::vector<std::string>> kCommands{
    {"info"}, {"train"}, {"eval"}, {"update"}, {"export-values"}, {"import"}, {"quantize"}, {"run"}, {"simulate"}, {"verify"}, {"trace", "write"},
    {"compute", "gemm"}, {"compute", "conv2d"}, {"compute", "depthwise"}, {"compute", "pool"}, {"compute", "add"},
    {"compute", "multiply"}, {"compute", "requantize"},
    {"trace", "check"}, {"config", "print-default"}, {"config", "schema"}, {"config", "check"}};

TEST(Help, EveryCommandDescribesItself) {
  const Workplace place("help");
  const Outcome overview = place.guardbit({"--help"});
  EXPECT_EQ(overview.code, 0);
  for (std::vector<std::string> command : kCommands) {
    const std::string name = command.size() == 1 ? command[0] : command[0] + " " + command[1];
    EXPECT_NE(overview.out.find("  " + name + " "), std::string::npos) << name;
    command.push_back("--help");
    const Outcome help = place.guardbit(command);
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_EQ(help.err, "") << name;
    EXPECT_EQ(help.out.find("usage: guardbit " + name), 0U) << help.out;
    EXPECT_NE(help.out.find("--json"), std::string::npos) << name;
  }
}

TEST(Help, NestedKeysAreListedWithTheirCommand) {
  const Workplace place("nested");
  const std::string help = place.guardbit({"simulate", "--help"}).out;
  for (const char* key : {"machine.array.rows", "machine.numerics.accumulator.format", "dataset.path", "--samples"}) {
    EXPECT_NE(help.find(key), std::string::npos) << key;
  }
  EXPECT_EQ(help.find("trainer.epochs"), std::string::npos) << "not a key of simulate";
}

TEST(Config, TheDefaultsAreAcceptedByTheCheck) {
  const Workplace place("config");
  const Outcome printed = place.guardbit({"config", "print-default"});
  ASSERT_EQ(printed.code, 0) << printed.err;
  tests::write_text(place / "default.yaml", printed.out);
  const Outcome checked = place.guardbit({"config", "check", place / "default.yaml", "dataset.name=glyphs",
                                         "trainer.epochs=1"});
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_NE(checked.out.find("dataset glyphs, trainer, machine 16x16 weight_stationary"), std::string::npos)
      << checked.out;
}

TEST(Config, TheSchemaListsEveryKeyOnceWithItsCommands) {
  const Workplace place("schema");
  ASSERT_EQ(place.guardbit({"config", "schema", "--json", place / "schema.json"}).code, 0);
  std::map<std::string, json> keys;
  const json schema = place.json("schema.json");
  for (const json& key : schema["keys"]) {
    EXPECT_TRUE(keys.emplace(key["key"], key).second) << key["key"] << " twice";
    EXPECT_FALSE(key["meaning"].get<std::string>().empty()) << key["key"];
    EXPECT_FALSE(key["commands"].empty()) << key["key"] << " is read by no command";
  }
  EXPECT_EQ(keys.at("machine.array.rows")["default"], "16");
  EXPECT_EQ(keys.at("calibration.images")["commands"], json({"quantize", "config check"}));
}

// An unknown key makes the program list those that it would have read: each must stand in the schema.
TEST(Config, TheSchemaHasEveryKeyThatIsRead) {
  const Workplace place("read");
  ASSERT_EQ(place.guardbit({"config", "schema", "--json", place / "schema.json"}).code, 0);
  const json schema = place.json("schema.json");
  std::set<std::string> keys;
  for (const json& key : schema["keys"]) keys.insert(key["key"].get<std::string>());
  const auto check = [&](const std::string& section, const std::vector<std::string>& extra) {
    std::vector<std::string> call{"train", source("trainer/recipes/lenet5_glyphs.yaml"), "-o", place / "never"};
    call.insert(call.end(), extra.begin(), extra.end());
    call.push_back(section + ".no_such_key=1");
    const Outcome outcome = place.guardbit(call);
    EXPECT_EQ(outcome.code, 2) << section;
    const std::size_t list = outcome.err.find("no_such_key: unknown key");
    const std::size_t begin = outcome.err.find("allowed: ", list);
    ASSERT_TRUE(list != std::string::npos && begin != std::string::npos) << section << ": " << outcome.err;
    std::istringstream names(outcome.err.substr(begin + 9));
    int read = 0;
    for (std::string name; names >> name; ++read) {
      if (name.back() == ',') name.pop_back();
      const std::string key = section + "." + name;
      const bool listed = keys.count(key) == 1 || std::any_of(keys.begin(), keys.end(), [&](const std::string& other) {
        return other.starts_with(key + ".");
      });
      EXPECT_TRUE(listed) << key << " is read, and stands in no help";
    }
    EXPECT_GE(read, 1) << section;
  };
  check("trainer", {"trainer.custom_lr_list=[a]", "trainer.custom_lr=1", "trainer.custom_decay_list=[a]",
                    "trainer.custom_decay=0.1"});
  for (const char* type : {"sgd", "adam", "rmsprop"})
    check("trainer.optimizer", {"trainer.optimizer=null", std::string("trainer.optimizer.type=") + type});
  for (const char* policy : {"constant", "step, epochs: 1", "multi_step, milestones: [1]", "exponential", "polynomial", "cosine",
                             "one_cycle", "sgdr, epochs: 1", "sgdr_step, milestones: [1]"})
    check("trainer.learning_rate", {"trainer.learning_rate=null",
                                    std::string("trainer.learning_rate={rate: 0.1, policy: ") + policy + "}"});
  check("trainer.augment", {"trainer.augment.flip=true"});
  check("save", {"save.keep=1"});
  check("dataset", {});
  check("dataset", {"dataset.name=random", "dataset.shape=[28, 28, 1]"});
  check("dataset.preprocess", {});
  const std::vector<std::string> rules{"quantizer.weights={type: affine}", "quantizer.activation={type: affine}"};
  check("quantizer", rules);
  check("quantizer.update", {rules[0], rules[1], "quantizer.update.interval=1"});
  check("quantizer.input", {rules[0], rules[1], "quantizer.input.width=8"});
}

TEST(Help, TheVersionIsOneLine) {
  const Workplace place("version");
  const Outcome outcome = place.guardbit({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "guardbit " GUARDBIT_VERSION "\n");
}

TEST(Help, TheSystemCBannerIsNeverPrinted) {
  const Workplace place("banner");
  const Outcome outcome = place.guardbit({"info", source("nets/zoo/cifarnet.yaml")});
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.find("Accellera"), std::string::npos);
}

// SPEC 10.1, from Mayo's info.yaml: MACs, weights, bit operations and memory at 16 bits.
TEST(Info, CifarNetIsThePublishedTable) {
  const Workplace place("info");
  const Outcome outcome =
      place.guardbit({"info", source("nets/zoo/cifarnet.yaml"), "info.width=16", "--json", place / "info.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("174,301,824"), std::string::npos) << outcome.out;
  const json info = place.json("info.json");
  struct Row {
    const char* name;
    std::int64_t macs, weights, bitops, memory;
    json shape;
  };
  const std::vector<Row> rows{
      {"conv0", 1555200, 1728, 24883200, 27648, {30, 30, 64}},
      {"conv1", 33177600, 36864, 530841600, 589824, {30, 30, 64}},
      {"conv2", 16588800, 73728, 265420800, 1179648, {15, 15, 128}},
      {"conv3", 33177600, 147456, 530841600, 2359296, {15, 15, 128}},
      {"conv4", 33177600, 147456, 530841600, 2359296, {15, 15, 128}},
      {"conv5", 14155776, 221184, 226492416, 3538944, {8, 8, 192}},
      {"conv6", 21233664, 331776, 339738624, 5308416, {8, 8, 192}},
      {"conv7", 21233664, 331776, 339738624, 5308416, {8, 8, 192}},
      {"logits", 1920, 1920, 30720, 30720, {1, 1, 10}}};
  std::size_t found = 0;
  for (const json& layer : info["layers"]) {
    for (const Row& row : rows) {
      if (layer["name"] != row.name) continue;
      ++found;
      EXPECT_EQ(layer["macs"], row.macs) << row.name;
      EXPECT_EQ(layer["weights"], row.weights) << row.name;
      EXPECT_EQ(layer["bitops_mayo"], row.bitops) << row.name;
      EXPECT_EQ(layer["memory_mayo"], row.memory) << row.name;
      EXPECT_EQ(layer["shape"], row.shape) << row.name;
    }
  }
  EXPECT_EQ(found, rows.size());
  EXPECT_EQ(info["totals"]["macs"], 174301824);
  EXPECT_EQ(info["totals"]["weights"], 1293888);
  EXPECT_EQ(info["totals"]["trainables"], 1296074);
  EXPECT_EQ(info["totals"]["bitops_mayo"], 2788829184);
  EXPECT_EQ(info["totals"]["memory_mayo"], 20702208);
}

TEST(Options, AnOptionIsTheKeyAndTheLastOneWins) {
  const Workplace place("options");
  const auto width = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"info", source("nets/zoo/lenet5.yaml"), "info.width=8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place.guardbit(arguments).code;
  };
  EXPECT_EQ(width({"--threads", "1"}), 0);
  EXPECT_EQ(width({"threads=1"}), 0);
  EXPECT_EQ(width({"--threads=-1", "threads=1"}), 0) << "left to right: the override comes last";
  EXPECT_EQ(width({"threads=1", "--threads=-1"}), 2) << "left to right: the option comes last";
}

}  // namespace
}  // namespace guardbit
