// Quantizers against their definitions, written out; gradients against derivatives of the surrogate that
// straight-through estimation stands for; golden vectors; the configuration and its mistakes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "nets/quantize/affine.hpp"
#include "trainer/quant/affine_quantizer.hpp"
#include "trainer/quant/fixed_quantizers.hpp"
#include "trainer/quant/learned_quantizers.hpp"
#include "trainer/quant/level_quantizers.hpp"
#include "trainer/quant/quant_options.hpp"

namespace guardbit::trainer {
namespace {

using Values = std::vector<double>;

Values forward(const Quantizer& quantizer, const Values& x, const RandomKey& key = {}, std::int64_t first = 0) {
  Values y(x.size());
  quantizer.forward(x, y, key, first);
  return y;
}
Values backward(const Quantizer& quantizer, const Values& x, const Values& dy, double* learned = nullptr) {
  Values dx(x.size());
  const double gradient = quantizer.backward(x, dy, dx);
  if (learned != nullptr) *learned = gradient;
  return dx;
}
Values random(std::size_t count, std::uint64_t seed, double scale = 1) {
  arith::Random source(seed);
  Values values(count);
  for (double& v : values) v = static_cast<double>(static_cast<float>(source.normal() * scale));
  return values;
}
Observation seen(const Quantizer& quantizer, const Values& values) {
  Observation observation = quantizer.observation();
  observation.observe(values);
  return observation;
}
QuantizerCommon bits(int width) { return {.width = width}; }

nlohmann::json vectors() {
  const char* shared = std::getenv("GUARDBIT_SHARED");
  std::ifstream file(std::string(shared != nullptr ? shared : "../shared") + "/vectors.json");
  if (!file) return {};
  return nlohmann::json::parse(file);
}
double fraction(const std::string& text) {
  const std::size_t slash = text.find('/');
  return slash == std::string::npos ? std::stod(text)
                                    : std::stod(text.substr(0, slash)) / std::stod(text.substr(slash + 1));
}

TEST(FixedPoint, RoundsHalfToEvenAndSaturates) {
  const FixedQuantizer quantizer(bits(4), 2, Stochastic::Off);  // step 1/4, -2 .. 1.75
  EXPECT_EQ(forward(quantizer, {0.125, 0.375, -0.125, -0.375, 0.3, 1.8, 5, -1.9, -2.1, -7}),
            (Values{0, 0.5, 0, -0.5, 0.25, 1.75, 1.75, -2, -2, -2}));
}

TEST(FixedPoint, GradientIsOneInsideTheRangeAndNothingOutside) {
  const FixedQuantizer quantizer(bits(4), 2, Stochastic::Off);
  EXPECT_EQ(backward(quantizer, {1.75, 1.76, -2, -2.01, 0, 9}, {3, 3, 4, 4, 5, 5}), (Values{3, 0, 4, 0, 5, 0}));
}

TEST(FixedPoint, EqualsGoldenVectors) {
  const nlohmann::json all = vectors();
  if (all.is_null()) GTEST_SKIP() << "no vectors.json (set GUARDBIT_SHARED)";
  int rows = 0;
  for (const auto& row : all["fixed"]) {
    const int width = row["width"], point = row["point"];
    const FixedQuantizer quantizer(bits(width), point, Stochastic::Off);
    const double code = forward(quantizer, {std::stod(row["v"].get<std::string>())})[0] *
                        std::ldexp(1.0, width - point);
    EXPECT_EQ(code, row["q"].get<double>()) << row;
    ++rows;
  }
  EXPECT_EQ(rows, 120);
}

TEST(FixedPoint, StochasticRoundingDependsOnTheElementAloneAndIsUnbiased) {
  const FixedQuantizer ulp(bits(8), 8, Stochastic::Ulp), naive(bits(8), 8, Stochastic::Naive);  // step 1
  const Values x(40000, 3.25);
  const RandomKey key{.seed = 7, .step = 3, .stream = 5};
  const Values whole = forward(ulp, x, key);
  double mean = 0, up = 0;
  for (const double y : whole) {
    EXPECT_TRUE(y == 3 || y == 4);
    mean += y / 40000;
  }
  EXPECT_NEAR(mean, 3.25, 0.01);
  for (const double y : forward(naive, x, key)) up += y == 4 ? 1 : 0;
  EXPECT_NEAR(up / 40000, 0.5, 0.01);
  EXPECT_EQ(forward(naive, {3, -2}, key), (Values{3, -2}));  // whole numbers stay
  const Values part = forward(ulp, Values(x.begin(), x.begin() + 1000), key, 1003);
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[1003 + i]);
  EXPECT_NE(forward(ulp, x, {.seed = 7, .step = 4, .stream = 5}), whole);
  EXPECT_NE(forward(ulp, x, {.seed = 7, .step = 3, .stream = 6}), whole);
}

TEST(DynamicFixedPoint, PointsEqualGoldenVectors) {
  const nlohmann::json all = vectors();
  if (all.is_null()) GTEST_SKIP() << "no vectors.json (set GUARDBIT_SHARED)";
  int rows = 0;
  const auto expect = [&](const nlohmann::json& row, const Values& values) {
    DfpQuantizer quantizer(bits(row["width"]), fraction(row["overflow_rate"]), Stochastic::Off);
    quantizer.update(seen(quantizer, values));
    EXPECT_EQ(quantizer.point(), row["point"].get<int>()) << row;
    ++rows;
  };
  const auto values_of = [](const nlohmann::json& list) {
    Values values;
    for (const auto& text : list) values.push_back(fraction(text));
    return values;
  };
  for (const auto& row : all["dg"]) expect(row, values_of(all["dg_tensors"][row["t"].get<std::string>()]));
  for (const auto& row : all["dg_special"]) expect(row, values_of(row["vals"]));
  EXPECT_EQ(rows, 27);
}

TEST(DynamicFixedPoint, ZerosLeaveThePointAlone) {
  DfpQuantizer quantizer(bits(8), 0, Stochastic::Off);
  EXPECT_FALSE(quantizer.is_ready());
  quantizer.update(seen(quantizer, {0, 0}));
  EXPECT_EQ(quantizer.point(), 8);
  EXPECT_FALSE(quantizer.is_ready());  // to be tried again with the next values
  quantizer.update(seen(quantizer, {0.3, 0}));
  EXPECT_EQ(quantizer.point(), 0);
  quantizer.update(seen(quantizer, {0, 0}));
  EXPECT_EQ(quantizer.point(), 0);
  EXPECT_TRUE(quantizer.wants_update(true));
  EXPECT_FALSE(quantizer.wants_update(false));
}

TEST(AffineActivationRule, RangeIsAMovingAverageAndGradientStopsAtItsNudgedEnds) {
  AffineActivation quantizer(bits(8), 0.75);
  quantizer.update(seen(quantizer, {-1, 0.5, 3}));
  EXPECT_EQ(quantizer.tensor_format(), nets::affine_format(-1, 3, 8));
  quantizer.update(seen(quantizer, {-2, 7}));  // 0.75 * -1 + 0.25 * -2, 0.75 * 3 + 0.25 * 7
  const nets::TensorFormat format = quantizer.tensor_format();
  EXPECT_EQ(format, nets::affine_format(-1.25, 4, 8));
  const double low = format.scale * static_cast<double>(-128 - format.zero_point);
  const double high = format.scale * static_cast<double>(127 - format.zero_point);
  EXPECT_EQ(backward(quantizer, {low, low * 1.001, high, high * 1.001, 0}, {1, 1, 2, 2, 3}), (Values{1, 0, 2, 0, 3}));
  const Values y = forward(quantizer, {0, 1.0, 100});
  EXPECT_EQ(y[0], 0);
  EXPECT_NEAR(y[1], 1.0, format.scale / 2);
  EXPECT_EQ(y[2], high);
}

TEST(AffineWeightsRule, ScaleOfEveryChannelIsItsLargestWeight) {
  AffineWeights quantizer(bits(4), true);
  const Values w{0.875, -0.3125, 0.02, 0.109375, -0.0546875, 0.0234375};
  quantizer.prepare(w, 2);
  const nets::WeightFormat format = quantizer.weight_format();
  EXPECT_EQ(format.scales, (Values{1.0 / 8, 1.0 / 64}));
  // Ties away from zero: -2.5, -3.5 and 1.5 steps.
  EXPECT_EQ(forward(quantizer, w), (Values{0.875, -0.375, 0, 7.0 / 64, -4.0 / 64, 2.0 / 64}));
  EXPECT_EQ(backward(quantizer, w, w), w);
}

TEST(Lsq, ForwardIsThePaperFormula) {
  LsqQuantizer weights(bits(3), true, 100, true), behind_relu(bits(2), false, 100, true);
  weights.set_learned(0.5);
  EXPECT_EQ(forward(weights, {0.25, 0.75, -0.3, 1.6, 1.4, -2.2, -1.9}), (Values{0, 1, -0.5, 1.5, 1.5, -2, -2}));
  behind_relu.set_learned(0.5);
  EXPECT_EQ(forward(behind_relu, {0, 0.3, 0.75, 1.4, 2}), (Values{0, 0.5, 1, 1.5, 1.5}));
}

// Rounding is held: y(x, s) = s * (clip(x / s, -Qn, Qp) + r) with r = round(v) - v of the point where the derivative is
// taken, 0 where it clips.
TEST(Lsq, GradientsAreThoseOfTheSurrogate) {
  for (const bool is_signed : {true, false}) {
    LsqQuantizer quantizer(bits(3), is_signed, 50, false);
    const double low = is_signed ? -4 : 0, high = is_signed ? 3 : 7, s = 0.37, h = 1e-6;
    quantizer.set_learned(s);
    const Values x = random(400, 3), dy = random(400, 4);
    double learned = 0, expected = 0;
    const Values dx = backward(quantizer, x, dy, &learned);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = x[i] / s;
      const bool inside = v >= low && v <= high;
      const double r = inside ? std::nearbyint(v) - v : 0;
      const auto surrogate = [&](double at, double step) { return step * (std::clamp(at / step, low, high) + r); };
      expected += dy[i] * (surrogate(x[i], s + h) - surrogate(x[i], s - h)) / (2 * h);
      EXPECT_NEAR(dx[i], dy[i] * (surrogate(x[i] + h, s) - surrogate(x[i] - h, s)) / (2 * h), 1e-7) << i;
    }
    EXPECT_NEAR(learned, expected, 1e-6);
    LsqQuantizer scaled(bits(3), is_signed, 50, true);
    scaled.set_learned(s);
    double with_scale = 0;
    backward(scaled, x, dy, &with_scale);
    EXPECT_NEAR(with_scale, learned / std::sqrt(50 * high), 1e-9);
  }
}

TEST(Lsq, FirstStepIsTwiceTheMeanMagnitude) {
  LsqQuantizer quantizer(bits(4), true, 10, true);
  EXPECT_TRUE(quantizer.wants_update(false));
  quantizer.update(seen(quantizer, {1, -2, 3, -2}));
  EXPECT_DOUBLE_EQ(quantizer.initial_learned(), 2 * 2 / std::sqrt(7.0));
  EXPECT_FALSE(quantizer.wants_update(true));  // from here on the optimizer moves it
}

TEST(Pact, GradientsAreThoseOfTheClip) {
  PactQuantizer quantizer(bits(4), 10, 0.01);
  quantizer.set_learned(1.5);
  const Values x = random(300, 8), dy = random(300, 9);
  double learned = 0, expected = 0;
  const Values dx = backward(quantizer, x, dy, &learned), y = forward(quantizer, x);
  const auto clip = [](double v, double a) { return std::clamp(v, 0.0, a); };
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double h = 1e-7;
    expected += dy[i] * (clip(x[i], 1.5 + h) - clip(x[i], 1.5 - h)) / (2 * h);
    EXPECT_NEAR(dx[i], dy[i] * (clip(x[i] + h, 1.5) - clip(x[i] - h, 1.5)) / (2 * h), 1e-7) << i;
    EXPECT_NEAR(y[i], 1.5 / 15 * std::nearbyint(15 * clip(x[i], 1.5) / 1.5), 1e-12);
  }
  EXPECT_NEAR(learned, expected, 1e-6);
  EXPECT_DOUBLE_EQ(quantizer.learned_decay(), 0.015);
  EXPECT_EQ(backward(quantizer, {1.5}, {2}, &learned), Values{0});  // at the clip it is clipped
  EXPECT_EQ(learned, 2);
}

TEST(Dorefa, WeightsAreOddLevelsAndTheirGradientGoesThroughTanh) {
  DorefaWeights quantizer(bits(2));
  const Values x = random(200, 11), dy = random(200, 12);
  quantizer.prepare(x, 1);
  double largest = 0;
  for (const double v : x) largest = std::max(largest, std::abs(std::tanh(v)));
  const Values y = forward(quantizer, x), dx = backward(quantizer, x, dy);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double t = std::tanh(x[i]) / (2 * largest) + 0.5;
    EXPECT_DOUBLE_EQ(y[i], 2 * std::nearbyint(3 * t) / 3 - 1);
    const double h = 1e-6;
    const double slope = (std::tanh(x[i] + h) - std::tanh(x[i] - h)) / (2 * h) / largest;
    EXPECT_NEAR(dx[i], dy[i] * slope, 1e-7);
  }
}

TEST(Dorefa, ActivationsAreClippedAndRounded) {
  const DorefaActivation quantizer(bits(2), 1);
  const Values x{-0.5, 0, 0.2, 0.5, 1, 1.5};
  const Values y = forward(quantizer, x);
  EXPECT_EQ(y, (Values{0, 0, 1.0 / 3, 2.0 / 3, 1, 1}));
  EXPECT_EQ(backward(quantizer, x, Values(6, 2)), (Values{0, 2, 2, 2, 2, 0}));
}

TEST(BinaryConnectRule, SignsWithOneForZero) {
  const BinaryConnect quantizer(bits(1));
  EXPECT_EQ(forward(quantizer, {-0.1, 0, 2}), (Values{-1, 1, 1}));
  EXPECT_EQ(backward(quantizer, {-5, 0.1}, {3, 4}), (Values{3, 4}));
  EXPECT_TRUE(quantizer.clips_masters());
  nets::FloatTensor weight({3});
  weight.data = {-0.1F, 0, 2};
  EXPECT_EQ(nets::weight_codes(quantizer.weight_format(), {1, 1, 1}, weight).data,
            (std::vector<std::int32_t>{-1, 1, 1}));
}

// What a rule says of reals and what its format says of codes are the same numbers.
TEST(Quantizers, RealsOfWeightRulesAreTheirCodesTimesTheirScale) {
  const Values w = random(96, 21, 0.3);
  const auto expect_same = [&](Quantizer&& quantizer) {
    if (quantizer.wants_update(true)) quantizer.update(seen(quantizer, w));
    quantizer.prepare(w, 4);
    const nets::WeightFormat format = quantizer.weight_format();
    nets::FloatTensor tensor({4, 24});
    std::transform(w.begin(), w.end(), tensor.data.begin(), [](double v) { return static_cast<float>(v); });
    std::vector<double> scales;
    for (std::size_t k = 0; k < 4; ++k) scales.push_back(format.scale(k));
    const nets::IntTensor codes = nets::weight_codes(format, scales, tensor);
    const Values y = forward(quantizer, w);
    std::set<std::int32_t> used;
    for (std::size_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(y[i], codes.data[i] * scales[i / 24], 1e-12) << quantizer.type() << " " << i;
      EXPECT_TRUE(format.format.contains(codes.data[i]));
      used.insert(codes.data[i]);
    }
    return used;
  };
  EXPECT_GT(expect_same(AffineWeights(bits(8), true)).size(), 40U);
  EXPECT_LE(expect_same(AffineWeights(bits(2), false)).size(), 3U);
  expect_same(FixedQuantizer(bits(6), 1, Stochastic::Off));
  expect_same(DfpQuantizer(bits(8), 0, Stochastic::Off));
  EXPECT_LE(expect_same(LsqQuantizer(bits(3), true, 96, true)).size(), 8U);
  EXPECT_EQ(expect_same(DorefaWeights(bits(2))), (std::set<std::int32_t>{-3, -1, 1, 3}));
  EXPECT_EQ(expect_same(DorefaWeights(bits(1))), (std::set<std::int32_t>{-1, 1}));
  EXPECT_EQ(expect_same(BinaryConnect(bits(1))), (std::set<std::int32_t>{-1, 1}));
}

TEST(Chain, IsSortedByPriorityHighestFirst) {
  std::vector<std::unique_ptr<Quantizer>> all;
  all.push_back(std::make_unique<FixedQuantizer>(QuantizerCommon{.width = 4, .priority = 1}, 2, Stochastic::Off));
  all.push_back(std::make_unique<DfpQuantizer>(QuantizerCommon{.width = 8, .priority = 5}, 0, Stochastic::Off));
  const QuantizerChain chain(std::move(all), "here");
  EXPECT_EQ(chain.all()[0]->type(), "dfp");
  EXPECT_EQ(chain.all()[1]->type(), "fixed");
}

const std::vector<LayerTraits> kLayers{
    {.name = "conv", .weighted = true, .behind_relu = true, .weights = 100, .elements = 50},
    {.name = "sum", .behind_relu = false, .elements = 50},
    {.name = "scores", .weighted = true, .scores = true, .weights = 20, .elements = 10}};

QuantOptions options(const std::string& yaml) { return read_quant_options(nets::parse_yaml(yaml), kLayers); }
std::string error_of(const std::string& yaml) {
  try {
    options("quantizer:\n  weights: {type: affine}\n  activation: {type: affine}\n" + yaml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(QuantizerOptions, LayersOverrideAndRemove) {
  const QuantOptions all = options(R"(
quantizer:
  weights: {type: lsq, width: 4}
  biases: {type: dfp, width: 16}
  activation: {type: lsq, width: 4}
  gradient: {weights: {type: dfp, width: 16}, error: [{type: fixed, point: 3}, {type: dfp, priority: 2}]}
  layers:
    conv: {weights: {width: 8}, gradient: {error: null}, biases: null}
    scores: {weights: {type: affine, width: 6}}
  update: {interval: 7}
  quant_delay: 5
  freeze_bn_delay: 9
)");
  const LayerQuantizers &conv = all.layers.at("conv"), &sum = all.layers.at("sum"), &scores = all.layers.at("scores");
  EXPECT_EQ(conv.weights->type(), "lsq");
  EXPECT_EQ(conv.weights->width(), 8);
  EXPECT_EQ(conv.activation->type(), "lsq");
  EXPECT_EQ(conv.biases, nullptr);
  EXPECT_TRUE(conv.gradient_error.empty());
  EXPECT_EQ(conv.gradient_weights.all().size(), 1U);
  EXPECT_EQ(sum.activation->type(), "affine");  // not behind relu
  EXPECT_EQ(sum.activation->width(), 8);
  EXPECT_EQ(sum.weights, nullptr);
  EXPECT_EQ(scores.activation->type(), "affine");
  EXPECT_EQ(scores.weights->type(), "affine");
  EXPECT_EQ(scores.weights->width(), 6);
  EXPECT_EQ(scores.biases->width(), 16);
  EXPECT_EQ(scores.gradient_error.all()[0]->type(), "dfp");
  EXPECT_EQ(all.schedule.interval, 7U);
  EXPECT_EQ(all.schedule.quant_delay, 5U);
  EXPECT_EQ(all.schedule.freeze_bn_delay, 9U);
}

TEST(QuantizerOptions, EveryMistakeIsOneClearLine) {
  EXPECT_EQ(error_of(""), "no error");
  EXPECT_EQ(error_of("  wieghts: {}\n").substr(0, 50), "text:4: quantizer.wieghts: unknown key, did you me");
  EXPECT_EQ(error_of("  layers: {conv: {weights: {width: 17}}}\n"),
            "text:4: quantizer.layers.conv.weights.width: found 17, allowed 2 to 16");
  EXPECT_EQ(error_of("  layers: {convv: {}}\n"),
            "text:4: quantizer.layers.convv: found a layer without codes of its own, or no layer, allowed conv, sum, "
            "scores");
  EXPECT_EQ(error_of("  layers: {sum: {weights: {type: affine}}}\n"),
            "text:4: quantizer.layers.sum.weights: found a rule, allowed none: sum has no weights");
  EXPECT_EQ(error_of("  layers: {sum: {activation: {type: pact}}}\n"),
            "text:4: quantizer.layers.sum.activation.type: found pact, allowed lsq, affine, dfp, fixed: the output of "
            "sum is not behind relu");
  EXPECT_EQ(error_of("  gradient: {error: {type: affine}}\n"),
            "text:4: quantizer.gradient.error.type: found affine, allowed fixed, dfp");
  EXPECT_EQ(error_of("  gradient: {error: [{type: dfp}, {type: dfp}]}\n"),
            "text:4: quantizer.gradient.error: found two quantizers of type dfp, allowed one of each");
  EXPECT_EQ(error_of("  gradient: {eror: {type: dfp}}\n").substr(0, 59),
            "text:4: quantizer.gradient.eror: unknown key, did you mean ");
  EXPECT_EQ(error_of("  biases: [{type: dfp}, {type: fixed}]\n"),
            "text:4: quantizer.biases: found 2 rules, allowed one: codes come from one rule");
  EXPECT_EQ(error_of("  layers: {conv: {weights: null}}\n"),
            "text:2: quantizer: layer conv: found no rule for weights, allowed one: integers need codes");
  EXPECT_EQ(error_of("  layers: {conv: {activation: {type: dfp, stochastic: ulp}}}\n"),
            "text:4: quantizer.layers.conv.activation.stochastic: found ulp, allowed false: codes do not depend on the "
            "step; gradients may be rounded so");
  EXPECT_EQ(error_of("  layers: {conv: {weights: {enable: false}}}\n"),
            "text:4: quantizer.layers.conv.weights.enable: found false, allowed true: integers need codes here");
  EXPECT_EQ(error_of("  layers: {conv: {weights: {decay: 0.5}}}\n").substr(0, 63),
            "text:4: quantizer.layers.conv.weights.decay: unknown key, allow");
}

}  // namespace
}  // namespace guardbit::trainer
