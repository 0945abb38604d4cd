// From one run of a simulated machine to the golden-trace package of one of its weighted layers.
#pragma once

#include <cstdint>
#include <string>

#include "nets/engines/engine.hpp"
#include "sim/machine.hpp"
#include "traces/check.hpp"
#include "traces/package.hpp"

namespace guardbit::traces {

struct Provenance {
  std::string generator_version;
  std::string network_sha256;
  std::string samples;  // in words, without paths
  std::int64_t first_sample = 0;
  std::uint64_t seed = 0;
};

// `result` must have been run with RunOptions::keep_accumulators. Error when the layer has no weights.
[[nodiscard]] Package make_package(const nets::IntegerNetwork& network, int layer, const sim::Machine& machine,
                                   const arith::Accumulation& accumulation, const nets::RunResult& result,
                                   const Provenance& provenance);

// Writes into a temporary folder beside `output`, reads it back, recomputes every value, and only then renames. An
// existing `output` is replaced if it is a trace package or an empty folder; anything else is an Error. When the
// report does not hold, nothing is left and `output` is as it was.
[[nodiscard]] CheckReport publish(Package& package, const std::filesystem::path& output);

}  // namespace guardbit::traces
