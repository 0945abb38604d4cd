// What is exported of a quantized training: counts against literals, codes against the engine that runs them, and that
// looking changes nothing while `update` changes the rules alone.
#include "trainer/export_values.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "arith/error.hpp"
#include "nets/engines/engine.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/safetensors.hpp"
#include "nets/quantize/fixed_point.hpp"
#include "nets/quantize/quantize.hpp"
#include "trainer/saved_training.hpp"
#include "trainer/train.hpp"
#include "trainer/update_rules.hpp"

namespace guardbit::trainer {
namespace {

namespace fs = std::filesystem;

RuleValues of(int width, int point, std::vector<double> before) {
  RuleValues values;
  values.layer = "x";
  values.rule = "fixed";
  values.shape = {static_cast<std::int64_t>(before.size()), 1, 1, 1};
  values.format = nets::fixed_format(width, point);
  values.scales = {std::ldexp(1.0, point - width)};
  values.codes.assign(before.size(), 0);
  values.before = std::move(before);
  return values;
}

// 8 bits, 2 integer bits: codes of 1/64 from -128 (-2) to 127 (1.984375).
TEST(ValueExport, OverflowsAreRoundedCodesOutsideTheFormat) {
  EXPECT_EQ(count_overflows(of(8, 2, {0, 0.0078125, -0.0078125, 1, 1.984375, 1.99, 1.9921875, 2, -2, -2.0078125,
                                      -2.01})),
            (Overflows{3, 8}));  // halves of a code go to even: 0.5 -> 0, 127.5 -> 128, -128.5 -> -128
  EXPECT_EQ(count_overflows(of(8, 2, {0, 0, 0})), (Overflows{0, 0}));
  EXPECT_EQ((Overflows{0, 0}).rate(), 0);
  EXPECT_EQ((Overflows{1, 4}).rate(), 0.25);
}

TEST(ValueExport, AZeroPointAndScalesOfChannelsCount) {
  RuleValues affine = of(8, 8, {-1, 0, 127.4, 127.6, -0.6, 1});
  affine.format = arith::integer_format(8);
  affine.scales = {0.5};
  affine.zero_point = -127;  // -2, 0, 255 (254.8), 255, -1 (-1.2), 2: codes -129, -, 128, 128, -128, -125
  EXPECT_EQ(count_overflows(affine), (Overflows{3, 5}));
  EXPECT_EQ(point_of(affine), std::nullopt);
  RuleValues channels = of(4, 4, {6, 8, 6, 8});
  channels.format = arith::integer_format(4, true, arith::Overflow::SAT_SYM);
  channels.scales = {1, 0.5};  // 6, 8 | 12, 16 in -7..7
  EXPECT_EQ(count_overflows(channels), (Overflows{3, 4}));
  channels.before = {-7, -8, -3.5, -4};  // -7, -8 | -7, -8
  EXPECT_EQ(count_overflows(channels), (Overflows{2, 4}));
}

class Export : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("guardbit_export_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  nets::Value config(const std::string& rules) const {
    nets::Value value = nets::parse_yaml(R"(
model:
  name: small
  input: [28, 28, 1]
  layers:
    c1: {type: convolution, channels: 6, kernel: 5, stride: 2, padding: same, batch_norm: {momentum: 0.9}, activation: relu}
    p1: {type: max_pool, kernel: 2}
    c2: {type: convolution, channels: 8, kernel: 3, padding: same, batch_norm: {momentum: 0.9}, activation: relu6}
    fc: {type: fully_connected, channels: 10}
  graph: {from: input, with: [c1, p1, c2, fc], to: output}
dataset: {name: glyphs, train_size: 160, test_size: 40, preprocess: {mean: [0.13], std: [0.31]}}
trainer: {epochs: 2, batch_size: 32, learning_rate: 0.02, average: 0.8, optimizer: {type: adam}}
)");
    nets::merge(value, nets::parse_override("quantizer=" + rules));
    nets::merge(value, nets::parse_override("output=" + (folder_ / "run").string()));
    return value;
  }
  void train_with(const std::string& rules) { train(config(rules), nullptr); }
  nets::Bytes bytes(const std::string& file) const { return nets::read_file(folder_ / "run" / file); }
  SavedTraining saved(std::int64_t batch, int threads = 1) const {
    return {folder_ / "run", nets::load_yaml(folder_ / "run/config.yaml"), "latest", batch, threads};
  }
  nets::Dataset images(std::int64_t count) const {
    const nets::DatasetSpec spec = nets::read_dataset_spec(nets::Section(config("null")).section("dataset"));
    return nets::load_dataset(spec, nets::Split::Train).slice(0, count);
  }
  nets::NamedArrays exported(std::int64_t batches, std::int64_t batch, int threads = 1) const {
    SavedTraining training = saved(batch, threads);
    ValueExport values(true);
    training.watch([&](const RuleValues& seen) { values.add(seen); });
    const DeviceDataset data(training.backend(), images(batches * batch));
    for (std::int64_t i = 0; i < batches; ++i) {
      values.begin_batch();
      training.pass(data, i * batch, batch, static_cast<std::uint64_t>(i));
    }
    return values.arrays();
  }
  fs::path folder_;
};

constexpr const char* kDfp =
    "{weights: {type: dfp, width: 8}, biases: {type: dfp, width: 12}, activation: {type: dfp, width: 8, overflow_rate: "
    "0.01}, gradient: {weights: {type: dfp, width: 10, stochastic: ulp}, error: {type: dfp, width: 9}}}";
constexpr const char* kAffine = "{weights: {type: affine}, activation: {type: affine, decay: 0.5}}";
constexpr const char* kLsq = "{weights: {type: lsq, width: 4}, activation: {type: lsq, width: 4}}";

const nets::Array& get(const nets::NamedArrays& all, const std::string& name) {
  const nets::Array* found = nets::find_array(all, name);
  EXPECT_NE(found, nullptr) << name;
  static const nets::Array none;
  return found == nullptr ? none : *found;
}

// The codes are those of the network that conversion makes, and after = scale * (code - zero point) of each.
TEST_F(Export, CodesAreWhatTheEnginesRun) {
  for (const char* rules : {kDfp, kAffine, kLsq}) {
    train_with(rules);
    const nets::NamedArrays all = exported(1, 24);
    const nets::IntegerNetwork network = nets::convert(nets::prepare_float(nets::load_run(folder_ / "run").network),
                                                       *nets::make_recorded_scheme(nets::load_record(folder_ / "run")));
    const nets::RunResult out = nets::make_fast_engine()->run(
        network, nets::uniform(network, {}), nets::quantize_input(network, images(24).images.data(), 24), {});
    int compared = 0;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const nets::IntegerLayer& layer = network.layers[i];
      if (nets::find_array(all, layer.name + "/activation/codes") == nullptr) continue;
      ++compared;
      EXPECT_EQ(get(all, layer.name + "/activation/codes").to_int32("test"), out.layers[i].codes.data) << layer.name;
      EXPECT_EQ(get(all, layer.name + "/activation/scale").to_double()[0], layer.output.scale);
      if (layer.weighted()) {
        EXPECT_EQ(get(all, layer.name + "/weights/codes").to_int32("test"), layer.weight.data) << layer.name;
        EXPECT_EQ(get(all, layer.name + "/weights/codes").shape, layer.weight.shape);
      }
    }
    EXPECT_EQ(compared, 4) << rules;  // input, c1, c2, fc
    // fixed point stands before relu (SPEC 2.1), other rules behind it
    for (const char* layer : {"c1", "c2"}) {
      const std::vector<double> before = get(all, std::string(layer) + "/activation/before").to_double();
      const auto [low, high] = std::minmax_element(before.begin(), before.end());
      EXPECT_EQ(*low < 0, rules == kDfp) << layer << rules;
      EXPECT_GT(*high, 0);
    }
    for (const auto& [name, codes] : all) {
      if (!name.ends_with("/codes")) continue;
      const std::string stem = name.substr(0, name.size() - 5);
      const std::vector<double> scale = get(all, stem + "scale").to_double();
      const std::vector<double> after = get(all, stem + "after").to_double();
      const std::int64_t zero = get(all, stem + "zero_point").to_int64("test")[0];
      const std::vector<std::int64_t> code = codes.to_int64("test");
      for (std::size_t i = 0; i < code.size(); ++i) {
        const double s = scale[scale.size() == 1 ? 0 : i / (code.size() / scale.size())];
        ASSERT_EQ(after[i], static_cast<float>(s * static_cast<double>(code[i] - zero))) << stem << i;
      }
    }
  }
}

// Fixed point rounds the values before it: by hand, from the exported numbers alone.
TEST_F(Export, CodesAreTheRoundedValuesBeforeThem) {
  train_with(kDfp);
  const nets::NamedArrays all = exported(2, 16);
  for (const char* name : {"c1/weights/", "fc/weights/", "c2/biases/", "fc/activation/", "c1/gradient.error/",
                           "fc/gradient.error/"}) {
    const std::string stem = name;
    const std::vector<double> before = get(all, stem + "before").to_double();
    const std::vector<std::int64_t> codes = get(all, stem + "codes").to_int64("test");
    const auto width = static_cast<int>(get(all, stem + "width").to_int64("test")[0]);
    const auto point = static_cast<int>(get(all, stem + "point").to_int64("test")[0]);
    const double high = std::ldexp(1.0, width - 1) - 1;
    std::int64_t over = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double code = std::nearbyint(std::ldexp(before[i], width - point));
      over += code > high || code < -high - 1 ? 1 : 0;
      ASSERT_EQ(static_cast<double>(codes[i]), std::min(high, std::max(-high - 1, code))) << stem << i;
    }
    EXPECT_EQ(get(all, stem + "overflows").to_int64("test")[0], over) << stem;
  }
  EXPECT_EQ(get(all, "c1/gradient.error/codes").shape, (std::vector<std::int64_t>{32, 14, 14, 6}));
  EXPECT_EQ(get(all, "c1/gradient.weights/codes").shape, (std::vector<std::int64_t>{2, 6, 5, 5, 1}));
  EXPECT_EQ(get(all, "c1/weights/codes").shape, (std::vector<std::int64_t>{6, 5, 5, 1}));
  // The first batch of two is the batch of one.
  const nets::NamedArrays one = exported(1, 16);
  const nets::Array& first = get(one, "c2/gradient.error/codes");
  const nets::Array& both = get(all, "c2/gradient.error/codes");
  EXPECT_TRUE(std::equal(first.bytes.begin(), first.bytes.end(), both.bytes.begin()));
  EXPECT_EQ(both.bytes.size(), 2 * first.bytes.size());
}

TEST_F(Export, LookingChangesNothingAndThreadsChangeNothing) {
  train_with(kDfp);
  const nets::Bytes checkpoint = bytes("checkpoints/checkpoint-2.safetensors");
  const nets::NamedArrays one = exported(2, 16, 1);
  EXPECT_TRUE(one == exported(2, 16, 2));
  EXPECT_EQ(checkpoint, bytes("checkpoints/checkpoint-2.safetensors"));
  EXPECT_GT(one.size(), 100U);
  EXPECT_TRUE(saved(16).is_result());
  for (const char* rules : {kDfp, kAffine, kLsq}) {  // nor do the rules in memory, whatever they see
    train_with(rules);
    SavedTraining training = saved(16);
    const DeviceDataset data(training.backend(), images(64));
    for (int i = 0; i < 4; ++i) training.pass(data, i * 16, 16, static_cast<std::uint64_t>(i));
    EXPECT_TRUE(training.record().layers == nets::load_record(folder_ / "run").layers) << rules;
    EXPECT_TRUE(training.is_result()) << rules;
  }
}

// The state is what all batches together say: a second update finds nothing new in the layers that depend on no other
// rule, weights and record stay of each other, and a resumed run starts from the new state.
TEST_F(Export, UpdateChangesRulesAlone) {
  train_with(kAffine);
  const nets::Bytes weights = bytes("weights.safetensors"), record = bytes("quantization.yaml");
  const nets::TensorFile before = nets::read_safetensors(folder_ / "run/checkpoints/checkpoint-2.safetensors");
  SavedTraining training = saved(32);
  RuleUpdate update;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  training.watch([&](const RuleValues& seen) {
    update.see(seen);
    if (seen.layer != "c1" || seen.place != Place::Activation) return;
    for (const double v : seen.before) low = std::min(low, v), high = std::max(high, v);
  });
  const DeviceDataset data(training.backend(), images(96));
  for (int i = 0; i < 3; ++i) training.pass(data, i * 32, 32, static_cast<std::uint64_t>(i));
  EXPECT_EQ(update.apply(), (std::vector<std::string>{"c1/activation", "c2/activation", "fc/activation"}));
  training.save_rules();
  EXPECT_EQ(weights, bytes("weights.safetensors"));
  EXPECT_NE(record, bytes("quantization.yaml"));
  EXPECT_TRUE(saved(1).is_result());
  const nets::TensorFile after = nets::read_safetensors(folder_ / "run/checkpoints/checkpoint-2.safetensors");
  ASSERT_EQ(before.tensors.size(), after.tensors.size());
  for (std::size_t i = 0; i < before.tensors.size(); ++i) {
    const auto& [name, array] = before.tensors[i];
    EXPECT_EQ(name, after.tensors[i].first);
    const std::vector<double> now = after.tensors[i].second.to_double();
    if (!name.starts_with("quantizer.")) {
      EXPECT_TRUE(array == after.tensors[i].second) << name;
    } else if (name == "quantizer.c1.activation.affine.low") {
      EXPECT_EQ(now[0], low);
    } else if (name == "quantizer.c1.activation.affine.high") {
      EXPECT_EQ(now[0], high);
    }
  }
  EXPECT_EQ(before.metadata.at("config"), after.metadata.at("config"));
}

TEST_F(Export, UpdateLeavesWhatTheOptimizerLearnsAndWhatIsSwitchedOff) {
  train_with("{weights: {type: lsq, width: 4}, activation: {type: dfp, width: 8, should_update: false}}");
  SavedTraining training = saved(32);
  RuleUpdate update;
  training.watch([&](const RuleValues& seen) { update.see(seen); });
  const DeviceDataset data(training.backend(), images(32));
  training.pass(data, 0, 32, 0);
  EXPECT_TRUE(update.apply().empty());
}

TEST_F(Export, WhatIsNotAQuantizedTrainingIsTold) {
  const auto error = [&](const std::string& load) -> std::string {
    try {
      SavedTraining(folder_ / "run", nets::load_yaml(folder_ / "run/config.yaml"), load, 1, 1);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  train_with("{weights: {type: dfp}, activation: {type: dfp}, quant_delay: 7}");
  EXPECT_NE(error("1").find("found 5 steps, all of them in float"), std::string::npos) << error("1");
  EXPECT_EQ(error("2"), "no error");
  train_with("null");
  EXPECT_NE(error("latest").find("found a float training (no section quantizer)"), std::string::npos) << error("latest");
  fs::remove_all(folder_ / "run/checkpoints");
  EXPECT_NE(error("latest").find("no checkpoint"), std::string::npos);
}

}  // namespace
}  // namespace guardbit::trainer
