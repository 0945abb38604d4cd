// What `verify` says: the JSON document (README.md documents its keys) and the table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/tally.hpp"
#include "cli/verify_batch.hpp"

namespace guardbit::cli {

// Everything that must hold, checked: codes, evidence, cycles, MACs.
struct Verdict {
  std::uint64_t compared_codes = 0, mismatching_codes = 0, evidence_mismatches = 0, mac_mismatches = 0;
  std::vector<std::string> lines;  // one per engine that differs, and one per layer whose MACs differ
  [[nodiscard]] bool held() const { return mismatching_codes == 0 && evidence_mismatches == 0 && mac_mismatches == 0; }
};
[[nodiscard]] Verdict judge(const VerifyPlan& plan, const Tally& tally);

[[nodiscard]] nlohmann::json verify_json(const VerifyPlan& plan, const Tally& tally, const Verdict& verdict);
[[nodiscard]] std::string verify_text(const VerifyPlan& plan, const Tally& tally, const Verdict& verdict);

}  // namespace guardbit::cli
