// Checks of a package's values: recomputed from its own stimulus, or compared with what a device wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "traces/package.hpp"

namespace guardbit::traces {

// One element that differs. Index counts elements of the stream; the coordinates are those of its axes.
struct Difference {
  Role role = Role::Output;
  std::int64_t index = 0;
  std::vector<std::int64_t> coordinate;  // [n, p, q, k]
  std::int64_t expected = 0;
  std::optional<std::int64_t> actual;  // empty: the device left it unknown (x, z) or wrote nothing
  bool missing = false;
};

struct CheckReport {
  std::int64_t compared = 0;
  std::int64_t mismatches = 0;
  std::int64_t unknown = 0;  // of the mismatches: x or z
  std::int64_t missing = 0;  // of the mismatches: never written
  std::int64_t extra = 0;    // written beyond the end
  std::int64_t max_abs_difference = 0;
  bool evidence_equal = true;  // overflow counts and exact range, of check_values
  std::optional<Difference> first;
  [[nodiscard]] bool held() const { return mismatches == 0 && extra == 0 && evidence_equal; }
};

// Recomputes every accumulator with arith::accumulate and every output with arith::apply_stages from the package
// alone (stimulus, accumulation and stages of the manifest) and compares with expect/. No simulator is involved.
[[nodiscard]] CheckReport check_values(const Package& package);

// Compares a device's dump of `role` (accumulator or output) with the package. `text` is not trusted.
[[nodiscard]] CheckReport compare_dump(const Package& package, Role role, std::string_view text,
                                       const std::string& where);

// "layer=conv2 stream=output word=17 lane=0 n=0 p=1 q=2 k=5 expected=8'h6d (109) actual=8'h6c (108) difference=-1"
[[nodiscard]] std::string to_text(const Manifest& manifest, const Difference& difference);

}  // namespace guardbit::traces
