// CMSIS-NN's operator cases (parameters, inputs, expected outputs) as one-layer integer networks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets::tests {

// One case of cases.jsonl.
class CmsisCase {
 public:
  explicit CmsisCase(nlohmann::json json);
  [[nodiscard]] const std::string& name() const { return name_; }
  // The configuration value whose key is `key` behind the case's prefix: number("PAD_X") is CONV_1_X_N_1_PAD_X.
  [[nodiscard]] std::int64_t number(const std::string& key) const;
  [[nodiscard]] std::int64_t number(const std::string& key, std::int64_t otherwise) const;
  // The array of the first of `names` that the case has; the sets of cases spell them differently. Empty: none.
  [[nodiscard]] std::vector<std::int64_t> array(const std::vector<std::string>& names) const;
  [[nodiscard]] const nlohmann::json& json() const { return json_; }
  [[nodiscard]] std::string type(const std::vector<std::string>& names) const;  // "int8_t"; "": no such array

 private:
  [[nodiscard]] const nlohmann::json* find(const std::string& key) const;
  nlohmann::json json_;
  std::string name_;
};

// Lines of the file, in its order.
[[nodiscard]] std::vector<CmsisCase> read_cmsis_cases(const std::filesystem::path& file);

// How a case's multiplier and shift become stages. The cases are double-rounding; the others are wrong on purpose.
enum class Requantization { AsPublished, SingleRounding, TruncatedShift };

struct CmsisNetwork {
  IntegerNetwork network;
  IntTensor input;
  std::vector<std::int64_t> expected;  // codes of the network's output
};

// The networks whose outputs together are the case's (a batched matrix product is one per matrix). An empty list:
// the integer layers have no such operator; `reason` says which.
[[nodiscard]] std::vector<CmsisNetwork> to_networks(const CmsisCase& c, Requantization how, std::string& reason);

// The case `ds_cnn_l`, keyword spotting with 276 channels, up to the codes that enter its softmax; `expected` is what
// the softmax makes of them and `softmax_step` its exponent per code.
[[nodiscard]] CmsisNetwork ds_cnn_network(const CmsisCase& c, double& softmax_step);

}  // namespace guardbit::nets::tests
