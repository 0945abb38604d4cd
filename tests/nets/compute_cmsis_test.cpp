// The operators of nets/compute against outputs that CMSIS-NN publishes.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "nets/compute/operators.hpp"
#include "nets/compute/softmax.hpp"
#include "nets/engines/engine.hpp"
#include "tests/nets/cmsis_cases.hpp"

namespace guardbit::nets {
namespace {

using tests::CmsisCase;
using tests::CmsisNetwork;
using Data = std::vector<std::int64_t>;

std::filesystem::path cases_file() {
  const char* const data = std::getenv("GUARDBIT_DATA");
  return std::filesystem::path(data != nullptr ? data : "../shared/data") / "cmsis_nn/cases.jsonl";
}

// Nothing is lost in 64 bits: an overflow would be the test's fault.
arith::Accumulation exact() {
  arith::Accumulation accumulation;
  accumulation.accumulator.format = arith::integer_format(64);
  return accumulation;
}

Data staged(const compute::Accumulated& accumulated, const WideTensor& values, const arith::StageList& stages) {
  EXPECT_EQ(accumulated.evidence.accumulator.count, 0u);
  return compute::apply(compute::prepare(stages, values.shape), values, "stages", 2).values.data;
}

compute::Operand operand(const IntTensor& codes, const TensorFormat& format) {
  const Data wide(codes.data.begin(), codes.data.end());
  return compute::make_operand("operand", codes.shape, wide, format.format, format.zero_point);
}

// One layer through the operator of nets/compute that it is; nothing if it is none of them.
std::optional<Data> run(const CmsisNetwork& n) {
  IntegerLayer layer = n.network.layers[1];
  const TensorFormat& format = n.network.layers[0].output;
  if (n.network.layers.size() == 3 && n.network.layers[2].op == IntegerOp::Requantize) {
    const arith::StageList& more = n.network.layers[2].stages;
    layer.stages.insert(layer.stages.end(), more.begin(), more.end());
  } else if (n.network.layers.size() != 2) {
    return std::nullopt;
  }
  const compute::Operand input = operand(n.input, format);
  const Window& w = layer.window;
  switch (layer.op) {
    case IntegerOp::Conv2d: {
      const compute::ConvOptions options{
          .stride = {w.stride_h, w.stride_w}, .dilation = {w.dilation_h, w.dilation_w},
          .padding = {w.padding.top, w.padding.bottom, w.padding.left, w.padding.right}, .pad_value = std::nullopt,
          .groups = layer.groups};
      const compute::Operand weight = operand(layer.weight, {layer.weight_format, 1.0, 0});
      const bool depthwise = layer.groups == n.input.shape[3];
      const auto result = depthwise ? compute::depthwise(input, weight, layer.bias, options, exact(), 2)
                                    : compute::conv2d(input, weight, layer.bias, options, exact(), 2);
      return staged(result, result.accumulators, layer.stages);
    }
    case IntegerOp::FullyConnected: {
      const std::int64_t rows = n.input.shape[0], depth = n.input.count() / rows, columns = layer.weight.shape[0];
      compute::Operand lhs = input, rhs = operand(layer.weight, {layer.weight_format, 1.0, 0});
      lhs.codes.shape = {rows, depth};
      rhs.codes.shape = {depth, columns};
      for (std::int64_t k = 0; k < depth; ++k) {
        for (std::int64_t c = 0; c < columns; ++c) {
          rhs.codes.data[static_cast<std::size_t>(k * columns + c)] =
              layer.weight.data[static_cast<std::size_t>(c * depth + k)];
        }
      }
      const auto result = compute::gemm(lhs, rhs, layer.bias, exact(), 2);
      return staged(result, result.accumulators, layer.stages);
    }
    case IntegerOp::MaxPool:
    case IntegerOp::AveragePool: {
      const auto kind = layer.op == IntegerOp::MaxPool ? compute::PoolKind::Max : compute::PoolKind::Average;
      compute::Operand codes = input;  // pooling works on codes, whatever their zero point
      codes.zero_point = 0;
      const auto result = compute::pool(codes, kind, w, exact(), 2);
      return staged(result.accumulated, result.values, layer.stages);
    }
    default:
      return std::nullopt;
  }
}

std::uint64_t differences(const Data& found, const Data& expected) {
  if (found.size() != expected.size()) return std::max(found.size(), expected.size());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < found.size(); ++i) count += found[i] != expected[i] ? 1 : 0;
  return count;
}

struct Tally {
  int cases = 0;
  std::uint64_t outputs = 0, different = 0;
  void add(const Data& found, const Data& expected, const std::string& name) {
    ++cases;
    outputs += expected.size();
    const std::uint64_t count = differences(found, expected);
    EXPECT_EQ(count, 0u) << name << ": of " << expected.size();
    different += count;
  }
};

// value * multiplier * 2^(shift - 31), rounded twice.
arith::StageList rescaled(const Data& multipliers, const Data& shifts) {
  Data left, right;
  for (const std::int64_t shift : shifts) {
    left.push_back(std::max<std::int64_t>(shift, 0));
    right.push_back(std::max<std::int64_t>(-shift, 0));
  }
  return {arith::ShiftLeft{arith::Parameter(left)}, arith::Multiply{arith::Parameter(multipliers), {}},
          arith::ShiftRight{31, arith::Rounding::RND}, arith::Narrow{arith::integer_format(32)},
          arith::ShiftRight{arith::Parameter(right), arith::Rounding::RND_INF}};
}

arith::StageList output_stages(const CmsisCase& c, const Data& multipliers, const Data& shifts) {
  arith::StageList stages = rescaled(multipliers, shifts);
  stages.emplace_back(arith::Add{c.number("OUTPUT_OFFSET")});
  stages.emplace_back(arith::Clamp{c.number("OUT_ACTIVATION_MIN"), c.number("OUT_ACTIVATION_MAX")});
  return stages;
}

// add and mul of two tensors of one shape.
Data pair(const CmsisCase& c) {
  const arith::Format format = arith::integer_format(c.type({"input1_data"}) == "int16_t" ? 16 : 8);
  const auto input = [&](const std::string& number) {
    const Data codes = c.array({"input" + number + "_data"});
    return compute::make_operand("input" + number, {static_cast<std::int64_t>(codes.size())}, codes, format,
                                 -c.number("INPUT" + number + "_OFFSET"));
  };
  const compute::Operand lhs = input("1"), rhs = input("2");
  const arith::StageList out = output_stages(c, {c.number("OUTPUT_MULT")}, {c.number("OUTPUT_SHIFT")});
  if (c.name().starts_with("mul")) {
    const auto result = compute::multiply(lhs, rhs, exact(), 2);
    return staged(result, result.accumulators, out);
  }
  const auto stages_of = [&](const std::string& number) {
    arith::StageList stages = rescaled({c.number("INPUT" + number + "_MULT")}, {c.number("INPUT" + number + "_SHIFT")});
    stages.insert(stages.begin(), arith::ShiftLeft{c.number("LEFT_SHIFT")});
    return stages;
  };
  const arith::StageList lhs_stages = stages_of("1"), rhs_stages = stages_of("2");
  arith::StageCounts lhs_counts, rhs_counts;
  const auto result = compute::add({lhs, lhs_stages, lhs_counts}, {rhs, rhs_stages, rhs_counts}, exact(), 2);
  return staged(result, result.accumulators, out);
}

// Transposed convolution as the convolution it is: the input spread out by the stride (zero points in between), padded
// by kernel - 1 - padding, with the kernel turned by half a turn.
Data transposed_convolution(const CmsisCase& c) {
  const std::int64_t images = c.number("INPUT_BATCHES"), h = c.number("INPUT_H"), w = c.number("INPUT_W");
  const std::int64_t channels = c.number("IN_CH");
  const std::int64_t stride_h = c.number("STRIDE_Y"), stride_w = c.number("STRIDE_X");
  const std::int64_t r_count = c.number("FILTER_Y"), s_count = c.number("FILTER_X"), outputs = c.number("OUT_CH");
  const std::int64_t top = r_count - 1 - c.number("PAD_Y"), left = s_count - 1 - c.number("PAD_X");
  const std::int64_t spread_h = (h - 1) * stride_h + 1, spread_w = (w - 1) * stride_w + 1;
  const std::int64_t bottom = c.number("OUTPUT_H") + r_count - 1 - spread_h - top;
  const std::int64_t right = c.number("OUTPUT_W") + s_count - 1 - spread_w - left;
  const TensorFormat format{arith::integer_format(8), 1.0, -c.number("INPUT_OFFSET")};
  const Data input = c.array({"input_data"}), weights = c.array({"weights_data"});

  IntTensor spread({images, spread_h, spread_w, channels});
  std::fill(spread.data.begin(), spread.data.end(), static_cast<std::int32_t>(format.zero_point));
  for (std::int64_t i = 0; i < images * h * w * channels; ++i) {
    const std::int64_t n = i / channels / w / h, y = i / channels / w % h, x = i / channels % w;
    const std::int64_t pixel = (n * spread_h + y * stride_h) * spread_w + x * stride_w;
    spread.data[static_cast<std::size_t>(pixel * channels + i % channels)] =
        static_cast<std::int32_t>(input[static_cast<std::size_t>(i)]);
  }
  IntTensor turned({outputs, r_count, s_count, channels});
  for (std::int64_t k = 0; k < outputs; ++k) {
    for (std::int64_t tap = 0; tap < r_count * s_count; ++tap) {
      for (std::int64_t d = 0; d < channels; ++d) {
        const std::int64_t other = r_count * s_count - 1 - tap;
        turned.data[static_cast<std::size_t>((k * r_count * s_count + tap) * channels + d)] = static_cast<std::int32_t>(
            weights[static_cast<std::size_t>((k * r_count * s_count + other) * channels + d)]);
      }
    }
  }
  const arith::StageList stages = output_stages(c, c.array({"output_mult_data"}), c.array({"output_shift_data"}));
  const compute::ConvOptions options{.stride = {1, 1}, .dilation = {1, 1}, .padding = {top, bottom, left, right},
                                     .pad_value = std::nullopt, .groups = 1};
  const auto result = compute::conv2d(operand(spread, format), operand(turned, {arith::integer_format(8), 1.0, 0}),
                                      c.array({"biases_data"}), options, exact(), 2);
  return staged(result, result.accumulators, stages);
}

TEST(ComputeCmsis, EveryOperatorThatComputeHasGivesThePublishedOutputs) {
  if (!std::filesystem::exists(cases_file())) GTEST_SKIP() << "no " << cases_file() << "; set GUARDBIT_DATA";
  Tally layers, pairs, transposed, softmax;
  std::map<std::string, int> not_run;
  for (const CmsisCase& c : tests::read_cmsis_cases(cases_file())) {
    SCOPED_TRACE(c.name());
    std::string reason;
    const std::vector<CmsisNetwork> networks = to_networks(c, tests::Requantization::AsPublished, reason);
    if (c.name().find("transpose_conv") != std::string::npos) {
      transposed.add(transposed_convolution(c), c.array({"output_ref_data"}), c.name());
    } else if (c.name().starts_with("add") || c.name().starts_with("mul")) {
      pairs.add(pair(c), c.array({"output_ref_data"}), c.name());
    } else if (c.name() == "softmax_s16") {
      const Data codes = c.array({"input_data"});
      const std::vector<std::int32_t> narrow(codes.begin(), codes.end());
      std::vector<std::int32_t> out(narrow.size());
      compute::softmax_int16(narrow, c.number("ROW_SIZE"),
                             {static_cast<std::int32_t>(c.number("INPUT_MULT")),
                              static_cast<int>(c.number("INPUT_LEFT_SHIFT"))}, out);
      softmax.add(Data(out.begin(), out.end()), c.array({"output_ref_data"}), c.name());
    } else if (networks.empty()) {
      ++not_run[reason];
    } else {
      Data found, expected;
      bool all = true;
      for (const CmsisNetwork& n : networks) {
        const std::optional<Data> one = run(n);
        all = all && one.has_value();
        if (!one) break;
        found.insert(found.end(), one->begin(), one->end());
        expected.insert(expected.end(), n.expected.begin(), n.expected.end());
      }
      if (all) {
        layers.add(found, expected, c.name());
      } else {
        ++not_run[fmt::format("{}, by the engines only", name(networks[0].network.layers.back().op))];
      }
    }
  }
  std::vector<std::string> families;
  for (const auto& [reason, count] : not_run) families.push_back(fmt::format("{} ({})", reason, count));
  const auto text = [](const char* what, const Tally& t) {
    return fmt::format("{}: {} cases, {} outputs, {} differences; ", what, t.cases, t.outputs, t.different);
  };
  fmt::print("compute, CMSIS-NN: {}{}{}{}not run here: {}\n", text("conv, depthwise, gemm, pool", layers),
             text("add, mul", pairs), text("transposed convolution", transposed), text("softmax int16", softmax),
             fmt::join(families, ", "));
  EXPECT_EQ(layers.cases, 75);
  EXPECT_EQ(pairs.cases, 3);
  EXPECT_EQ(transposed.cases, 4);
  EXPECT_EQ(softmax.cases, 1);
}

TEST(ComputeCmsis, DsCnnLEndsInExactlyThePublishedSoftmax) {
  if (!std::filesystem::exists(cases_file())) GTEST_SKIP() << "no " << cases_file() << "; set GUARDBIT_DATA";
  for (const CmsisCase& c : tests::read_cmsis_cases(cases_file())) {
    if (c.name() != "ds_cnn_l") continue;
    double step = 0;
    const CmsisNetwork n = tests::ds_cnn_network(c, step);
    const RunResult result = make_fast_engine()->run(n.network, uniform(n.network, {}), n.input, {});
    const std::vector<std::int32_t>& codes = result.layers.back().codes.data;
    const compute::SoftmaxInt8 parameters{static_cast<std::int32_t>(c.number("SOFTMAX_15_MULT")),
                                          static_cast<int>(c.number("SOFTMAX_15_SHIFT")),
                                          static_cast<std::int32_t>(c.number("SOFTMAX_15_DIFF_MIN"))};
    std::vector<std::int32_t> out(codes.size());
    compute::softmax_int8(codes, static_cast<std::int64_t>(codes.size()), parameters, out);
    EXPECT_EQ(Data(out.begin(), out.end()), n.expected);
    // The parameters follow from the real factor alone.
    const compute::SoftmaxInt8 derived = compute::softmax_int8_parameters(step);
    EXPECT_EQ(derived.multiplier, parameters.multiplier);
    EXPECT_EQ(derived.left_shift, parameters.left_shift);
    EXPECT_EQ(derived.diff_min, parameters.diff_min);
    return;
  }
  FAIL() << "no case ds_cnn_l";
}

}  // namespace
}  // namespace guardbit::nets
