// One batch of verification: every engine on the same images, everything compared with the reference.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/samples.hpp"
#include "cli/tally.hpp"
#include "nets/engines/fault.hpp"
#include "sim/machine.hpp"
#include "trainer/saved_training.hpp"

namespace guardbit::cli {

// ENGINE:FAULT[:LAYER]
struct Injection {
  std::string engine;
  nets::Fault fault = nets::Fault::None;
  std::string layer;
};

// The forward pass of a quantized training, image by image those of the samples.
struct TrainedForward {
  trainer::SavedTraining training;
  trainer::DeviceDataset data;
};

inline constexpr std::string_view kTrainer = "trainer";  // its name among the engines

struct VerifyPlan {
  nets::IntegerNetwork network;
  nets::Network folded;  // the float reference
  std::optional<sim::Machine> machine;
  std::vector<arith::Accumulation> accumulations;
  std::vector<std::string> engines;  // those compared with the reference
  std::vector<Injection> injections;
  std::optional<std::uint64_t> stall_seed;
  Samples samples;
  std::unique_ptr<TrainedForward> trained;  // of a run folder, when the engine `trainer` was asked for
};

// Images of one batch. A constant, because float sums over images depend on where batches are cut.
inline constexpr std::int64_t kVerifyBatch = 8;

[[nodiscard]] int batches(const VerifyPlan& plan);
[[nodiscard]] Tally verify_batch(const VerifyPlan& plan, int batch);

// All batches in worker processes, with a progress line.
[[nodiscard]] Tally verify_all(const VerifyPlan& plan, int workers);

}  // namespace guardbit::cli
