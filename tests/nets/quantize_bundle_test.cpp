// Bundles: what is saved is what is loaded, byte for byte; damage is one line of Error.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "arith/error.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "nets/io/safetensors.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"
#include "nets/quantize/quantize.hpp"
#include "nets/quantize/stage_yaml.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = R"(
model:
  name: small
  input: [8, 8, 2]
  layers:
    conv1: {type: convolution, channels: 4, kernel: 3, padding: 1, batch_norm: true, activation: relu}
    conv2: {type: depthwise_convolution, kernel: 3, padding: 1, activation: relu6}
    sum: {type: add, activation: relu}
    pool: {type: max_pool, kernel: 2, stride: 2}
    widen: {type: pad, channels: [1, 1]}
    both: {type: concat}
    mean: {type: average_pool, global: true}
    fc: {type: fully_connected, channels: 3}
    soft: {type: softmax}
  graph:
    - {from: input, with: [conv1], to: a}
    - {from: a, with: [conv2], to: sum}
    - {from: a, to: sum}
    - {from: sum, with: [pool], to: p}
    - {from: p, with: [widen], to: both}
    - {from: p, to: both}
    - {from: both, with: [mean, fc, soft], to: output}
)";

Quantized small(const QuantizeOptions& options = {}) {
  const Value config = parse_yaml(kModel, "model");
  Network network = load_network(config);
  initialise(network, 5);
  FloatTensor images({8, 8, 8, 2});
  for (std::size_t i = 0; i < images.data.size(); ++i) images.data[i] = static_cast<float>((i * 7919) % 1000) / 500 - 1;
  return quantize(network, images, options);
}

class BundleTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("guardbit_bundle_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Replaces text in net.yaml.
  void edit(const std::string& from, const std::string& to) const {
    const Bytes bytes = read_file(folder_ / "net.yaml");
    std::string text(bytes.begin(), bytes.end());
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    atomic_write(folder_ / "net.yaml", std::string_view(text));
  }
  void expect_refused(const std::string& message) const {
    try {
      (void)load_bundle(folder_);
      ADD_FAILURE() << "loaded, wanted " << message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
  fs::path folder_;
};

void expect_equal(const IntegerNetwork& a, const IntegerNetwork& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.output, b.output);
  EXPECT_EQ(a.output_policy, b.output_policy);
  EXPECT_EQ(a.preprocess, b.preprocess);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    const IntegerLayer& x = a.layers[i];
    const IntegerLayer& y = b.layers[i];
    SCOPED_TRACE(x.name);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.op, y.op);
    EXPECT_EQ(x.inputs, y.inputs);
    EXPECT_EQ(x.shape, y.shape);
    EXPECT_EQ(x.output, y.output);
    EXPECT_EQ(x.float_node, y.float_node);
    EXPECT_EQ(x.window, y.window);
    EXPECT_EQ(x.groups, y.groups);
    if (x.weighted()) {
      EXPECT_EQ(x.weight_format, y.weight_format);
    }
    EXPECT_EQ(x.weight, y.weight);
    EXPECT_EQ(x.weight_scales, y.weight_scales);
    EXPECT_EQ(x.bias, y.bias);
    EXPECT_EQ(x.real_multipliers, y.real_multipliers);
    EXPECT_EQ(x.padding, y.padding);
    EXPECT_EQ(x.channels_before, y.channels_before);
    EXPECT_EQ(x.exponentials, y.exponentials);
    EXPECT_EQ(x.input_stages, y.input_stages);
    EXPECT_EQ(x.stages, y.stages);
  }
}

TEST_F(BundleTest, RoundTripsEverySchemeAndRepeatsItsBytes) {
  for (const QuantizeScheme scheme : {QuantizeScheme::Int8, QuantizeScheme::Fixed, QuantizeScheme::Dfp}) {
    QuantizeOptions options;
    options.scheme = scheme;
    if (scheme == QuantizeScheme::Fixed) options.weight_bits = options.activation_bits = 16;
    const Quantized q = small(options);
    const Value config = parse_yaml("a: {b: $(c)}\nc: 0.1\n");
    save_bundle(folder_, q.network, q.folded, config);
    const Bundle loaded = load_bundle(folder_);
    expect_equal(q.network, loaded.network);
    EXPECT_EQ(loaded.config, config);
    EXPECT_EQ(loaded.folded.parameters, q.folded.parameters);
    ASSERT_EQ(loaded.folded.nodes.size(), q.folded.nodes.size());
    EXPECT_EQ(load_bundle_config(folder_), config);
    const Bytes net = read_file(folder_ / "net.yaml"), weights = read_file(folder_ / "weights.safetensors");
    save_bundle(folder_, loaded.network, loaded.folded, loaded.config);
    EXPECT_EQ(read_file(folder_ / "net.yaml"), net);
    EXPECT_EQ(read_file(folder_ / "weights.safetensors"), weights);
  }
}

TEST_F(BundleTest, RoundTripsRandomNetworks) {
  const Quantized q = small();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    IntegerNetwork network = tests::random_case(seed).network;
    save_bundle(folder_, network, q.folded, Value::map());
    expect_equal(network, load_bundle(folder_).network);
  }
}

TEST_F(BundleTest, RefusesDamage) {
  const Quantized q = small();
  const auto fresh = [&] { save_bundle(folder_, q.network, q.folded, Value::map()); };
  fresh(), edit("name: conv1", "nom: conv1"), expect_refused("name");
  fresh(), edit("op: max_pool", "op: min_pool"), expect_refused("min_pool");
  fresh(), edit("rounding: RND_INF", "rounding: RND_AWAY"), expect_refused("RND_AWAY");
  fresh(), edit("bundle_version: 1", "bundle_version: 2"), expect_refused("found 2");
  fresh(), edit("zero_point: -128", "zero_point: -129"), expect_refused("zero point -129");
  fresh(), edit("conv1.stages.0", "conv1.stages.9"), expect_refused("conv1.stages.9");
  fresh(), edit("int<8,SAT_SYM>", "int<4,SAT_SYM>"), expect_refused("is not a code of int<4,SAT_SYM>");
  fresh(), edit("bundle_version", "unknown: 3\nbundle_version"), expect_refused("unknown");
  fresh(), fs::remove(folder_ / "float.safetensors"), expect_refused("float.safetensors");
  fresh(), fs::resize_file(folder_ / "weights.safetensors", 200), expect_refused("weights.safetensors");
  fresh(), fs::resize_file(folder_ / "weights.safetensors", fs::file_size(folder_ / "weights.safetensors") - 1);
  expect_refused("weights.safetensors");
}

TEST_F(BundleTest, StoresTheTableOfASoftmaxInSixteenBits) {
  QuantizeOptions options;
  options.keep_softmax = true;
  const Quantized q = small(options);
  save_bundle(folder_, q.network, q.folded, Value::map());
  expect_equal(q.network, load_bundle(folder_).network);
  const std::string file = (folder_ / "weights.safetensors").string();
  const TensorFile tensors = parse_safetensors(read_file(file), file);
  const Array* table = find_array(tensors.tensors, "soft.exponentials");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->dtype, DType::U16);
  EXPECT_EQ(table->shape, (std::vector<std::int64_t>{256}));
  EXPECT_EQ(table->to_int32("table"), q.network.layers.back().exponentials);
}

TEST_F(BundleTest, RefusesAnotherTableForASoftmax) {
  QuantizeOptions options;
  options.keep_softmax = true;
  const Quantized q = small(options);
  const fs::path file = folder_ / "weights.safetensors";
  // Writes the table, as what belongs to this net.yaml.
  const auto put = [&](const std::vector<std::int32_t>& table) {
    save_bundle(folder_, q.network, q.folded, Value::map());
    const std::string before = sha256_hex(read_file(file));
    TensorFile tensors = parse_safetensors(read_file(file), file.string());
    for (auto& [name, array] : tensors.tensors) {
      if (name == "soft.exponentials") array = Array::from({static_cast<std::int64_t>(table.size())}, table);
    }
    write_safetensors(file, tensors);
    edit(before, sha256_hex(read_file(file)));
  };
  const std::vector<std::int32_t> good = q.network.layers.back().exponentials;
  put(good);
  EXPECT_NO_THROW((void)load_bundle(folder_));
  std::vector<std::int32_t> bad = good;
  bad.pop_back();
  put(bad), expect_refused("layer soft (softmax): found 255 exponentials, allowed 256");
  bad = good, bad[100] = bad[99] + 1;
  put(bad), expect_refused("layer soft (softmax): found exponential");
  bad = good, bad[0] = 65536;
  put(bad), expect_refused("layer soft (softmax): found exponential 65536 at 0, allowed 1 to 65535");
  bad = good, bad[255] = -1;
  put(bad), expect_refused("layer soft (softmax): found exponential -1 at 255");
  save_bundle(folder_, q.network, q.folded, Value::map());
  edit("name: soft", "name: other"), expect_refused("no tensor other.exponentials, which net.yaml refers to");
  save_bundle(folder_, q.network, q.folded, Value::map());
  edit("op: softmax", "op: flatten"), expect_refused("soft.exponentials, which net.yaml does not refer to");
}

TEST_F(BundleTest, TensorsBelongToTheirNet) {
  const Quantized q = small();
  QuantizeOptions other;
  other.weight_bits = 7;
  save_bundle(folder_, q.network, q.folded, Value::map());
  const Bytes net = read_file(folder_ / "net.yaml");
  save_bundle(folder_, small(other).network, q.folded, Value::map());
  atomic_write(folder_ / "net.yaml", net);  // as if the second save had ended early
  expect_refused("net.yaml:");
  expect_refused("sha256.weights: found ");
  fs::copy_file(folder_ / "weights.safetensors", folder_ / "float.safetensors", fs::copy_options::overwrite_existing);
  save_bundle(folder_, q.network, q.folded, Value::map());
  EXPECT_NO_THROW((void)load_bundle(folder_));
  edit("sha256:", "sha:"), expect_refused("sha256");
  save_bundle(folder_, q.network, q.folded, Value::map());
  fs::copy_file(folder_ / "weights.safetensors", folder_ / "float.safetensors", fs::copy_options::overwrite_existing);
  expect_refused("sha256.float: found ");
}

class NamedNumbers final : public ParameterSource, public ParameterSink {
 public:
  std::vector<std::int64_t> integers(const std::string& name) override { return integers_.at(name); }
  std::vector<float> floats(const std::string& name) override { return floats_.at(name); }
  std::string put(const std::string& name, const std::vector<std::int64_t>& v) override {
    return integers_[name] = v, name;
  }
  std::string put(const std::string& name, const std::vector<float>& v) override { return floats_[name] = v, name; }

 private:
  std::map<std::string, std::vector<std::int64_t>> integers_;
  std::map<std::string, std::vector<float>> floats_;
};

TEST(StageYaml, ReadsTheDesignSyntax) {
  NamedNumbers names;
  (void)names.put("m.npy", std::vector<std::int64_t>{7, 8});
  const Section section = Section::parse(R"(
output:
  - {add: [1, 2]}
  - {subtract: 3}
  - {shift_left: 2}
  - {multiply: m.npy, format: "int<49,WRAP>"}
  - {shift_right: 12, rounding: TRN}
  - {saturate: int17}
  - {wrap: int16}
  - {relu: true}
  - {clamp: [null, 9]}
  - {scale: 0.5}
)");
  using namespace arith;  // NOLINT: stage names
  const StageList want{Add{Parameter(std::vector<std::int64_t>{1, 2})},
                       Subtract{3},
                       ShiftLeft{2},
                       Multiply{Parameter(std::vector<std::int64_t>{7, 8}), integer_format(49, true, Overflow::WRAP)},
                       ShiftRight{12, Rounding::TRN},
                       Narrow{integer_format(17)},
                       Narrow{integer_format(16, true, Overflow::WRAP)},
                       Relu{},
                       Clamp{std::nullopt, 9},
                       Scale{{0.5F}}};
  EXPECT_EQ(read_stages(section, "output", names), want);
  const Value written = Value::map({{"output", write_stages(want, "p", names)}});
  EXPECT_EQ(read_stages(Section(written), "output", names), want);
}

TEST(StageYaml, RefusesNonsense) {
  NamedNumbers names;
  for (const char* text : {"{shift: 3}", "{add: 1.5}", "{add: 1, subtract: 2}", "{saturate: \"int<8,WRAP>\"}",
                           "{wrap: int99}", "{relu: false}", "{clamp: 3}", "{shift_right: 1, rounding: UP}", "{}"}) {
    EXPECT_THROW((void)read_stages(Section::parse(std::string("s: [") + text + "]"), "s", names), Error) << text;
  }
}

}  // namespace
}  // namespace guardbit::nets
