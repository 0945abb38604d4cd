// Text of requantize stages, for reports and messages: the spelling of the configuration, e.g. `add: 3`,
// `multiply: [5, 7, ... 64 values], format: int<49,WRAP>`, `shift_right: 12, rounding: RND_INF`, `saturate: int8`.
#pragma once

#include <string>

#include "arith/stages.hpp"

namespace guardbit::arith {

[[nodiscard]] std::string to_string(const Stage& stage);

// All stages, separated by "; ".
[[nodiscard]] std::string to_string(const StageList& stages);

}  // namespace guardbit::arith
