// guardbit verify of a run folder: the forward pass of a quantized training among the engines.
#include <gtest/gtest.h>

#include <map>

#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::Outcome;
using tests::source;
using tests::Workplace;

std::string machine() { return source("sim/configs/edge16.yaml"); }

void train(const Workplace& place, const std::string& folder, const std::string& quantizer, int seed = 1) {
  const Outcome trained = place.guardbit(
      {"train", source("trainer/recipes/lenet5_glyphs.yaml"), source("trainer/recipes/quantizers/" + quantizer + ".yaml"),
       "-o", place / folder, "dataset.train_size=96", "dataset.test_size=20", "trainer.epochs=2",
       "trainer.batch_size=32", "quantizer.update.interval=2", "seed=" + std::to_string(seed)});
  ASSERT_EQ(trained.code, 0) << trained.err;
}

// What a machine needs for the formats of each rule.
std::vector<std::string> numerics(const std::string& quantizer) {
  std::vector<std::string> keys;
  if (quantizer.starts_with("dfp")) keys.emplace_back("machine.numerics.output=pow2");
  if (quantizer == "dfp16") {
    for (const char* key : {"activation=int16", "weight=int16", "accumulator.format=int<56,WRAP>"})
      keys.push_back(std::string("machine.numerics.") + key);
  }
  return keys;
}

TEST(VerifyTrained, TheTrainerComputesTheCodesOfTheEngines) {
  for (const char* quantizer : {"int8", "dfp16", "dfp8", "lsq4"}) {
    const Workplace place(std::string("trained-") + quantizer);
    ASSERT_NO_FATAL_FAILURE(train(place, "run", quantizer));
    std::vector<std::string> call{"verify", place / "run", machine(), "samples=20", "--json", place / "r.json",
                                  "engines=trainer,fast,tile"};
    for (const std::string& key : numerics(quantizer)) call.push_back(key);
    const Outcome held = place.guardbit(call);
    ASSERT_EQ(held.code, 0) << quantizer << held.out << held.err;
    const json result = json::parse(tests::read_text(place / "r.json"));
    std::map<std::string, json> engines;
    for (const json& engine : result["engines"]) engines[engine["name"]] = engine;
    ASSERT_EQ(engines.count("trainer"), 1U);
    EXPECT_GT(engines["trainer"]["compared_codes"], 0);
    EXPECT_EQ(engines["trainer"]["compared_codes"], engines["tile"]["compared_codes"]);
    EXPECT_EQ(result["agreement"]["mismatching_codes"], 0);
    EXPECT_GE(result["accuracy"]["integer_top1"], 0.0);
  }
}

TEST(VerifyTrained, ADifferenceIsFoundAndTheReportDoesNotDependOnThreads) {
  const Workplace place("trained-broken");
  ASSERT_NO_FATAL_FAILURE(train(place, "run", "int8"));
  const Outcome broken =
      place.guardbit({"verify", place / "run", "samples=12", "engines=trainer", "--inject", "reference:skip_step"});
  EXPECT_EQ(broken.code, 1) << broken.out;
  EXPECT_NE(broken.out.find("MISMATCH engine trainer: "), std::string::npos) << broken.out;
  const Outcome one = place.guardbit({"verify", place / "run", "samples=20", "threads=1"});
  const Outcome two = place.guardbit({"verify", place / "run", "samples=20", "threads=2"});
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  EXPECT_NE(one.out.find("engines reference, trainer, fast: 0 of "), std::string::npos) << one.out;
  EXPECT_EQ(one.out, two.out);
}

TEST(VerifyTrained, OnlyTheResultOfATrainingIsCompared) {
  const Workplace place("trained-other");
  ASSERT_NO_FATAL_FAILURE(train(place, "run", "int8"));
  ASSERT_NO_FATAL_FAILURE(train(place, "other", "int8", 2));
  ASSERT_EQ(place.guardbit({"quantize", place / "run", "-o", place / "bundle"}).code, 0);
  const auto refused = [&](const std::vector<std::string>& call, const std::string& line) {
    const Outcome outcome = place.guardbit(call);
    EXPECT_EQ(outcome.code, 2) << outcome.out;
    EXPECT_NE(outcome.err.find(line), std::string::npos) << outcome.err;
  };
  refused({"verify", place / "bundle", "engines=trainer"}, "engines: found trainer and no run folder");
  fs::remove_all(place / "run/checkpoints");
  fs::copy(place / "other/checkpoints", place / "run/checkpoints");
  refused({"verify", place / "run", "engines=trainer"}, "found weights of another epoch than checkpoint");
  EXPECT_EQ(place.guardbit({"verify", place / "run", "samples=4", "engines=fast"}).code, 0);
}

}  // namespace
}  // namespace guardbit
