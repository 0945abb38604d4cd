// Overflow evidence and costs as JSON: between worker processes (complete, exact) and in reports (rates included).
#pragma once

#include <nlohmann/json.hpp>

#include "nets/engines/compare.hpp"
#include "nets/engines/engine.hpp"

namespace guardbit::cli {

[[nodiscard]] nlohmann::json to_json(const arith::AccumulationEvidence& evidence);
[[nodiscard]] arith::AccumulationEvidence evidence_from_json(const nlohmann::json& json);

[[nodiscard]] nlohmann::json to_json(const arith::StageCounts& counts);
[[nodiscard]] arith::StageCounts stage_counts_from_json(const nlohmann::json& json);

[[nodiscard]] nlohmann::json to_json(const nets::LayerCost& cost);
[[nodiscard]] nets::LayerCost cost_from_json(const nlohmann::json& json);

[[nodiscard]] nlohmann::json to_json(const nets::CodeComparison& comparison);
[[nodiscard]] nets::CodeComparison comparison_from_json(const nlohmann::json& json);

// Where a layer's stages lose bits: the last narrowing stage is `output`, all earlier ones together `requantize`.
struct StageOverflow {
  std::uint64_t outputs = 0;     // values that went through the stages
  std::uint64_t requantize = 0;  // narrowings that changed their value
  std::uint64_t output = 0;
};
[[nodiscard]] StageOverflow stage_overflow(const arith::StageList& stages, const arith::StageCounts& counts);

// {psum, accumulator, requantize, output}, each {count, rate, transient, harmful}; README.md says what they mean.
[[nodiscard]] nlohmann::json overflow_report(const arith::AccumulationEvidence& evidence, const StageOverflow& stages);

}  // namespace guardbit::cli
