// Rounding and overflow modes as text, apart from arith/modes.hpp so that the scalar headers need no strings.
#pragma once

#include <optional>
#include <string_view>

#include "arith/modes.hpp"

namespace guardbit::arith {

[[nodiscard]] constexpr std::string_view name(Rounding mode) {
  switch (mode) {
#define X(id, meaning) \
  case Rounding::id:   \
    return #id;
    GUARDBIT_ROUNDING_MODES(X)
#undef X
  }
  __builtin_unreachable();
}

[[nodiscard]] constexpr std::string_view name(Overflow mode) {
  switch (mode) {
#define X(id, meaning) \
  case Overflow::id:   \
    return #id;
    GUARDBIT_OVERFLOW_MODES(X)
#undef X
  }
  __builtin_unreachable();
}

// The mode of that exact name, or nothing.
[[nodiscard]] constexpr std::optional<Rounding> parse_rounding(std::string_view text) {
#define X(id, meaning) \
  if (text == #id) return Rounding::id;
  GUARDBIT_ROUNDING_MODES(X)
#undef X
  return std::nullopt;
}

[[nodiscard]] constexpr std::optional<Overflow> parse_overflow(std::string_view text) {
#define X(id, meaning) \
  if (text == #id) return Overflow::id;
  GUARDBIT_OVERFLOW_MODES(X)
#undef X
  return std::nullopt;
}

}  // namespace guardbit::arith
