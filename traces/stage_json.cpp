#include "traces/stage_json.hpp"

#include <fmt/format.h>

#include <type_traits>

#include "arith/error.hpp"
#include "traces/detail/json_reader.hpp"

namespace guardbit::traces {
namespace {

using detail::JsonReader;
using nlohmann::json;

constexpr std::size_t kMaxChannels = 1 << 20;
constexpr std::size_t kMaxStages = 64;

template <class T>
json one_or_list(const std::vector<T>& values) {
  return values.size() == 1 ? json(values[0]) : json(values);
}

json stage_json(const arith::Stage& any) {
  return std::visit(
      [](const auto& stage) -> json {
        using T = std::decay_t<decltype(stage)>;
        if constexpr (std::is_same_v<T, arith::Add>) {
          return {{"add", one_or_list(stage.value.values)}};
        } else if constexpr (std::is_same_v<T, arith::Subtract>) {
          return {{"subtract", one_or_list(stage.value.values)}};
        } else if constexpr (std::is_same_v<T, arith::ShiftLeft>) {
          return {{"shift_left", one_or_list(stage.bits.values)}};
        } else if constexpr (std::is_same_v<T, arith::Multiply>) {
          json result{{"multiply", one_or_list(stage.value.values)}};
          if (stage.format) result["format"] = arith::to_string(*stage.format);
          return result;
        } else if constexpr (std::is_same_v<T, arith::ShiftRight>) {
          return {{"shift_right", one_or_list(stage.bits.values)}, {"rounding", arith::name(stage.rounding)}};
        } else if constexpr (std::is_same_v<T, arith::Narrow>) {
          return {{"narrow", arith::to_string(stage.format)}};
        } else if constexpr (std::is_same_v<T, arith::Relu>) {
          return {{"relu", true}};
        } else if constexpr (std::is_same_v<T, arith::Clamp>) {
          return {{"clamp", json::array({stage.low ? json(*stage.low) : json(),
              stage.high ? json(*stage.high) : json()})}};
        } else {
          static_assert(std::is_same_v<T, arith::Scale>);
          return {{"scale", one_or_list(stage.values)}};
        }
      },
      any);
}

arith::Parameter parameter(const JsonReader& reader) {
  if (!reader.json().is_array()) return reader.integer();
  return arith::Parameter(reader.integers(1, kMaxChannels));
}

arith::Format format(const JsonReader& reader) {
  try {
    return arith::parse_format(reader.text(64));
  } catch (const Error&) {
    reader.fail("a number format");
  }
}

arith::Rounding rounding(const JsonReader& reader) {
  const auto mode = arith::parse_rounding(reader.text(32));
  if (!mode) reader.fail("a rounding mode");
  return *mode;
}

arith::Clamp clamp(const JsonReader& reader) {
  const std::vector<JsonReader> bounds = reader.items(2);
  if (bounds.size() != 2) reader.fail("[low, high]");
  const auto bound = [](const JsonReader& item) {
    return item.json().is_null() ? std::optional<std::int64_t>{} : std::optional<std::int64_t>(item.integer());
  };
  return {.low = bound(bounds[0]), .high = bound(bounds[1])};
}

arith::Scale scale(const JsonReader& reader) {
  arith::Scale stage;
  if (!reader.json().is_array()) {
    stage.values.push_back(static_cast<float>(reader.number()));
    return stage;
  }
  for (const JsonReader& item : reader.items(kMaxChannels)) stage.values.push_back(static_cast<float>(item.number()));
  if (stage.values.empty()) reader.fail("at least one number");
  return stage;
}

arith::Stage stage(const JsonReader& reader) {
  if (reader.has("add")) return arith::Add{parameter(reader.at("add"))};
  if (reader.has("subtract")) return arith::Subtract{parameter(reader.at("subtract"))};
  if (reader.has("shift_left")) return arith::ShiftLeft{parameter(reader.at("shift_left"))};
  if (reader.has("multiply")) {
    arith::Multiply result{.value = parameter(reader.at("multiply")), .format = {}};
    if (reader.has("format")) result.format = format(reader.at("format"));
    return result;
  }
  if (reader.has("shift_right")) {
    return arith::ShiftRight{parameter(reader.at("shift_right")), rounding(reader.at("rounding"))};
  }
  if (reader.has("narrow")) return arith::Narrow{format(reader.at("narrow"))};
  if (reader.has("relu")) return arith::Relu{};
  if (reader.has("clamp")) return clamp(reader.at("clamp"));
  if (reader.has("scale")) return scale(reader.at("scale"));
  reader.fail("add, subtract, shift_left, multiply, shift_right, narrow, relu, clamp or scale");
}

json spec_json(const arith::AccumulatorSpec& spec) {
  return {{"format", arith::to_string(spec.format)}, {"step", spec.step}};
}

arith::AccumulatorSpec spec(const JsonReader& reader) {
  arith::AccumulatorSpec result{.format = format(reader.at("format")), .step = reader.at("step").small(0, INT32_MAX)};
  if (result.format.kind != arith::Kind::Integer) reader.at("format").fail("an integer format");
  return result;
}

}  // namespace

json to_json(const arith::StageList& stages) {
  json list = json::array();
  for (const arith::Stage& any : stages) list.push_back(stage_json(any));
  return list;
}

arith::StageList stages_from_json(const json& value, const std::string& where) {
  arith::StageList stages;
  for (const JsonReader& item : JsonReader(value, where).items(kMaxStages)) stages.push_back(stage(item));
  return stages;
}

json to_json(const arith::Accumulation& accumulation) {
  return {{"accumulator", spec_json(accumulation.accumulator)},
          {"psum", accumulation.psum ? spec_json(*accumulation.psum) : json()},
          {"fold", accumulation.fold}};
}

arith::Accumulation accumulation_from_json(const json& value, const std::string& where) {
  const JsonReader reader(value, where);
  arith::Accumulation accumulation;
  accumulation.accumulator = spec(reader.at("accumulator"));
  if (reader.has("psum")) accumulation.psum = spec(reader.at("psum"));
  accumulation.fold = reader.at("fold").small(0, INT32_MAX);
  return accumulation;
}

}  // namespace guardbit::traces
