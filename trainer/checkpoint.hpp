// Checkpoints: everything that a training needs to go on as if it had never stopped, in one safetensors file, written
// atomically.
//
//   tensors   value.NAME, average.NAME, state0.NAME, state1.NAME; "progress" int64 [2]: epochs and steps done;
//             quantizer.NAME float64 [1]: state of quantizers
//   metadata  config: the merged configuration without output, load, save and threads; format: 2; digest: SHA-256 over
//             config and every tensor, so that a single wrong bit is found
//
// Random numbers are functions of (seed, epoch, step), so epoch and step are the whole state of the generators.
// DIR/checkpoints/checkpoint-N.safetensors is the state after N epochs; `latest` is the largest N.
#pragma once

#include <filesystem>
#include <string>

#include "trainer/graph/parameters.hpp"
#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

struct Progress {
  std::int64_t epoch = 0;  // done
  std::uint64_t step = 0;  // done
  friend bool operator==(const Progress&, const Progress&) = default;
};

[[nodiscard]] std::filesystem::path checkpoint_path(const std::filesystem::path& output, std::int64_t epoch);
[[nodiscard]] std::filesystem::path named_checkpoint_path(const std::filesystem::path& output, const std::string& name);

void save_checkpoint(const std::filesystem::path& file, Backend& backend, const Parameters& parameters,
                     const Progress& progress, const std::string& config,
                     const std::vector<Quantizer::State>& quantizers = {});
/// Error when a tensor is absent, left over or of another shape: the checkpoint is of another network or optimizer.
[[nodiscard]] Progress load_checkpoint(const std::filesystem::path& file, Backend& backend, Parameters& parameters,
                                       const std::vector<Quantizer::State>& quantizers = {});

/// `load` (latest, a number, the name of one in DIR/checkpoints, a file name) -> the file; Error when there is none.
[[nodiscard]] std::filesystem::path find_checkpoint(const std::filesystem::path& output, const std::string& load);
/// Removes all but the `keep` latest.
void prune_checkpoints(const std::filesystem::path& output, std::int64_t keep);

}  // namespace guardbit::trainer
