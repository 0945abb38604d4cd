// Calibration and conversion: golden vectors, formulas of SPEC 5 written out, and accuracy of codes against floats.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "nets/engines/engine.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/graph/load.hpp"
#include "nets/quantize/affine.hpp"
#include "nets/quantize/float_error.hpp"
#include "nets/quantize/output_policy.hpp"
#include "nets/quantize/quantize.hpp"

namespace guardbit::nets {
namespace {

TEST(Affine, RangeIsWidenedToZeroAndNudged) {
  const TensorFormat relu = affine_format(0.5, 6.0, 8);  // becomes 0..6
  EXPECT_EQ(relu.zero_point, -128);
  EXPECT_DOUBLE_EQ(relu.scale, 6.0 / 255);
  const TensorFormat both = affine_format(-1.0, 1.0, 8);  // -128 + 127.5 = -0.5: half away from zero
  EXPECT_EQ(both.zero_point, -1);
  EXPECT_EQ(affine_code(0.0, both), -1);
  EXPECT_EQ(affine_code(100.0, both), 127);
  EXPECT_EQ(affine_format(0, 0, 8).scale, 1.0);
  EXPECT_EQ(dequantize(3, TensorFormat{arith::integer_format(8), 0.5, 1}), 1.0);
}

nlohmann::json vectors() {
  const char* shared = std::getenv("GUARDBIT_SHARED");
  std::ifstream file(std::string(shared != nullptr ? shared : "../shared") + "/vectors.json");
  if (!file) return {};
  return nlohmann::json::parse(file);
}

TEST(FixedPoint, EqualsGoldenVectors) {
  const nlohmann::json all = vectors();
  if (all.is_null()) GTEST_SKIP() << "no vectors.json (set GUARDBIT_SHARED)";
  int rows = 0;
  for (const auto& row : all["fixed"]) {
    const double v = std::stod(row["v"].get<std::string>());
    const int width = row["width"], point = row["point"];
    EXPECT_EQ(fixed_code(v, width, point), row["q"].get<std::int64_t>()) << row;
    EXPECT_EQ(fixed_format(width, point).frac_bits(), row["frac_bits"].get<int>());
    ++rows;
  }
  EXPECT_EQ(rows, 120);
}

int point_of(const std::vector<float>& values, int width, double rate) {
  PointCounts counts(width);
  counts.observe(values);
  return counts.point_for_rate(rate).value_or(width);
}

TEST(DynamicFixedPoint, EqualsGoldenVectors) {
  const nlohmann::json all = vectors();
  if (all.is_null()) GTEST_SKIP() << "no vectors.json (set GUARDBIT_SHARED)";
  const auto floats = [](const nlohmann::json& list) {
    std::vector<float> values;
    for (const auto& v : list) {  // "-337/256" or "0.5"
      const std::string text = v.get<std::string>();
      const std::size_t slash = text.find('/');
      const double below = slash == std::string::npos ? 1.0 : std::stod(text.substr(slash + 1));
      values.push_back(static_cast<float>(std::stod(text) / below));
    }
    return values;
  };
  for (const auto& row : all["dg_special"]) {
    EXPECT_EQ(point_of(floats(row["vals"]), row["width"], std::stod(row["overflow_rate"].get<std::string>())),
              row["point"].get<int>())
        << row;
  }
  int rows = 0;
  for (const auto& row : all["dg"]) {
    const auto& tensor = all["dg_tensors"][row["t"].get<std::string>()];
    const double rate = std::stod(row["overflow_rate"].get<std::string>());
    EXPECT_EQ(point_of(floats(tensor), row["width"], rate), row["point"].get<int>()) << row;
    ++rows;
  }
  EXPECT_EQ(rows, 24);
}

TEST(DynamicFixedPoint, CountsEqualDirectCounting) {
  arith::Random random(3);
  std::vector<float> values{0.0F, -0.0F, 1.0F, -1.0F, 0.5F, 127.5F, 128.0F, 126.5F, -128.5F, -129.0F};
  for (int i = 0; i < 500; ++i)
    values.push_back(static_cast<float>(std::ldexp(random.uniform() - 0.5, static_cast<int>(random.below(14)) - 6)));
  for (const int width : {1, 2, 4, 8}) {
    PointCounts counts(width);
    counts.observe(values);
    for (int point = -width; point <= width; ++point) {
      std::uint64_t over = 0, non_zero = 0;
      for (const float v : values) {
        const double code = std::nearbyint(static_cast<double>(v) * std::exp2(width - point));
        over += code < -std::exp2(width - 1) || code > std::exp2(width - 1) - 1;
        non_zero += code != 0;
      }
      EXPECT_EQ(counts.overflows(point), over) << width << " " << point;
      EXPECT_EQ(counts.non_zero(point), non_zero) << width << " " << point;
    }
  }
}

TEST(FixedPoint, PointForMaximum) {
  EXPECT_EQ(point_for_maximum(1.0, 8), 1);
  EXPECT_EQ(point_for_maximum(1.01, 8), 2);
  EXPECT_EQ(point_for_maximum(0.25, 8), -1);
  EXPECT_EQ(point_for_maximum(0.0, 8), -8);
}

TEST(Statistics, PercentileAndLeastSquareErrorIgnoreAnOutlier) {
  TensorStatistics statistics;
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(static_cast<float>(i % 1001) / 1000);  // 0..1
  values.push_back(50.0F);
  statistics.observe(values, "t");
  EXPECT_EQ(statistics.min_max(), (RealRange{0, 50}));
  EXPECT_NEAR(statistics.percentile(99.99).high, 1.0, 0.01);
  EXPECT_EQ(statistics.percentile(100).high, 50.0);
  const double high = statistics.least_square_error(4).high;
  EXPECT_LT(high, 50.0);
  EXPECT_THROW(statistics.observe(std::vector<float>{NAN}, "t"), Error);
}

// conv (bn, relu) -> add (relu) -> pool -> fc, on images of random values.
Network small_network() {
  Network network = load_network(parse_yaml(R"(
model:
  name: small
  input: [8, 8, 3]
  layers:
    conv1: {type: convolution, channels: 8, kernel: 3, padding: 1, batch_norm: true, activation: relu}
    conv2: {type: convolution, channels: 8, kernel: 3, padding: 1, activation: relu6}
    sum: {type: add, activation: relu}
    pool: {type: average_pool, kernel: 2, stride: 2}
    fc: {type: fully_connected, channels: 5}
    soft: {type: softmax}
  graph:
    - {from: input, with: [conv1], to: a}
    - {from: a, with: [conv2], to: sum}
    - {from: a, to: sum}
    - {from: sum, with: [pool, fc, soft], to: output}
)"));
  initialise(network, 11);
  return network;
}

FloatTensor images(const Network& network, const std::vector<std::uint8_t>& pixels) {
  FloatTensor result({static_cast<std::int64_t>(pixels.size()) / 192, 8, 8, 3});
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    result.data[i] = static_cast<float>(pixels[i] * network.preprocess.scale - network.preprocess.mean[0]);
  }
  return result;
}

double worst_sqnr(const QuantizeOptions& options) {
  const Network network = small_network();
  std::vector<std::uint8_t> pixels(16 * 192);
  arith::Random random(4);
  for (auto& p : pixels) p = static_cast<std::uint8_t>(random.below(256));
  const FloatTensor real = images(network, pixels);
  const Quantized q = quantize(network, real, options);
  const IntTensor input = quantize_input(q.network, pixels.data(), 16);
  const RunResult run = make_reference_engine()->run(q.network, uniform(q.network, {}), input, {});
  const auto floats = run_float(q.folded, real);
  double worst = 1000;
  for (std::size_t i = 0; i < run.layers.size(); ++i) {
    const IntegerLayer& layer = q.network.layers[i];
    worst =
        std::min(worst, sqnr_db(floats[static_cast<std::size_t>(layer.float_node)], run.layers[i].codes, layer.output));
  }
  return worst;
}

TEST(Quantize, CodesFollowTheFloats) {
  QuantizeOptions options;
  EXPECT_GT(worst_sqnr(options), 30);
  options.output_policy = "onnx_float";
  EXPECT_GT(worst_sqnr(options), 30);
  options.activation_bits = 16;
  options.output_policy = "tflite_single";
  EXPECT_GT(worst_sqnr(options), 35);
  options = {};
  options.scheme = QuantizeScheme::Fixed;
  EXPECT_GT(worst_sqnr(options), 20);
  options.activation_bits = options.weight_bits = 16;
  EXPECT_GT(worst_sqnr(options), 65);
  options.scheme = QuantizeScheme::Dfp;
  EXPECT_GT(worst_sqnr(options), 65);
}

TEST(Quantize, FusesActivationsAndFollowsTheTfliteRules) {
  const Network network = small_network();
  const FloatTensor real = images(network, std::vector<std::uint8_t>(192, 200));
  const Quantized q = quantize(network, real, {});
  std::vector<std::string> names;
  for (const IntegerLayer& layer : q.network.layers) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"input", "conv1", "conv2", "sum", "pool", "fc"}));
  const IntegerLayer& conv = q.network.layers[1];
  EXPECT_EQ(q.folded.node(conv.float_node).op, Op::Relu);
  EXPECT_EQ(conv.output.zero_point, -128);  // relu: the range starts at 0
  EXPECT_EQ(q.network.layers[4].output, q.network.layers[3].output);
  const FloatTensor& weight = q.folded.parameter("conv1.weight");
  for (std::size_t k = 0; k < 8; ++k) {
    double largest = 0;
    for (std::size_t i = 0; i < 27; ++i) largest = std::max<double>(largest, std::abs(weight.data[k * 27 + i]));
    EXPECT_DOUBLE_EQ(conv.weight_scales[k], largest / 127);
    for (std::size_t i = 0; i < 27; ++i) {
      EXPECT_EQ(conv.weight.data[k * 27 + i], std::lround(weight.data[k * 27 + i] / (largest / 127)));
    }
    const double bias_scale = q.network.layers[0].output.scale * conv.weight_scales[k];
    EXPECT_EQ(conv.bias[k], std::lround(q.folded.parameter("conv1.bias").data[k] / bias_scale));
    EXPECT_DOUBLE_EQ(conv.real_multipliers[k], bias_scale / conv.output.scale);
  }
}

TEST(Quantize, OutputPolicyCanBeChangedAndChangedBack) {
  const Network network = small_network();
  const Quantized q = quantize(network, images(network, std::vector<std::uint8_t>(192, 200)), {});
  IntegerNetwork changed = q.network;
  set_output_policy(changed, "onnx_float");
  EXPECT_NE(changed.layers[1].stages, q.network.layers[1].stages);
  set_output_policy(changed, "tflite_double");
  for (std::size_t i = 0; i < changed.layers.size(); ++i)
    EXPECT_EQ(changed.layers[i].stages, q.network.layers[i].stages);
  EXPECT_THROW(set_output_policy(changed, "tflite"), Error);
}

// SPEC 5.4 written out: shift left 20, scale each input to 2 * max(S), add, scale to S_y.
std::int64_t tflite_multiply(std::int64_t value, double real) {
  int exponent = 0;
  const auto mantissa = static_cast<std::int64_t>(std::llround(std::frexp(real, &exponent) * 2147483648.0));
  const std::int64_t product = value * mantissa;
  const std::int64_t high = (product + (product >= 0 ? 1LL << 30 : 1 - (1LL << 30))) / (1LL << 31);
  const std::int64_t magnitude = (std::abs(high) + (exponent < 0 ? 1LL << (-exponent - 1) : 0)) >> -exponent;
  return high < 0 ? -magnitude : magnitude;
}

TEST(Quantize, AdditionFollowsTheTfliteFormula) {
  const Network network = small_network();
  std::vector<std::uint8_t> pixels(4 * 192);
  arith::Random random(9);
  for (auto& p : pixels) p = static_cast<std::uint8_t>(random.below(256));
  const Quantized q = quantize(network, images(network, pixels), {});
  const RunResult run =
      make_reference_engine()->run(q.network, uniform(q.network, {}), quantize_input(q.network, pixels.data(), 4), {});
  const IntegerLayer& sum = q.network.layers[3];
  ASSERT_EQ(sum.op, IntegerOp::Add);
  const auto layer = [&](std::size_t i) { return static_cast<std::size_t>(sum.inputs[i]); };
  const TensorFormat a = q.network.layers[layer(0)].output, b = q.network.layers[layer(1)].output;
  const double twice = 2 * std::max(a.scale, b.scale);
  for (std::size_t i = 0; i < run.layers[3].codes.data.size(); ++i) {
    const std::int64_t x = tflite_multiply((run.layers[layer(0)].codes.data[i] - a.zero_point) << 20, a.scale / twice);
    const std::int64_t y = tflite_multiply((run.layers[layer(1)].codes.data[i] - b.zero_point) << 20, b.scale / twice);
    const std::int64_t z = tflite_multiply(x + y, twice / (1048576.0 * sum.output.scale)) + sum.output.zero_point;
    ASSERT_EQ(run.layers[3].codes.data[i], std::clamp<std::int64_t>(z, sum.output.zero_point, 127)) << i;
  }
}

// Codes and float results of all layers of the small network on 16 images of random pixels.
struct SoftmaxCase {
  Quantized quantized;
  RunResult run;
  std::vector<FloatTensor> floats;
};
SoftmaxCase softmax_case(const QuantizeOptions& options) {
  const Network network = small_network();
  std::vector<std::uint8_t> pixels(16 * 192);
  arith::Random random(4);
  for (auto& p : pixels) p = static_cast<std::uint8_t>(random.below(256));
  const FloatTensor real = images(network, pixels);
  SoftmaxCase result{quantize(network, real, options), {}, {}};
  const IntegerNetwork& integers = result.quantized.network;
  result.run = make_reference_engine()->run(integers, uniform(integers, {}),
                                            quantize_input(integers, pixels.data(), 16), {});
  result.floats = run_float(result.quantized.folded, real);
  return result;
}

TEST(Quantize, KeepsASoftmaxBehindTheSameIntegers) {
  for (const QuantizeScheme scheme : {QuantizeScheme::Int8, QuantizeScheme::Fixed, QuantizeScheme::Dfp}) {
    QuantizeOptions options;
    options.scheme = scheme;
    const SoftmaxCase without = softmax_case(options);
    options.keep_softmax = true;
    const SoftmaxCase with = softmax_case(options);
    const IntegerNetwork &a = without.quantized.network, &b = with.quantized.network;
    ASSERT_EQ(b.layers.size(), a.layers.size() + 1);
    EXPECT_NE(a.layers.back().op, IntegerOp::Softmax);
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
      EXPECT_EQ(a.layers[i].name, b.layers[i].name);
      EXPECT_EQ(a.layers[i].output, b.layers[i].output);
      EXPECT_EQ(a.layers[i].weight, b.layers[i].weight);
      EXPECT_EQ(a.layers[i].stages, b.layers[i].stages);
      EXPECT_EQ(without.run.layers[i].codes, with.run.layers[i].codes);
    }
    const IntegerLayer& soft = b.layers.back();
    EXPECT_EQ(soft.op, IntegerOp::Softmax);
    EXPECT_EQ(b.output, static_cast<int>(b.layers.size()) - 1);
    EXPECT_EQ(soft.inputs, std::vector<int>{a.output});
    EXPECT_EQ(soft.output.scale, scheme == QuantizeScheme::Int8 ? 0x1p-8 : 0x1p-7);
    EXPECT_EQ(soft.output.zero_point, scheme == QuantizeScheme::Int8 ? -128 : 0);
    EXPECT_EQ(soft.exponentials[0], 65535);
    const double next = 65535 * std::exp(-a.layers[static_cast<std::size_t>(a.output)].output.scale);
    EXPECT_NEAR(soft.exponentials[1], next, 0.51);
    // Against the float network's softmax: half a code of the results and the error of the logits.
    FloatError error;
    error.observe(with.floats[static_cast<std::size_t>(soft.float_node)], with.run.layers.back().codes, soft.output);
    EXPECT_LT(error.max_abs_error, scheme == QuantizeScheme::Int8 ? 0.02 : 0.06);
    EXPECT_GT(error.sqnr_db(), scheme == QuantizeScheme::Int8 ? 35 : 25);
  }
}

TEST(Quantize, LogitsAreRepresentedWholeBeforeASoftmaxToo) {
  for (const QuantizeScheme scheme : {QuantizeScheme::Int8, QuantizeScheme::Dfp}) {
    QuantizeOptions options;
    options.scheme = scheme;
    options.method = CalibrationMethod::Percentile;  // of all other tensors the ends are cut off
    options.percentile = 60;
    options.overflow_rate = 0.3;
    const TensorFormat logits = softmax_case(options).quantized.network.layers.back().output;
    options.keep_softmax = true;
    const IntegerNetwork kept = softmax_case(options).quantized.network;
    EXPECT_EQ(kept.layers[kept.layers.size() - 2].output, logits);
  }
}

TEST(Quantize, ASoftmaxInsideTheNetworkIsConvertedToo) {
  Network network = load_network(parse_yaml(R"(
model:
  name: inner
  input: [4, 4, 2]
  layers: {fc: {type: fully_connected, channels: 6}, soft: {type: softmax}, last: {type: fully_connected, channels: 3}}
  graph: [{from: input, with: [fc, soft, last], to: output}]
)"));
  initialise(network, 3);
  FloatTensor images({4, 4, 4, 2});
  for (std::size_t i = 0; i < images.data.size(); ++i) images.data[i] = static_cast<float>(i * 37 % 100) / 50 - 1;
  const IntegerNetwork q = quantize(network, images, {}).network;
  ASSERT_EQ(q.layers.size(), 4u);
  EXPECT_EQ(q.layers[2].op, IntegerOp::Softmax);
  EXPECT_EQ(q.layers[3].inputs, std::vector<int>{2});
}

TEST(Quantize, RefusesASoftmaxOfMoreThanEightBits) {
  QuantizeOptions options;
  options.activation_bits = 9;
  EXPECT_NO_THROW((void)softmax_case(options));
  options.keep_softmax = true;
  try {
    (void)softmax_case(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "quantize: node soft: softmax by table: found inputs of 9 bits, allowed up to 8; set "
                               "activation_bits=8 or keep_softmax=false");
  }
}

TEST(Options, AreReadAndChecked) {
  const QuantizeOptions options = read_quantize_options(Section::parse(
      "scheme: dfp\nactivation_bits: 16\ncalibration: {method: mse, overflow_rate: 0.01, images: 9}\nrounding: TRN\n"));
  EXPECT_EQ(options.scheme, QuantizeScheme::Dfp);
  EXPECT_EQ(options.activation_bits, 16);
  EXPECT_EQ(options.weight_bits, 8);
  EXPECT_EQ(options.images, 9);
  EXPECT_EQ(options.rounding, arith::Rounding::TRN);
  EXPECT_FALSE(options.keep_softmax);
  EXPECT_TRUE(read_quantize_options(Section::parse("keep_softmax: true")).keep_softmax);
  for (const char* bad : {"scheme: int9", "weight_bits: 1", "calibration: {method: max}", "output_policy: pow2",
                          "keep_softmax: 2"}) {
    EXPECT_THROW((void)read_quantize_options(Section::parse(bad)), Error) << bad;
  }
}

}  // namespace
}  // namespace guardbit::nets
