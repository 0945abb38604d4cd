#include "traces/manifest.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "traces/detail/json_reader.hpp"
#include "traces/stage_json.hpp"

namespace guardbit::traces {
namespace {

using detail::JsonReader;
using nlohmann::json;

constexpr std::size_t kMaxFiles = 64;
constexpr int kMaxOperandBits = 17;             // |x - zero point| < 2^18
constexpr int kMaxBiasBits = 60;
constexpr std::int64_t kMaxDepth = 1 << 24;     // products of one output: sums stay below 2^60
constexpr std::int64_t kMaxZeroPoint = 1 << 17;
constexpr std::int64_t kMaxSample = 1 << 30;

json counts_json(const arith::OverflowCounts& counts) {
  json result{{"total", counts.total}, {"count", counts.count}, {"outputs", counts.outputs},
              {"transient", counts.transient}, {"harmful", counts.harmful}, {"first", nullptr}};
  if (counts.first) result["first"] = {{"output", counts.first->output}, {"narrowing", counts.first->narrowing}};
  return result;
}

arith::OverflowCounts counts(const JsonReader& reader) {
  const auto natural = [&](const char* key) { return static_cast<std::uint64_t>(reader.at(key).integer(0)); };
  arith::OverflowCounts result{.total = natural("total"), .count = natural("count"), .outputs = natural("outputs"),
                               .transient = natural("transient"), .harmful = natural("harmful"), .first = {}};
  if (reader.has("first")) {
    const JsonReader first = reader.at("first");
    result.first = {.output = first.at("output").integer(0), .narrowing = first.at("narrowing").integer(0)};
  }
  return result;
}

json evidence_json(const arith::AccumulationEvidence& evidence) {
  json exact;
  if (!evidence.exact.empty()) exact = {evidence.exact.min, evidence.exact.max};
  return {{"accumulator", counts_json(evidence.accumulator)}, {"psum", counts_json(evidence.psum)}, {"exact", exact}};
}

arith::AccumulationEvidence evidence_of(const JsonReader& reader) {
  arith::AccumulationEvidence evidence{.accumulator = counts(reader.at("accumulator")),
                                       .psum = counts(reader.at("psum")), .exact = {}};
  if (reader.has("exact")) {
    const std::vector<std::int64_t> range = reader.at("exact").integers(2, 2);
    evidence.exact = {.min = range[0], .max = range[1]};
  }
  return evidence;
}

json tensor_json(const nets::TensorFormat& tensor) {
  return {{"format", arith::to_string(tensor.format)}, {"scale", tensor.scale}, {"zero_point", tensor.zero_point}};
}

arith::Format format(const JsonReader& reader) {
  try {
    return arith::parse_format(reader.text(64));
  } catch (const Error&) {
    reader.fail("a number format");
  }
}

nets::TensorFormat tensor(const JsonReader& reader) {
  return {.format = format(reader.at("format")), .scale = reader.at("scale").number(),
          .zero_point = reader.at("zero_point").integer(-kMaxZeroPoint, kMaxZeroPoint)};
}

json stream_json(const Stream& stream) {
  return {{"file", hex_file(stream.role)},
          {"role", name(stream.role)},
          {"elem_bits", stream.words.elem_bits},
          {"signed", stream.words.is_signed},
          {"elems_per_word", stream.words.elems_per_word},
          {"lane_order", "lsb_first"},
          {"word_hex_digits", stream.words.hex_digits()},
          {"word_count", stream.words.words(stream.elements())},
          {"shape", stream.shape},
          {"order", axes(stream.role)},
          {"tensor", npy_file(stream.role)}};
}

Stream stream_of(const JsonReader& reader, Role role) {
  if (reader.at("role").text() != name(role)) reader.at("role").fail(std::string(name(role)));
  if (reader.at("file").text() != hex_file(role)) reader.at("file").fail(std::string(hex_file(role)));
  if (reader.at("tensor").text() != npy_file(role)) reader.at("tensor").fail(std::string(npy_file(role)));
  if (reader.at("lane_order").text() != "lsb_first") reader.at("lane_order").fail("lsb_first");
  const std::size_t rank = role == Role::Bias ? 1 : 4;
  Stream stream{.role = role,
                .words = {.elem_bits = reader.at("elem_bits").small(1, 64),
                          .is_signed = reader.at("signed").boolean(),
                          .elems_per_word = reader.at("elems_per_word").small(1, kMaxElemsPerWord)},
                .shape = reader.at("shape").integers(rank, rank, role == Role::Bias ? 0 : 1, kMaxDimension)};
  std::int64_t elements = 1;  // 2^20 * 2^28 still fits
  for (const std::int64_t dimension : stream.shape) {
    elements *= dimension;
    if (elements > kMaxElements) reader.at("shape").fail(fmt::format("at most {} elements", kMaxElements));
  }
  const auto derived = [&](const char* key, std::int64_t value) {
    if (reader.at(key).integer() != value) reader.at(key).fail(fmt::format("{}", value));
  };
  derived("word_hex_digits", stream.words.hex_digits());
  derived("word_count", stream.words.words(elements));
  return stream;
}

json window_json(const Manifest& m) {
  const nets::Padding& pad = m.window.padding;
  return {{"stride", {m.window.stride_h, m.window.stride_w}},
          {"dilation", {m.window.dilation_h, m.window.dilation_w}},
          {"padding", {pad.top, pad.bottom, pad.left, pad.right}},
          {"groups", m.groups}};
}

nets::Window window_of(const JsonReader& reader, const std::vector<std::int64_t>& weight_shape) {
  const auto ints = [&](const char* key, std::size_t count, std::int64_t min) {
    const std::vector<std::int64_t> values = reader.at(key).integers(count, count, min, kMaxDimension);
    return std::vector<int>(values.begin(), values.end());
  };
  const std::vector<int> stride = ints("stride", 2, 1), dilation = ints("dilation", 2, 1), pad = ints("padding", 4, 0);
  return {.kernel_h = static_cast<int>(weight_shape[1]), .kernel_w = static_cast<int>(weight_shape[2]),
          .stride_h = stride[0], .stride_w = stride[1], .dilation_h = dilation[0], .dilation_w = dilation[1],
          .padding = {.top = pad[0], .bottom = pad[1], .left = pad[2], .right = pad[3]}};
}

std::int64_t windows_along(std::int64_t in, std::int64_t kernel, int stride, int dilation, int before, int after) {
  return (in + before + after - dilation * (kernel - 1) - 1) / stride + 1;
}

// The five shapes, the window and the groups must describe one convolution.
void check_shapes(const Manifest& m, const std::string& where) {
  const auto& act = m.stream(Role::Activation).shape;
  const auto& wgt = m.stream(Role::Weight).shape;
  const auto& bias = m.stream(Role::Bias).shape;
  const nets::Window& w = m.window;
  const std::int64_t outputs = wgt[0];
  const std::vector<std::int64_t> expected{
      act[0], windows_along(act[1], wgt[1], w.stride_h, w.dilation_h, w.padding.top, w.padding.bottom),
      windows_along(act[2], wgt[2], w.stride_w, w.dilation_w, w.padding.left, w.padding.right), outputs};
  const bool groups_fit = outputs % m.groups == 0 && act[3] == wgt[3] * m.groups;
  const bool bias_fits = bias[0] == 0 || bias[0] == outputs;
  if (!groups_fit || !bias_fits || m.stream(Role::Accumulator).shape != expected ||
      m.stream(Role::Output).shape != expected) {
    throw Error(fmt::format("{}: streams: found shapes that do not belong together, allowed accumulator and output "
                            "[{}]", where, fmt::join(expected, ", ")));
  }
}

// Streams have the widths of the formats, and no exact sum or index can leave 64 bits (arith/accumulate.hpp asks for it).
void check_widths(const Manifest& m, const std::string& where) {
  const auto matches = [&](Role role, const arith::Format& format, int max_bits) {
    const WordFormat& words = m.stream(role).words;
    const bool equal = words.elem_bits == format.width && words.is_signed == format.is_signed;
    if (!equal || !format.has_linear_codes() || words.elem_bits > max_bits) {
      throw Error(fmt::format("{}: streams: {}: found {} bits, allowed those of {}, at most {}", where, name(role),
                              words.elem_bits, arith::to_string(format), max_bits));
    }
  };
  matches(Role::Activation, m.activation.format, kMaxOperandBits);
  matches(Role::Weight, m.weight, kMaxOperandBits);
  matches(Role::Accumulator, m.accumulation.accumulator.format, arith::kMaxWidth);
  matches(Role::Output, m.output.format, arith::kMaxWidth);
  if (m.stream(Role::Bias).words.elem_bits > kMaxBiasBits) {
    throw Error(fmt::format("{}: streams: bias: found {} bits, allowed 1 to {}", where,
                            m.stream(Role::Bias).words.elem_bits, kMaxBiasBits));
  }
  const auto& weight = m.stream(Role::Weight).shape;
  const std::int64_t depth = weight[1] * weight[2] * weight[3];
  std::int64_t indices = m.stream(Role::Output).elements() / m.stream(Role::Output).shape[0];
  if (depth > kMaxDepth ||
      __builtin_mul_overflow(indices, (m.first_sample + m.stream(Role::Output).shape[0]) * depth, &indices)) {
    throw Error(fmt::format("{}: found a reduction of {} products, allowed at most {} and indices within 64 bits",
                            where, depth, kMaxDepth));
  }
}

void check_stage_parameters(const Manifest& m, const std::string& where) {
  arith::check_stages(m.stages, m.stream(Role::Weight).shape[0], m.stream(Role::Accumulator).words.elem_bits + 1,
                      where + ": numerics.requantize");
}

}  // namespace

std::string_view name(Role role) {
  constexpr std::array<std::string_view, 5> kNames{"activation", "weight", "bias", "accumulator", "output"};
  return kNames[static_cast<std::size_t>(role)];
}
std::string_view hex_file(Role role) {
  constexpr std::array<std::string_view, 5> kFiles{"stim/act.hex", "stim/wgt.hex", "stim/bias.hex", "expect/acc.hex",
                                                   "expect/out.hex"};
  return kFiles[static_cast<std::size_t>(role)];
}
std::string_view npy_file(Role role) {
  constexpr std::array<std::string_view, 5> kFiles{"npy/act.npy", "npy/wgt.npy", "npy/bias.npy", "npy/acc.npy",
                                                   "npy/out.npy"};
  return kFiles[static_cast<std::size_t>(role)];
}
std::string_view axes(Role role) {
  constexpr std::array<std::string_view, 5> kAxes{"N, H, W, C", "K, R, S, C/groups", "K", "N, P, Q, K", "N, P, Q, K"};
  return kAxes[static_cast<std::size_t>(role)];
}

std::int64_t Stream::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) count *= dimension;
  return count;
}

json to_json(const Manifest& m) {
  json streams = json::array();
  for (const Stream& stream : m.streams) streams.push_back(stream_json(stream));
  return {{"format", kFormatName},
          {"schema_version", kSchemaVersion},
          {"generator", {{"name", "guardbit"}, {"version", m.generator_version}}},
          {"network", {{"name", m.network}, {"sha256", m.network_sha256}}},
          {"layer", {{"name", m.layer}, {"op", m.op}}},
          {"samples", {{"source", m.samples}, {"first", m.first_sample}, {"count", m.streams.at(0).shape.at(0)},
                       {"seed", m.seed}}},
          {"window", window_json(m)},
          {"mapping", {{"dataflow", m.dataflow}, {"rows", m.rows}, {"columns", m.columns},
                       {"reduction_order", "r, s, c ascending, cut into folds of accumulation.fold products"}}},
          {"accumulation", to_json(m.accumulation)},
          {"numerics", {{"activation", tensor_json(m.activation)}, {"weight", {{"format", arith::to_string(m.weight)}}},
                        {"output", tensor_json(m.output)}, {"requantize", to_json(m.stages)}}},
          {"overflow", evidence_json(m.evidence)},
          {"streams", streams},
          {"sha256", m.sha256}};
}

Manifest manifest_from_json(const json& value, const std::string& where) {
  const JsonReader root(value, where + ":");
  if (root.at("format").text() != kFormatName) root.at("format").fail(std::string(kFormatName));
  static_cast<void>(root.at("schema_version").integer(kSchemaVersion, kSchemaVersion));  // range-checked
  Manifest m;
  m.generator_version = root.at("generator").at("version").text();
  m.network = root.at("network").at("name").text();
  m.network_sha256 = root.at("network").at("sha256").text();
  m.layer = root.at("layer").at("name").text();
  m.op = root.at("layer").at("op").text();
  const JsonReader samples = root.at("samples");
  m.samples = samples.at("source").text();
  m.first_sample = samples.at("first").integer(0, kMaxSample);
  m.seed = static_cast<std::uint64_t>(samples.at("seed").integer(0));

  const std::vector<JsonReader> streams = root.at("streams").items(kRoles.size());
  if (streams.size() != kRoles.size()) root.at("streams").fail(fmt::format("{} streams", kRoles.size()));
  for (std::size_t i = 0; i < kRoles.size(); ++i) m.streams.push_back(stream_of(streams[i], kRoles[i]));
  static_cast<void>(samples.at("count").integer(m.streams[0].shape[0], m.streams[0].shape[0]));

  m.window = window_of(root.at("window"), m.stream(Role::Weight).shape);
  m.groups = root.at("window").at("groups").small(1, static_cast<int>(kMaxDimension));
  const JsonReader mapping = root.at("mapping");
  m.dataflow = mapping.at("dataflow").text();
  m.rows = mapping.at("rows").small(1, static_cast<int>(kMaxDimension));
  m.columns = mapping.at("columns").small(1, static_cast<int>(kMaxDimension));
  m.accumulation = accumulation_from_json(root.at("accumulation").json(), where + ": accumulation");
  const JsonReader numerics = root.at("numerics");
  m.activation = tensor(numerics.at("activation"));
  m.weight = format(numerics.at("weight").at("format"));
  m.output = tensor(numerics.at("output"));
  m.stages = stages_from_json(numerics.at("requantize").json(), where + ": numerics.requantize");
  m.evidence = evidence_of(root.at("overflow"));
  const JsonReader hashes = root.at("sha256");
  if (!hashes.json().is_object() || hashes.json().size() > kMaxFiles) hashes.fail("an object of hashes");
  for (const auto& [file, hash] : hashes.json().items()) m.sha256[file] = hashes.at(file).text(64);
  check_shapes(m, where);
  check_widths(m, where);
  check_stage_parameters(m, where);
  return m;
}

}  // namespace guardbit::traces
