#include "traces/check.hpp"

#include <fmt/format.h>

#include "arith/stages.hpp"
#include "traces/hex.hpp"

namespace guardbit::traces {
namespace {

std::vector<std::int64_t> coordinate_of(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> coordinate(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    coordinate[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return coordinate;
}

void record(CheckReport& report, const Stream& stream, std::int64_t index, std::int64_t expected,
            const DumpElement& actual) {
  ++report.compared;
  if (actual.present && actual.known && actual.value == expected) return;
  ++report.mismatches;
  Difference difference{.role = stream.role, .index = index, .coordinate = coordinate_of(index, stream.shape),
                        .expected = expected, .actual = {}, .missing = !actual.present};
  if (!actual.present) {
    ++report.missing;
  } else if (!actual.known) {
    ++report.unknown;
  } else {
    difference.actual = actual.value;
    std::int64_t distance = 0;  // saturated: 64-bit accumulators may be 2^64 apart
    if (__builtin_sub_overflow(actual.value, expected, &distance) || distance == INT64_MIN) distance = INT64_MAX;
    report.max_abs_difference = std::max(report.max_abs_difference, distance < 0 ? -distance : distance);
  }
  if (!report.first) report.first = std::move(difference);
}

// Products of one output in the order r, s, c; taps in the padding contribute 0.
class Products {
 public:
  explicit Products(const Package& package)
      : package_(package), act_(package.manifest.stream(Role::Activation).shape),
        wgt_(package.manifest.stream(Role::Weight).shape) {
    values_.resize(static_cast<std::size_t>(wgt_[1] * wgt_[2] * wgt_[3]));
  }

  std::span<const std::int64_t> at(std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t k) {
    const nets::Window& w = package_.manifest.window;
    const std::int64_t first_channel = k / (wgt_[0] / package_.manifest.groups) * wgt_[3];
    const std::int64_t zero_point = package_.manifest.activation.zero_point;
    std::size_t i = 0;
    for (std::int64_t r = 0; r < wgt_[1]; ++r) {
      for (std::int64_t s = 0; s < wgt_[2]; ++s) {
        const std::int64_t h = p * w.stride_h + r * w.dilation_h - w.padding.top;
        const std::int64_t x = q * w.stride_w + s * w.dilation_w - w.padding.left;
        const bool inside = h >= 0 && h < act_[1] && x >= 0 && x < act_[2];
        for (std::int64_t c = 0; c < wgt_[3]; ++c, ++i) {
          values_[i] = inside ? (activation(n, h, x, first_channel + c) - zero_point) * weight(k, i) : 0;
        }
      }
    }
    return values_;
  }

 private:
  [[nodiscard]] std::int64_t activation(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) const {
    return package_.of(Role::Activation)[static_cast<std::size_t>(((n * act_[1] + h) * act_[2] + w) * act_[3] + c)];
  }
  [[nodiscard]] std::int64_t weight(std::int64_t k, std::size_t i) const {
    return package_.of(Role::Weight)[static_cast<std::size_t>(k) * values_.size() + i];
  }

  const Package& package_;
  const std::vector<std::int64_t>&act_, &wgt_;
  std::vector<std::int64_t> values_;
};

}  // namespace

CheckReport check_values(const Package& package) {
  const Manifest& m = package.manifest;
  const std::vector<std::int64_t>& shape = m.stream(Role::Accumulator).shape;
  const std::vector<std::int64_t>& bias = package.of(Role::Bias);
  CheckReport report;
  arith::AccumulationEvidence evidence;
  arith::StageCounts counts{.total = 0, .changed = std::vector<std::uint64_t>(m.stages.size())};
  Products products(package);
  std::int64_t index = 0;
  const std::int64_t first_output = m.first_sample * shape[1] * shape[2] * shape[3];
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t p = 0; p < shape[1]; ++p) {
      for (std::int64_t q = 0; q < shape[2]; ++q) {
        for (std::int64_t k = 0; k < shape[3]; ++k, ++index) {
          const auto i = static_cast<std::size_t>(index);
          const std::int64_t initial = bias.empty() ? 0 : bias[static_cast<std::size_t>(k)];
          const std::int64_t accumulator =
              arith::accumulate(products.at(n, p, q, k), initial, m.accumulation, first_output + index, evidence);
          record(report, m.stream(Role::Accumulator), index, accumulator,
                 {.present = true, .known = true, .value = package.of(Role::Accumulator)[i]});
          record(report, m.stream(Role::Output), index, arith::apply_stages(m.stages, accumulator, k, counts),
                 {.present = true, .known = true, .value = package.of(Role::Output)[i]});
        }
      }
    }
  }
  report.evidence_equal = evidence == m.evidence;
  return report;
}

CheckReport compare_dump(const Package& package, Role role, std::string_view text, const std::string& where) {
  const Stream& stream = package.manifest.stream(role);
  const std::vector<std::int64_t>& expected = package.of(role);
  const Dump dump = parse_dump(text, stream.words, stream.elements(), where);
  CheckReport report;
  report.extra = dump.extra;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    record(report, stream, static_cast<std::int64_t>(i), expected[i], dump.elements[i]);
  }
  return report;
}

std::string to_text(const Manifest& manifest, const Difference& difference) {
  const Stream& stream = manifest.stream(difference.role);
  const int bits = stream.words.elem_bits;
  const auto literal = [&](std::int64_t value) {
    return fmt::format("{}'h{} ({})", bits, element_hex(value, bits), value);
  };
  std::string text = fmt::format("layer={} stream={} word={} lane={}", manifest.layer, name(difference.role),
                                 difference.index / stream.words.elems_per_word,
                                 difference.index % stream.words.elems_per_word);
  constexpr std::array<const char*, 4> kAxisNames{"n", "p", "q", "k"};
  for (std::size_t axis = 0; axis < difference.coordinate.size(); ++axis) {
    text += fmt::format(" {}={}", kAxisNames.at(axis), difference.coordinate[axis]);
  }
  text += " expected=" + literal(difference.expected) + " actual=";
  if (difference.missing) return text + "missing";
  if (!difference.actual) return text + "unknown";
  text += literal(*difference.actual);
  std::int64_t distance = 0;
  if (!__builtin_sub_overflow(*difference.actual, difference.expected, &distance)) {
    text += fmt::format(" difference={:+}", distance);
  }
  return text;
}

}  // namespace guardbit::traces
