// Requantize stages as JSON, in the spelling of the configuration: [{"shift_right": 12, "rounding": "RND_INF"}, ...].
// A parameter is a number or a list with one number per output channel.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"

namespace guardbit::traces {

[[nodiscard]] nlohmann::json to_json(const arith::StageList& stages);
// Error with `where` and the stage's number for what is not a stage list.
[[nodiscard]] arith::StageList stages_from_json(const nlohmann::json& json, const std::string& where);

// {"accumulator": {"format", "step"}, "psum": null or the same, "fold"}
[[nodiscard]] nlohmann::json to_json(const arith::Accumulation& accumulation);
[[nodiscard]] arith::Accumulation accumulation_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace guardbit::traces
