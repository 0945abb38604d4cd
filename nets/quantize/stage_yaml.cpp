// Reading and writing of stage lists.
#include "nets/quantize/stage_yaml.hpp"

#include <type_traits>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

using arith::Overflow;

constexpr const char* kAllowedParameter = "an integer, a list of integers or a name";

arith::Parameter read_parameter(const Section& stage, const char* key, ParameterSource& source) {
  const Value value = stage.raw(key);
  switch (value.kind()) {
    case Kind::Integer:
      return arith::Parameter(value.integer());
    case Kind::Text:
      return arith::Parameter(source.integers(value.text()));
    case Kind::List:
      return arith::Parameter(stage.integers(key, INT64_MIN, INT64_MAX));
    case Kind::Null:
    case Kind::Boolean:
    case Kind::Number:
    case Kind::Map:
      stage.fail(key, name_of(value.kind()), kAllowedParameter);
  }
  __builtin_unreachable();
}

arith::Scale read_scale(const Section& stage, ParameterSource& source) {
  const Value value = stage.raw("scale");
  if (value.kind() == Kind::Text) return {source.floats(value.text())};
  arith::Scale scale;
  for (const double v : stage.numbers("scale", -1e30, 1e30)) scale.values.push_back(static_cast<float>(v));
  return scale;
}

arith::Format read_format(const Section& stage, const char* key) {
  const std::string text = stage.text(key, {}, "a format");
  try {
    return arith::parse_format(text);
  } catch (const Error& error) {
    stage.fail(key, text, error.what());
  }
}

arith::Clamp read_clamp(const Section& stage) {
  const Value value = stage.raw("clamp");
  if (!value.is_list() || value.items().size() != 2) stage.fail("clamp", name_of(value.kind()), "[LOW, HIGH]");
  const auto bound = [&](const Value& v) -> std::optional<std::int64_t> {
    if (v.is_null()) return std::nullopt;
    return v.integer();
  };
  return {bound(value.items()[0]), bound(value.items()[1])};
}

arith::Stage read_stage(const Section& stage, ParameterSource& source) {
  if (stage.has("add")) return arith::Add{read_parameter(stage, "add", source)};
  if (stage.has("subtract")) return arith::Subtract{read_parameter(stage, "subtract", source)};
  if (stage.has("shift_left")) return arith::ShiftLeft{read_parameter(stage, "shift_left", source)};
  if (stage.has("multiply")) {
    arith::Multiply multiply{read_parameter(stage, "multiply", source), std::nullopt};
    if (stage.has("format")) multiply.format = read_format(stage, "format");
    return multiply;
  }
  if (stage.has("shift_right")) {
    arith::ShiftRight shift{read_parameter(stage, "shift_right", source)};
#define X(id, meaning) {#id, arith::Rounding::id},
    shift.rounding = stage.one_of<arith::Rounding>("rounding", {GUARDBIT_ROUNDING_MODES(X)}, shift.rounding);
#undef X
    return shift;
  }
  if (stage.has("saturate")) {
    const arith::Format format = read_format(stage, "saturate");
    if (format.overflow == Overflow::WRAP || format.overflow == Overflow::WRAP_SM) {
      stage.fail("saturate", arith::to_string(format), "SAT, SAT_SYM and SAT_ZERO formats; see wrap");
    }
    return arith::Narrow{format};
  }
  if (stage.has("wrap")) {
    arith::Format format = read_format(stage, "wrap");
    if (format.overflow == Overflow::SAT) format.overflow = Overflow::WRAP;
    if (format.overflow != Overflow::WRAP && format.overflow != Overflow::WRAP_SM) {
      stage.fail("wrap", arith::to_string(format), "WRAP and WRAP_SM formats; see saturate");
    }
    return arith::Narrow{format};
  }
  if (stage.has("relu")) {
    if (!stage.boolean("relu")) stage.fail("relu", "false", "true");
    return arith::Relu{};
  }
  if (stage.has("clamp")) return read_clamp(stage);
  if (stage.has("scale")) return read_scale(stage, source);
  stage.fail(
      "no known stage; allowed: add, subtract, shift_left, multiply, shift_right, saturate, wrap, relu, clamp, scale");
}

Value entry(const char* key, Value value) { return Value::map({{key, std::move(value)}}); }

Value quoted(std::string text) { return Value(std::move(text)); }

}  // namespace

arith::StageList read_stages(const Section& section, std::string_view key, ParameterSource& source) {
  arith::StageList stages;
  for (const Section& stage : section.sections(key)) {
    stages.push_back(read_stage(stage, source));
    stage.done();  // a second stage in the same map would be an unknown key
  }
  return stages;
}

Value write_stages(const arith::StageList& stages, const std::string& prefix, ParameterSink& sink) {
  std::vector<Value> list;
  for (const arith::Stage& any : stages) {
    const std::string name = prefix + "." + std::to_string(list.size());
    const auto parameter = [&](const arith::Parameter& p) {
      return p.values.size() == 1 ? Value(p.values[0]) : quoted(sink.put(name, p.values));
    };
    list.push_back(std::visit(
        [&](const auto& stage) -> Value {
          using T = std::decay_t<decltype(stage)>;
          if constexpr (std::is_same_v<T, arith::Add>) {
            return entry("add", parameter(stage.value));
          } else if constexpr (std::is_same_v<T, arith::Subtract>) {
            return entry("subtract", parameter(stage.value));
          } else if constexpr (std::is_same_v<T, arith::ShiftLeft>) {
            return entry("shift_left", parameter(stage.bits));
          } else if constexpr (std::is_same_v<T, arith::Multiply>) {
            Value map = entry("multiply", parameter(stage.value));
            if (stage.format) map.set("format", quoted(arith::to_string(*stage.format)));
            return map;
          } else if constexpr (std::is_same_v<T, arith::ShiftRight>) {
            Value map = entry("shift_right", parameter(stage.bits));
            map.set("rounding", quoted(std::string(arith::name(stage.rounding))));
            return map;
          } else if constexpr (std::is_same_v<T, arith::Narrow>) {
            const bool wraps = stage.format.overflow == Overflow::WRAP || stage.format.overflow == Overflow::WRAP_SM;
            return entry(wraps ? "wrap" : "saturate", quoted(arith::to_string(stage.format)));
          } else if constexpr (std::is_same_v<T, arith::Relu>) {
            return entry("relu", Value(true));
          } else if constexpr (std::is_same_v<T, arith::Clamp>) {
            const auto bound = [](const std::optional<std::int64_t>& v) { return v ? Value(*v) : Value(); };
            return entry("clamp", Value::list({bound(stage.low), bound(stage.high)}));
          } else {
            static_assert(std::is_same_v<T, arith::Scale>);
            return entry("scale", quoted(sink.put(name, stage.values)));
          }
        },
        any));
  }
  return Value::list(std::move(list));
}

}  // namespace guardbit::nets
