// Requantize stages as YAML, in hardware order:
//
//   - {add: P}   - {subtract: P}   - {shift_left: P}   - {multiply: P, format: "int<49,WRAP>"}   # format optional
//   - {shift_right: P, rounding: RND_INF}              # rounding optional
//   - {saturate: int17}   - {wrap: int16}   - {relu: true}   - {clamp: [LOW, HIGH]}   - {scale: P}   # null: no bound
//
// P is a number, a list (one per channel), or a name that a ParameterSource turns into numbers: a tensor of the bundle,
// or a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arith/stages.hpp"
#include "nets/config/section.hpp"

namespace guardbit::nets {

class ParameterSource {
 public:
  virtual ~ParameterSource() = default;
  [[nodiscard]] virtual std::vector<std::int64_t> integers(const std::string& name) = 0;
  [[nodiscard]] virtual std::vector<float> floats(const std::string& name) = 0;
};

// Where write_stages puts lists of more than one number; returns the name to refer to them by.
class ParameterSink {
 public:
  virtual ~ParameterSink() = default;
  [[nodiscard]] virtual std::string put(const std::string& name, const std::vector<std::int64_t>& values) = 0;
  [[nodiscard]] virtual std::string put(const std::string& name, const std::vector<float>& values) = 0;
};

// The list at `key` of `section`. Error: where, what was found, what is allowed.
[[nodiscard]] arith::StageList read_stages(const Section& section, std::string_view key, ParameterSource& source);

// Names offered to the sink are PREFIX.INDEX.
[[nodiscard]] Value write_stages(const arith::StageList& stages, const std::string& prefix, ParameterSink& sink);

}  // namespace guardbit::nets
