// An independent model of `compute`: 128-bit integers, indices written out, none of the program's arithmetic.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace guardbit::tests {

__extension__ typedef __int128 Wide;

struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> data;
  [[nodiscard]] std::int64_t count() const {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return n;
  }
};

// A signed integer format of the program's text form.
struct OracleFormat {
  int width = 8;
  std::string mode = "SAT";  // SAT, SAT_SYM, SAT_ZERO, WRAP
  [[nodiscard]] std::string text() const { return "int<" + std::to_string(width) + "," + mode + ">"; }
  [[nodiscard]] Wide narrow(Wide value) const {
    const Wide span = Wide{1} << width, high = span / 2 - 1, low = mode == "SAT_SYM" ? -high : -span / 2;
    if (value >= low && value <= high) return value;
    if (mode == "SAT_ZERO") return 0;
    if (mode != "WRAP") return value < 0 ? low : high;
    const Wide rest = ((value + span / 2) % span + span) % span;
    return rest - span / 2;
  }
};

struct OracleEvidence {
  std::int64_t count = 0, outputs = 0, transient = 0, harmful = 0;
  std::int64_t first_output = -1, first_narrowing = -1;
};

// The running sum of `terms` from `initial`, narrowed after the initial value and after every `step` terms (0: all).
inline std::int64_t oracle_accumulate(const std::vector<Wide>& terms, Wide initial, const OracleFormat& format,
                                      std::size_t step, std::int64_t output, OracleEvidence& evidence) {
  Wide sum = initial, exact = initial, group = 0;
  std::int64_t changed = 0, narrowing = 0;
  const auto narrow = [&] {
    const Wide kept = format.narrow(sum);
    if (kept != sum) {
      ++changed;
      if (evidence.first_output < 0) {
        evidence.first_output = output;
        evidence.first_narrowing = narrowing;
      }
    }
    ++narrowing;
    sum = kept;
  };
  narrow();
  for (std::size_t i = 0; i < terms.size(); ++i) {
    group += terms[i];
    if (i + 1 == terms.size() || (step != 0 && (i + 1) % step == 0)) {
      sum += group;
      exact += group;
      group = 0;
      narrow();
    }
  }
  evidence.count += changed;
  evidence.outputs += changed != 0;
  evidence.transient += changed != 0 && sum == exact;
  evidence.harmful += sum != exact;
  return static_cast<std::int64_t>(sum);
}

// value / 2^bits, by comparing the remainder with one half.
inline Wide oracle_shift_right(Wide value, int bits, const std::string& mode) {
  const Wide unit = Wide{1} << bits;
  Wide floor = value / unit;
  if (floor * unit > value) --floor;
  const Wide twice = 2 * (value - floor * unit);  // remainder in halves of a unit
  bool up = twice > unit;
  if (twice == unit) {
    if (mode == "RND") up = true;
    if (mode == "RND_INF") up = value >= 0;
    if (mode == "RND_ZERO") up = value < 0;
    if (mode == "RND_MIN_INF") up = false;
    if (mode == "RND_CONV") up = floor % 2 != 0;
  }
  if (mode == "TRN") up = false;
  if (mode == "TRN_ZERO") up = value < 0 && twice != 0;
  return floor + (up ? 1 : 0);
}

struct Window2d {
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  [[nodiscard]] std::int64_t rows(std::int64_t h) const {
    std::int64_t n = 0;
    while (n * stride_h + dilation_h * (kernel_h - 1) < h + top + bottom) ++n;
    return n;
  }
  [[nodiscard]] std::int64_t columns(std::int64_t w) const {
    std::int64_t n = 0;
    while (n * stride_w + dilation_w * (kernel_w - 1) < w + left + right) ++n;
    return n;
  }
};

// Element of [N, H, W, C]; nothing outside of H, W.
inline std::optional<std::int64_t> element(const Tensor& t, std::int64_t n, std::int64_t y, std::int64_t x,
                                           std::int64_t c) {
  if (y < 0 || y >= t.shape[1] || x < 0 || x >= t.shape[2]) return std::nullopt;
  return t.data[static_cast<std::size_t>(((n * t.shape[1] + y) * t.shape[2] + x) * t.shape[3] + c)];
}

}  // namespace guardbit::tests
