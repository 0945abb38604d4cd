#include "cli/compute_job.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "arith/error.hpp"
#include "arith/stage_text.hpp"
#include "cli/keys.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/io/npy.hpp"

namespace guardbit::cli {
namespace {

namespace fs = std::filesystem;
namespace compute = nets::compute;
using nlohmann::json;

constexpr std::string_view kOverride = "numerics.";

Invocation without_overrides(Invocation invocation) {
  std::erase_if(invocation.tokens, [](const std::string& token) { return token.starts_with(kOverride); });
  return invocation;
}

nets::Value load_numerics(const fs::path& file, const Invocation& invocation) {
  nets::Value root = nets::load_yaml(file);
  for (const std::string& token : invocation.tokens) {
    if (token.starts_with(kOverride)) nets::merge(root, nets::parse_override(token.substr(kOverride.size())));
  }
  return root;
}

std::string existing_key(const Session& session, const char* key) {
  if (!session.root().has(key)) {
    throw Error(fmt::format("command line: {}: found nothing, allowed --{} FILE", key, option_name(key)));
  }
  return session.root().text(key, {}, "a file name");
}

// The smallest NumPy type of the format's sign that holds its codes.
nets::Array codes_array(const nets::WideTensor& values, const arith::Format& format) {
  const auto as = [&]<class T>(T) {
    return nets::Array::from(values.shape, std::vector<T>(values.data.begin(), values.data.end()));
  };
  const bool is_signed = format.is_signed;
  if (format.width <= 8) return is_signed ? as(std::int8_t{}) : as(std::uint8_t{});
  if (format.width <= 16) return is_signed ? as(std::int16_t{}) : as(std::uint16_t{});
  if (format.width <= 32) return is_signed ? as(std::int32_t{}) : as(std::uint32_t{});
  return is_signed ? as(std::int64_t{}) : as(std::uint64_t{});
}

// Coordinates of element `index` in C order.
json coordinates(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; index /= shape[axis]) at[axis] = index % shape[axis];
  return at;
}

json overflow_json(const arith::OverflowCounts& counts, const std::vector<std::int64_t>& shape) {
  json first;
  if (counts.first) {
    first = {{"output", counts.first->output}, {"narrowing", counts.first->narrowing}};
    if (!shape.empty()) first["index"] = coordinates(counts.first->output, shape);
  }
  return {{"total", counts.total}, {"count", counts.count}, {"outputs", counts.outputs},
          {"transient", counts.transient}, {"harmful", counts.harmful}, {"first", first}};
}

json accumulator_json(const arith::AccumulatorSpec& spec) {
  return {{"format", arith::to_string(spec.format)}, {"step", spec.step}};
}

std::vector<std::string> stage_texts(const arith::StageList& stages) {
  std::vector<std::string> texts;
  for (const arith::Stage& stage : stages) texts.push_back(arith::to_string(stage));
  return texts;
}

}  // namespace

ComputeJob::ComputeJob(const Invocation& invocation)
    : name_(invocation.command->name),
      session_(without_overrides(invocation)),
      numerics_(load_numerics(existing_key(session_, "numerics"), invocation),
                fs::path(existing_key(session_, "numerics")).parent_path()),
      out_(existing_key(session_, "out")) {
  const auto& keys = invocation.command->keys;
  for (const auto& [key, value] : session_.config().entries()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw Error(fmt::format("{}: {}: found a key that {} does not read, allowed {}", value.mark().text(), key, name_,
                              fmt::join(keys, ", ")));
    }
  }
  if (root().has("accumulators")) accumulators_ = existing_key(session_, "accumulators");
  if (accumulators_ && accumulators_->lexically_normal() == out_.lexically_normal()) {
    throw Error(fmt::format("command line: accumulators: found {}, which --out names too, allowed another file",
                            accumulators_->string()));
  }
}

compute::Operand ComputeJob::operand(const char* key, const compute::OperandSpec& spec) const {
  const std::string file = existing_key(session_, key);
  const nets::Array array = nets::read_npy(file);
  compute::check_shape(array.shape, 0, "any number of axes", file);
  return compute::make_operand(file, array.shape, array.to_int64(file), spec.format, spec.zero_point);
}

nets::WideTensor ComputeJob::wide(const char* key, const arith::Format& format) const {
  const std::string file = existing_key(session_, key);
  const nets::Array array = nets::read_npy(file);
  compute::check_shape(array.shape, 0, "any number of axes", file);
  nets::WideTensor values;
  values.shape = array.shape;
  values.data = array.to_int64(file);
  const auto outside =
      std::find_if(values.data.begin(), values.data.end(), [&](std::int64_t v) { return !format.contains(v); });
  if (outside != values.data.end()) {
    throw Error(fmt::format("{}: element {}: found {}, allowed {}", file, outside - values.data.begin(), *outside,
                            arith::to_string(format)));
  }
  return values;
}

std::vector<std::int64_t> ComputeJob::bias() const {
  if (!root().has("bias")) return {};
  const nets::WideTensor values = wide("bias", numerics_.bias().value_or(arith::integer_format(64)));
  compute::check_shape(values.shape, 1, "one axis, one number per output channel", root().text("bias"));
  return values.data;
}

int ComputeJob::finish(const compute::Accumulated& accumulated, const nets::WideTensor& values,
                       const arith::Accumulation& accumulation, const json& more) {
  const arith::StageList stages = numerics_.output(values.shape);
  numerics_.done();
  session_.finish();
  const compute::PreparedStages prepared = compute::prepare(stages, values.shape);
  const compute::Staged staged = compute::apply(prepared, values, "output", threads());

  const auto& shape = accumulated.accumulators.shape;
  const arith::Format& format = accumulation.accumulator.format;
  const arith::AccumulationEvidence& evidence = accumulated.evidence;
  const bool accumulates = evidence.accumulator.total != 0;
  json result{{"operator", name_.substr(name_.find(' ') + 1)}, {"shape", shape},
              {"accumulator", accumulator_json(accumulation.accumulator)},
              {"overflow", overflow_json(evidence.accumulator, shape)},
              {"stages", stage_texts(stages)}, {"saturations", staged.counts.changed}};
  result["accumulator"]["fold"] = accumulation.fold;
  result["accumulator"]["observed_bits"] = accumulates ? json(arith::signed_bits(evidence.exact)) : json();
  if (accumulation.psum) {
    result["psum"] = accumulator_json(*accumulation.psum);
    result["psum"]["overflow"] = overflow_json(evidence.psum, {});
  }
  result.update(more);

  nets::write_npy(out_, codes_array(staged.values, compute::result_format(prepared, format)));
  if (accumulators_) nets::write_npy(*accumulators_, codes_array(accumulated.accumulators, format));
  session_.write_json(result);

  fmt::print("{}: {} values of {}\n", name_, grouped(staged.counts.total), compute::shape_text(shape));
  Table table({{"narrowing", Align::Left}, {"changed"}, {"outputs"}, {"transient"}, {"harmful"}});
  const auto row = [&](const std::string& what, const arith::OverflowCounts& counts) {
    table.row(
        {what, grouped(counts.count), grouped(counts.outputs), grouped(counts.transient), grouped(counts.harmful)});
  };
  if (accumulation.psum) row("psum " + arith::to_string(accumulation.psum->format), evidence.psum);
  if (accumulates) row("accumulator " + arith::to_string(format), evidence.accumulator);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    table.row({arith::to_string(stages[i]), grouped(staged.counts.changed[i])});
  }
  fmt::print("{}", table.text());
  return 0;
}

}  // namespace guardbit::cli
