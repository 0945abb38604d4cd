// A network trained on integers, through the executable: what `train` reports is what its bundle does, in every engine;
// and every mistake in `quantizer` is one line with exit code 2.
#include <gtest/gtest.h>

#include "tests/cli/tiny_bundle.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::Outcome;
using tests::Workplace;
using tests::write_text;

class Quantizer : public testing::Test {
 protected:
  void SetUp() override {
    write_text(place_ / "tiny.yaml", tests::kTinyRecipe);
    write_text(place_ / "machine.yaml", "machine:\n  array: {rows: 6, columns: 4}\n");
  }
  Outcome train(const std::string& quantizer, const std::string& run) const {
    return place_.guardbit({"train", place_ / "tiny.yaml", "-o", place_ / run, "trainer.epochs=8", "threads=1",
                            "trainer.learning_rate=0.02", "quantizer=" + quantizer, "--json", place_ / "train.json"});
  }
  void refused(const std::string& quantizer, const std::vector<std::string>& parts) {
    const Outcome outcome = train(quantizer, "refused");
    EXPECT_EQ(outcome.code, 2) << quantizer << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << "one line: " << outcome.err;
    EXPECT_EQ(outcome.err.rfind("guardbit: ", 0), 0U) << outcome.err;
    for (const std::string& part : parts)
      EXPECT_NE(outcome.err.find(part), std::string::npos) << "no '" << part << "' in " << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(place_ / "refused/weights.safetensors"));
  }
  Workplace place_{"quantizer"};
};

TEST_F(Quantizer, WhatIsTrainedIsWhatRuns) {
  for (const std::string rule : {"affine", "dfp", "lsq"}) {
    const Outcome trained = train("{weights: {type: " + rule + ", width: 8}, activation: {type: " + rule +
                                      ", width: 8}, quant_delay: 40}", rule);
    ASSERT_EQ(trained.code, 0) << trained.err;
    const std::string bundle = place_ / (rule + "-bundle");
    ASSERT_EQ(place_.guardbit({"quantize", place_ / rule, "output=" + bundle}).code, 0);
    const std::string policy = std::string("machine.numerics.output=") + (rule == "dfp" ? "pow2" : "tflite_double");
    // Steps that are learned make codes without a sign.
    const std::string widest = std::string("machine.numerics.activation=") + (rule == "lsq" ? "int9" : "int8");
    const Outcome verified = place_.guardbit({"verify", bundle, place_ / "machine.yaml", policy, widest, "samples=20",
                                              "--json", place_ / "verify.json"});
    EXPECT_EQ(verified.code, 0) << verified.err << verified.out;
    const json agreement = place_.json("verify.json")["agreement"];
    EXPECT_EQ(agreement["mismatching_codes"], 0) << rule;
    EXPECT_GE(agreement["compared_codes"], 3 * 20 * (784 + 784 + 196 + 150 + 10));
    for (const std::string engine : {"fast", "reference"}) {
      ASSERT_EQ(place_.guardbit({"eval", bundle, place_ / "machine.yaml", policy, widest, "engine=" + engine, "--json",
                                 place_ / "eval.json"}).code, 0);
      EXPECT_EQ(place_.json("eval.json")["top1"], place_.json("train.json")["test"]["top1"]) << rule << " " << engine;
    }
  }
}

TEST_F(Quantizer, MistakesAreOneLine) {
  const std::string rest = ", activation: {type: affine}}";
  refused("{weights: {type: afine}" + rest, {"quantizer.weights.type: found afine, allowed fixed, dfp, affine, lsq"});
  refused("{weights: {width: 8}" + rest, {"quantizer.weights.type: missing"});
  refused("{weights: {type: affine, width: 1}" + rest, {"quantizer.weights.width: found 1, allowed 2 to 16"});
  refused("{weights: {type: affine, width: 17}" + rest, {"quantizer.weights.width: found 17, allowed 2 to 16"});
  refused("{weights: {type: affine, width: eight}" + rest, {"quantizer.weights.width: found eight"});
  refused("{weights: {type: affine, widht: 8}" + rest, {"quantizer.weights.widht: unknown key, did you mean width?"});
  refused("{weights: {type: affine}" + rest.substr(0, rest.size() - 1) + ", layers: {conv9: {weights: {width: 4}}}}",
          {"quantizer.layers.conv9: found a layer without codes of its own, or no layer", "conv1"});
  refused("{weights: {type: affine}" + rest.substr(0, rest.size() - 1) + ", layers: {pool1: {weights: {width: 4}}}}",
          {"quantizer.layers.pool1"});
  refused("{weights: {type: affine}}", {"layer conv1: found no rule for activation, allowed one"});
  refused("{activation: {type: affine}}", {"layer conv1: found no rule for weights, allowed one"});
  refused("{weights: {type: affine, enable: false}" + rest, {"quantizer.weights.enable: found false"});
  refused("{weights: [{type: affine}, {type: dfp}]" + rest, {"quantizer.weights: found 2 rules, allowed one"});
  refused("{wieghts: {type: affine}" + rest, {"quantizer"});
  refused("8", {"quantizer"});
}

TEST_F(Quantizer, ADuplicateKeyIsNamedWithItsLine) {
  write_text(place_ / "twice.yaml",
             "_import: tiny.yaml\nquantizer:\n  weights: {type: affine}\n  activation: {type: affine}\n"
             "  weights: {type: dfp}\n");
  const Outcome outcome = place_.guardbit({"train", place_ / "twice.yaml", "-o", place_ / "refused"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("twice.yaml:5"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

TEST_F(Quantizer, StandardizedImagesAreForFloatNetworks) {
  const Outcome floats = place_.guardbit({"train", place_ / "tiny.yaml", "-o", place_ / "run",
                                          "dataset.preprocess={standardize: image}", "--json", place_ / "train.json"});
  ASSERT_EQ(floats.code, 0) << floats.err;
  ASSERT_EQ(place_.guardbit({"eval", place_ / "run", "--json", place_ / "eval.json"}).code, 0);
  EXPECT_EQ(place_.json("eval.json")["top1"], place_.json("train.json")["test"]["top1"]);
  const Outcome quantized = place_.guardbit({"quantize", place_ / "run", "output=" + (place_ / "bundle")});
  EXPECT_EQ(quantized.code, 2);
  EXPECT_NE(quantized.err.find("dataset.preprocess.standardize: found image, allowed none"), std::string::npos)
      << quantized.err;
  EXPECT_FALSE(std::filesystem::exists(place_ / "bundle"));
  const Outcome trained = place_.guardbit({"train", place_ / "tiny.yaml", "-o", place_ / "refused",
                                           "dataset.preprocess={standardize: image}",
                                           "quantizer={weights: {type: affine}, activation: {type: affine}}"});
  EXPECT_EQ(trained.code, 2);
  EXPECT_NE(trained.err.find("dataset.preprocess.standardize: found image, allowed none for a network of integers"),
            std::string::npos) << trained.err;
}

}  // namespace
}  // namespace guardbit
