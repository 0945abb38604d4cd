#include "arith/stage_text.hpp"

#include <charconv>
#include <type_traits>

namespace guardbit::arith {
namespace {

constexpr std::size_t kShown = 4;  // values of a per-channel parameter that are printed

std::string number(std::int64_t value) { return std::to_string(value); }

// Shortest text that reads back as the same float; independent of the locale.
std::string number(float value) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, value);
  return {text, result.ptr};
}

template <typename T>
std::string list(const std::vector<T>& values) {
  if (values.size() == 1) {
    return number(values[0]);
  }
  std::string text = "[";
  for (std::size_t i = 0; i < values.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + number(values[i]);
  }
  return text + (values.size() > kShown ? ", ... " + std::to_string(values.size()) + " values]" : "]");
}

std::string bound(const std::optional<std::int64_t>& value) { return value ? number(*value) : "none"; }

std::string narrow_text(const Format& format) {
  if (format.overflow != Overflow::WRAP && format.overflow != Overflow::WRAP_SM) {
    return "saturate: " + to_string(format);
  }
  Format shown = format;
  if (format.kind == Kind::Integer && format.overflow == Overflow::WRAP && format.n_bits == 0) {
    shown.overflow = Overflow::SAT;  // `wrap: int16` is the narrowing to int<16,WRAP>
  }
  return "wrap: " + to_string(shown);
}

}  // namespace

std::string to_string(const Stage& any) {
  return std::visit(
      [](const auto& stage) -> std::string {
        using T = std::decay_t<decltype(stage)>;
        if constexpr (std::is_same_v<T, Add>) {
          return "add: " + list(stage.value.values);
        } else if constexpr (std::is_same_v<T, Subtract>) {
          return "subtract: " + list(stage.value.values);
        } else if constexpr (std::is_same_v<T, ShiftLeft>) {
          return "shift_left: " + list(stage.bits.values);
        } else if constexpr (std::is_same_v<T, Multiply>) {
          return "multiply: " + list(stage.value.values) +
                 (stage.format ? ", format: " + to_string(*stage.format) : std::string());
        } else if constexpr (std::is_same_v<T, ShiftRight>) {
          return "shift_right: " + list(stage.bits.values) + ", rounding: " + std::string(name(stage.rounding));
        } else if constexpr (std::is_same_v<T, Narrow>) {
          return narrow_text(stage.format);
        } else if constexpr (std::is_same_v<T, Relu>) {
          return "relu: true";
        } else if constexpr (std::is_same_v<T, Clamp>) {
          return "clamp: [" + bound(stage.low) + ", " + bound(stage.high) + "]";
        } else {
          static_assert(std::is_same_v<T, Scale>);
          return "scale: " + list(stage.values);
        }
      },
      any);
}

std::string to_string(const StageList& stages) {
  std::string text;
  for (const Stage& stage : stages) {
    text += (text.empty() ? "" : "; ") + to_string(stage);
  }
  return text;
}

}  // namespace guardbit::arith
