// What every `compute` command shares: its numerics, its operands, and its results.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.hpp"
#include "nets/compute/numerics.hpp"
#include "nets/compute/operators.hpp"

namespace guardbit::cli {

class ComputeJob {
 public:
  // `numerics.KEY=VALUE` changes the file that --numerics names.
  explicit ComputeJob(const Invocation& invocation);

  [[nodiscard]] const nets::Section& root() const { return session_.root(); }
  [[nodiscard]] nets::compute::Numerics& numerics() { return numerics_; }
  [[nodiscard]] int threads() const { return session_.threads(); }

  // The integers of the file that `key` names.
  [[nodiscard]] nets::compute::Operand operand(const char* key, const nets::compute::OperandSpec& spec) const;
  // Empty without --bias.
  [[nodiscard]] std::vector<std::int64_t> bias() const;
  [[nodiscard]] nets::WideTensor wide(const char* key, const arith::Format& format) const;

  // Applies the output stages to `values`, then writes all results, and returns the exit code. `more` joins the JSON.
  int finish(const nets::compute::Accumulated& accumulated, const nets::WideTensor& values,
             const arith::Accumulation& accumulation, const nlohmann::json& more = nlohmann::json::object());

 private:
  std::string name_;  // of the command
  Session session_;
  nets::compute::Numerics numerics_;
  std::filesystem::path out_;
  std::optional<std::filesystem::path> accumulators_;
};

}  // namespace guardbit::cli
