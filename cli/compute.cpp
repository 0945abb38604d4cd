// guardbit compute: one operator on integers from .npy files.
#include <fmt/format.h>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/compute_help.hpp"
#include "cli/compute_job.hpp"

namespace guardbit::cli {
namespace {

namespace compute = nets::compute;
using nlohmann::json;

constexpr std::int64_t kMaxWindow = 1 << 20;  // of a stride, a dilation, a kernel, a padding

// [H, W]; a single number is both.
std::array<std::int64_t, 2> pair(const nets::Section& root, const char* key) {
  return root.pair(key, 1, kMaxWindow, std::array<std::int64_t, 2>{1, 1});
}

std::array<std::int64_t, 4> padding(const nets::Section& root) {
  const auto values = root.integers("padding", 0, kMaxWindow, std::vector<std::int64_t>{0, 0, 0, 0});
  if (values.size() == 1) return {values[0], values[0], values[0], values[0]};
  if (values.size() != 4) {
    root.fail("padding", fmt::format("{} numbers", values.size()), "4 (top, bottom, left, right), or 1 for all sides");
  }
  return {values[0], values[1], values[2], values[3]};
}

compute::ConvOptions conv_options(const nets::Section& root, bool grouped) {
  compute::ConvOptions options;
  options.stride = pair(root, "stride");
  options.dilation = pair(root, "dilation");
  options.padding = padding(root);
  if (root.has("pad_value")) options.pad_value = root.integer("pad_value", INT32_MIN, INT32_MAX);
  if (grouped) options.groups = root.integer("groups", 1, kMaxWindow, 1);
  return options;
}

int gemm(const Invocation& invocation) {
  ComputeJob job(invocation);
  job.numerics().read_operands(2);
  const auto lhs = job.operand("lhs", job.numerics().lhs());
  const auto rhs = job.operand("rhs", job.numerics().rhs());
  const auto accumulation = job.numerics().accumulation();
  const auto result = compute::gemm(lhs, rhs, job.bias(), accumulation, job.threads());
  return job.finish(result, result.accumulators, accumulation);
}

template <auto Operator>
int convolution(const Invocation& invocation) {
  ComputeJob job(invocation);
  job.numerics().read_operands(2);
  const auto input = job.operand("input", job.numerics().lhs());
  const auto weight = job.operand("weight", job.numerics().rhs());
  const auto accumulation = job.numerics().accumulation();
  const auto options = conv_options(job.root(), Operator == &compute::conv2d);
  const auto result = Operator(input, weight, job.bias(), options, accumulation, job.threads());
  return job.finish(result, result.accumulators, accumulation);
}

int pool(const Invocation& invocation) {
  ComputeJob job(invocation);
  job.numerics().read_operands(1);
  const auto input = job.operand("input", job.numerics().lhs());
  const auto accumulation = job.numerics().accumulation();
  const nets::Section& root = job.root();
  const auto kind = root.one_of<compute::PoolKind>(
      "pool", {{"max", compute::PoolKind::Max}, {"average", compute::PoolKind::Average}});
  const auto as_int = [](std::int64_t value) { return static_cast<int>(value); };
  const auto kernel = root.pair("kernel", 1, kMaxWindow);
  const auto stride = root.pair("stride", 1, kMaxWindow, kernel);
  const auto dilation = pair(root, "dilation");
  const auto pads = padding(root);
  const nets::Window window{.kernel_h = as_int(kernel[0]), .kernel_w = as_int(kernel[1]),
                            .stride_h = as_int(stride[0]), .stride_w = as_int(stride[1]),
                            .dilation_h = as_int(dilation[0]), .dilation_w = as_int(dilation[1]),
                            .padding = {as_int(pads[0]), as_int(pads[1]), as_int(pads[2]), as_int(pads[3])}};
  const auto result = compute::pool(input, kind, window, accumulation, job.threads());
  return job.finish(result.accumulated, result.values, accumulation);
}

int add(const Invocation& invocation) {
  ComputeJob job(invocation);
  compute::Numerics& numerics = job.numerics();
  numerics.read_operands(2);
  const auto lhs = job.operand("lhs", numerics.lhs());
  const auto rhs = job.operand("rhs", numerics.rhs());
  const auto accumulation = numerics.accumulation();
  const arith::StageList lhs_stages = numerics.operand_stages("lhs_stages", lhs.codes.shape);
  const arith::StageList rhs_stages = numerics.operand_stages("rhs_stages", rhs.codes.shape);
  arith::StageCounts lhs_counts, rhs_counts;
  const auto result = compute::add({lhs, lhs_stages, lhs_counts}, {rhs, rhs_stages, rhs_counts}, accumulation,
                                   job.threads());
  return job.finish(result, result.accumulators, accumulation,
                    {{"operand_saturations", {{"lhs", lhs_counts.changed}, {"rhs", rhs_counts.changed}}}});
}

int multiply(const Invocation& invocation) {
  ComputeJob job(invocation);
  job.numerics().read_operands(2);
  const auto lhs = job.operand("lhs", job.numerics().lhs());
  const auto rhs = job.operand("rhs", job.numerics().rhs());
  const auto accumulation = job.numerics().accumulation();
  const auto result = compute::multiply(lhs, rhs, accumulation, job.threads());
  return job.finish(result, result.accumulators, accumulation);
}

int requantize(const Invocation& invocation) {
  ComputeJob job(invocation);
  job.numerics().ignore_operands();
  arith::Accumulation accumulation = job.numerics().accumulation();
  accumulation.psum.reset();
  compute::Accumulated given;  // nothing is accumulated: no evidence
  given.accumulators = job.wide("input", accumulation.accumulator.format);
  return job.finish(given, given.accumulators, accumulation);
}

}  // namespace

std::vector<Command> compute_commands() {
  const auto command = [](std::string_view name, std::string_view summary, std::string_view operands,
                          std::vector<std::string_view> keys, std::string_view details, int (*run)(const Invocation&)) {
    for (const std::string_view key : {"out", "accumulators", "json", "threads", "seed"}) {
      if (key != "accumulators" || name != "compute requantize") keys.push_back(key);
    }
    keys.insert(keys.begin(), "numerics");
    return Command{.name = name, .summary = summary, .operands = operands, .leading_operands = 0,
                   .keys = std::move(keys), .details = details, .run = run};
  };
  return {
      command("compute gemm", "One matrix product on integers from .npy files", kGemmUsage, {"lhs", "rhs", "bias"},
              kGemmHelp, gemm),
      command("compute conv2d", "One convolution", kConvUsage,
              {"input", "weight", "bias", "stride", "padding", "pad_value", "dilation", "groups"}, kConvHelp,
              convolution<compute::conv2d>),
      command("compute depthwise", "One depthwise convolution", kConvUsage,
              {"input", "weight", "bias", "stride", "padding", "pad_value", "dilation"}, kDepthwiseHelp,
              convolution<compute::depthwise>),
      command("compute pool", "Max or average pooling", kPoolUsage,
              {"input", "pool", "kernel", "stride", "padding", "dilation"}, kPoolHelp, pool),
      command("compute add", "The sum of two tensors", kPairUsage, {"lhs", "rhs"}, kAddHelp, add),
      command("compute multiply", "The product of two tensors, element by element", kPairUsage, {"lhs", "rhs"},
              kMultiplyHelp, multiply),
      command("compute requantize", "The output stages alone, on given accumulators", kRequantizeUsage, {"input"},
              kRequantizeHelp, requantize),
  };
}

}  // namespace guardbit::cli
