// What verification and simulation add up over batches of images. Merging two tallies in image order gives the same
// bytes whatever the number of worker processes, because a batch never depends on it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nets/engines/compare.hpp"
#include "nets/engines/engine.hpp"
#include "nets/quantize/float_error.hpp"

namespace guardbit::cli {

struct LayerTally {
  arith::AccumulationEvidence evidence;  // of the reference (verify) or of the engine (simulate)
  arith::StageCounts stages;
  std::optional<nets::LayerCost> cost;
  nets::FloatError error;  // against the float reference; count 0 where there is none

  void add(const nets::LayerResult& result);
  void merge(const LayerTally& other);
};

struct EngineTally {
  std::string name;
  std::vector<nets::CodeComparison> layers;
  std::uint64_t evidence_mismatches = 0;
  std::string first_evidence;  // "layer conv2: accumulator.count: expected 3, actual 4"

  [[nodiscard]] std::uint64_t compared() const;
  [[nodiscard]] std::uint64_t mismatching() const;
  [[nodiscard]] std::optional<nets::Mismatch> first() const;  // in the earliest layer
  void add_evidence(const std::vector<std::string>& lines);
  void merge(const EngineTally& other);
};

struct Tally {
  std::int64_t samples = 0;
  std::int64_t float_top1 = 0, integer_top1 = 0;
  std::vector<LayerTally> layers;
  std::vector<EngineTally> engines;  // those compared with the reference

  void merge(const Tally& other);  // of the batch that follows
};

[[nodiscard]] nlohmann::json to_json(const Tally& tally);
[[nodiscard]] Tally tally_from_json(const nlohmann::json& json);

}  // namespace guardbit::cli
