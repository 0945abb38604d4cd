// gemm() for a left operand of 16 bits: a convolution of one pixel with one tap is a row times a matrix.
#include <algorithm>
#include <cstdlib>

#include "arith/detail/gemm_multiply.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/parallel.hpp"
#include "arith/wide_conv.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kWeights = 40 << 10;  // of some columns, that are made ready at a time: up to 160 KiB
constexpr std::int64_t kCodes = 1 << 14;     // copied at a time, about, where rows do not follow each other: 32 KiB
constexpr std::int64_t kLeastRows = 16;      // for which weights are worth making ready
constexpr std::int64_t kMostStart = std::int64_t{1} << 60;  // of initial values, that WideConv takes
constexpr std::int64_t kMostSum = std::int64_t{1} << 62;

// The columns first .. first + count - 1 as filters.
std::vector<std::int32_t> filters(const PackedWeights::State& weights, std::int64_t first, std::int64_t count) {
  std::vector<std::int32_t> turned(static_cast<std::size_t>(count * weights.depth));
  for (std::int64_t k = 0; k < weights.depth; ++k) {
    for (std::int64_t c = 0; c < count; ++c) {
      turned[static_cast<std::size_t>(c * weights.depth + k)] = weights.at(k, first + c);
    }
  }
  return turned;
}

// Whether sums could go far beyond the format. Wrapping ones are then followed faster as they come than by WideConv.
bool may_go_far(const PackedWeights::State& weights, const Format& format, std::int32_t zero_point) {
  constexpr std::int64_t kFar = 16;
  std::vector<std::int64_t> magnitudes(static_cast<std::size_t>(weights.cols));
  for (std::int64_t k = 0; k < weights.depth; ++k) {
    for (std::int64_t c = 0; c < weights.cols; ++c) {
      magnitudes[static_cast<std::size_t>(c)] += std::abs(std::int64_t{weights.at(k, c)});
    }
  }
  const std::int64_t largest = magnitudes.empty() ? 0 : *std::max_element(magnitudes.begin(), magnitudes.end());
  return largest * (std::abs(std::int64_t{zero_point}) - INT16_MIN) / kFar > format.max_code();
}

GemmOut from(const GemmOut& out, std::int64_t row, std::int64_t col) {
  GemmOut to = out;
  const std::int64_t at = row * out.stride + col;
  if (to.out32 != nullptr) to.out32 += at;
  if (to.out64 != nullptr) to.out64 += at;
  to.first_output += row * out.row_step + col;
  return to;
}

// Rows first .. last - 1.
void run_rows(const WideConv& conv, const GemmLhs& lhs, std::int64_t depth, std::int64_t first, std::int64_t last,
              std::int64_t col, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work) {
  const auto* codes = static_cast<const std::int16_t*>(lhs.data);
  if (lhs.stride == depth) {
    return conv.run(codes, from(out, first, col), evidence, {first, last - first}, &work);
  }
  const std::int64_t most = std::max<std::int64_t>(1, kCodes / depth);
  std::vector<std::int16_t> copy(static_cast<std::size_t>(std::min(most, last - first) * depth));
  for (std::int64_t row = first; row < last; row += most) {
    const std::int64_t count = std::min(most, last - row);
    for (std::int64_t r = 0; r < count; ++r) {
      std::copy_n(codes + (row + r) * lhs.stride, depth, &copy[static_cast<std::size_t>(r * depth)]);
    }
    conv.run(copy.data(), from(out, row, col), evidence, {0, count}, &work);
  }
}

}  // namespace

bool multiply_wide(const GemmLhs& lhs, std::int64_t rows, const PackedWeights& weights,
                   std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out,
                   AccumulationEvidence& evidence, const GemmOptions& options, GemmWork* work) {
  const PackedWeights::State& w = weights.state();
  const auto far = [](std::int64_t start) { return start < -kMostStart || start > kMostStart; };
  if (lhs.type != GemmLhs::Type::S16 || accumulation.psum || rows < kLeastRows || w.depth == 0 ||
      w.depth * kNr > kWeights || w.max_magnitude > INT16_MAX || std::any_of(initial.begin(), initial.end(), far)) {
    return false;
  }
  const Format& format = accumulation.accumulator.format;
  if (format.overflow == Overflow::WRAP && may_go_far(w, format, lhs.zero_point)) return false;
  const std::int64_t together = kWeights / w.depth / kNr * kNr;
  const int parts = part_count(options.threads, rows);
  std::vector<AccumulationEvidence> done(static_cast<std::size_t>(parts));
  std::vector<GemmWork> worked(static_cast<std::size_t>(parts));
  // What has been seen need not be looked for again; and where nobody asks, all has been.
  for (AccumulationEvidence& part : done) part.exact = options.range ? evidence.exact : Range{-kMostSum, kMostSum};
  for (std::int64_t col = 0; col < w.cols; col += together) {
    const std::int64_t cols = std::min(together, w.cols - col);
    const ConvGeometry geometry{.images = rows, .c = static_cast<int>(w.depth), .k = static_cast<int>(cols)};
    auto starts = initial;
    if (!initial.empty()) starts = initial.subspan(static_cast<std::size_t>(col), static_cast<std::size_t>(cols));
    const WideConv conv(filters(w, col, cols).data(), geometry, {.low = -32768, .high = 32767, .zero_point = lhs.zero_point}, starts,
                        accumulation, options.isa);
    require(conv.available() && conv.shift() == 0);
    parallel_parts(parts, rows, [&](int part, std::int64_t first, std::int64_t last) {
      const auto at = static_cast<std::size_t>(part);
      run_rows(conv, lhs, w.depth, first, last, col, out, done[at], worked[at]);
    });
  }
  for (std::size_t part = 0; part < done.size(); ++part) {
    if (!options.range) done[part].exact = Range{};
    evidence.merge(done[part]);
    if (work != nullptr) work->merge(worked[part]);
  }
  return true;
}

}  // namespace guardbit::arith::detail
