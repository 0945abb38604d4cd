// Which path can compute a product: bounds that hold for every input, in exact integers.
#include "arith/detail/gemm_plan.hpp"

#include <algorithm>
#include <numeric>

#include "arith/narrow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kChunk = 1152;      // aimed at: 72 KiB of weights as 16-bit numbers
constexpr std::int64_t kMaxChunk = 4096;   // of the lanes' buffers
constexpr std::int64_t kMaxDepth = 16384;  // likewise: 8 rows of 32-bit words
constexpr std::int64_t kQuad = 4;
constexpr std::int64_t kRowBytes = 3 << 15;  // of left operand that is worked on together
constexpr std::int64_t kMostRows = 512;
constexpr std::int64_t kBound32 = INT32_MAX;

// Group size and chunk; false when no lane follows these groups (a fold that is not whole groups; odd groups, which
// would split a pair of products).
bool shape_groups(GemmPlan& plan) {
  const std::int64_t depth = std::max<std::int64_t>(plan.weights.depth, 1);
  std::int64_t fold = plan.accumulation.fold;
  std::int64_t step = plan.accumulation.accumulator.step;
  if (fold == 0 || fold >= depth) fold = depth;
  if (step == 0 || step > fold) step = fold;
  plan.step = step;
  plan.chunk = std::min(kChunk, std::max<std::int64_t>(plan.weights.padded_depth, kQuad));  // buffers are as long
  if (depth > kMaxDepth) return false;
  if (step == 1) return true;
  if (step >= depth) {
    plan.chunk = plan.weights.padded_depth;
    return plan.chunk <= kMaxChunk;
  }
  if (fold % step != 0 && fold != depth) return false;
  const std::int64_t unit = std::lcm(step, kQuad);
  if (step % 2 != 0 || unit > kMaxChunk) return false;
  plan.chunk = unit * std::max<std::int64_t>(1, kChunk / unit);
  return true;
}

// The largest magnitude of any sum, and of what products add to it.
struct Reach {
  std::int64_t sum = 0, move = 0;
};

// One column; false when its sums need more than 32 bits from the start.
bool add_column(const GemmPlan& plan, ColumnBlock& block, int c, Reach& reach) {
  const PackedWeights::State& w = plan.weights;
  const auto column = static_cast<std::size_t>(block.first_col + c);
  const std::int64_t up = plan.x_high * w.positive[column] - plan.x_low * w.negative[column];
  const std::int64_t down = plan.x_high * w.negative[column] - plan.x_low * w.positive[column];
  const std::int64_t exact = plan.start(block.first_col + c);
  if (exact < -kBound32 || exact > kBound32) return false;
  const bool overflows = exact < plan.low || exact > plan.high;
  const std::int64_t value =
      overflows ? static_cast<std::int64_t>(fit(exact, plan.accumulation.accumulator.format).value) : exact;
  if (value < -kBound32 || value > kBound32) return false;  // wrapped far away, in an unsigned format
  reach.move = std::max({reach.move, up, down});
  reach.sum = std::max({reach.sum, std::abs(exact) + std::max(up, down), std::abs(value) + std::max(up, down)});
  const std::uint32_t bit = std::uint32_t{1} << c;
  block.used |= bit;
  if (overflows) block.overflowing |= bit;
  if (value + up <= plan.high && value - down >= plan.low) block.proven |= bit;
  block.value[c] = static_cast<std::int32_t>(value);
  block.exact[c] = static_cast<std::int32_t>(exact);
  const auto sum =
      static_cast<std::uint32_t>(w.column_sum[static_cast<std::size_t>(w.chunks() * w.padded_cols) + column]);
  block.plain[c] =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(value) - static_cast<std::uint32_t>(plan.offset) * sum);
  return true;
}

}  // namespace

std::optional<GemmPlan> make_gemm_plan(const GemmLhs& lhs, std::int64_t rows, const PackedWeights& packed,
                                       std::span<const std::int64_t> initial, const Accumulation& accumulation) {
  const PackedWeights::State& weights = packed.state();
  const Format& format = accumulation.accumulator.format;
  if (!weights.quads || lhs.type == GemmLhs::Type::S16 || accumulation.psum || format.n_bits != 0 ||
      weights.cols == 0) {
    return std::nullopt;
  }
  GemmPlan plan{.lhs = lhs, .weights = weights, .initial = initial, .accumulation = accumulation, .rows = rows};
  const bool bytes = lhs.type == GemmLhs::Type::U8;
  plan.flip = bytes ? 0 : 128;
  plan.offset = lhs.zero_point + plan.flip;
  plan.x_low = -plan.offset;
  plan.x_high = 255 - plan.offset;
  const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
  plan.high = static_cast<std::int64_t>(format.max_code());
  plan.low = symmetric ? -plan.high : static_cast<std::int64_t>(format.min_code());

  plan.all_proven = true;
  Reach reach;
  plan.columns.resize(static_cast<std::size_t>(weights.column_blocks()));
  for (std::int64_t b = 0; b < weights.column_blocks(); ++b) {
    ColumnBlock& block = plan.columns[static_cast<std::size_t>(b)];
    block.block = b;
    block.first_col = b * kNr;
    block.cols = static_cast<int>(std::min<std::int64_t>(kNr, weights.cols - block.first_col));
    for (int c = 0; c < block.cols; ++c) {
      if (!add_column(plan, block, c, reach)) return std::nullopt;
    }
    plan.all_proven &= block.proven == block.used && block.overflowing == 0;
  }
  if (reach.sum > kBound32) return std::nullopt;

  const bool wraps = format.overflow == Overflow::WRAP;
  const bool clamps = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  const bool narrow = format.width <= (format.is_signed ? 31 : 30);
  plan.rangeable = shape_groups(plan);
  plan.watchable = reach.sum + plan.offset * (weights.depth * weights.max_magnitude) <= kBound32;
  if (plan.rangeable && narrow && (wraps || clamps)) {
    const std::int64_t product = std::max(plan.x_high, -plan.x_low) * weights.max_magnitude;
    const std::int64_t group = std::min(plan.step, weights.depth) * product;
    const std::int64_t move = std::min(group, reach.move);
    const bool toggles = wraps && move <= (std::int64_t{1} << format.width);
    plan.lanes16 = format.width == 16 && format.is_signed && group <= INT16_MAX;
    plan.lanes32 = toggles || std::max(plan.high, -plan.low) + move <= kBound32;
    plan.fit = toggles ? LaneFit::Toggle : wraps ? LaneFit::Wrap : LaneFit::Clamp;
    plan.lanes = plan.lanes16 || plan.lanes32;
    plan.use_lanes16 = plan.lanes16;
  }
  if (!plan.lanes && !plan.all_proven) return std::nullopt;
  return plan;
}

std::int64_t GemmPlan::rows_together() const {
  // Lanes take 4 bytes for one of them, 16-bit lanes 2; and rows that are read in place need no others.
  const bool more = use_lanes16 && source == nullptr && flip == 0;
  const std::int64_t rows_of_bytes = (more ? 3 : 1) * kRowBytes / std::max<std::int64_t>(weights.depth, 1);
  return std::clamp<std::int64_t>(rows_of_bytes / kMr * kMr, kMr, kMostRows);
}

void set_lane_starts(GemmPlan& plan) {
  for (ColumnBlock& block : plan.columns) {
    for (int c = 0; c < kNr; ++c) {
      block.lane_value[c] = plan.keeps_exact() ? block.exact[c] : block.value[c];
      block.lane_count[c] = static_cast<std::int32_t>(block.overflowing >> c & 1);
      block.lane_loss[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(block.exact[c]) -
                                                     static_cast<std::uint32_t>(block.value[c]));
    }
  }
}

std::int64_t first_narrowing(const GemmPlan& plan, const std::uint8_t* bytes, std::int64_t col) {
  const Format& format = plan.accumulation.accumulator.format;
  const std::int64_t depth = plan.weights.depth;
  std::int64_t value = plan.start(col);
  Fitted fitted = fit(value, format);
  std::int64_t narrowing = 0;
  for (std::int64_t k = 0; !fitted.overflowed && k < depth; ++narrowing) {
    const std::int64_t end = std::min(k + plan.step, depth);
    for (; k < end; ++k) value += std::int64_t{bytes[k] - plan.offset} * plan.weights.at(k, col);
    fitted = fit(value, format);
  }
  return narrowing;
}

}  // namespace guardbit::arith::detail
