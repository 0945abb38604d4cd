// Which path can compute a product: bounds that hold for every input, in exact integers.
#include "arith/detail/gemm_plan.hpp"

#include <algorithm>
#include <numeric>

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kChunk = 128;      // aimed at: short enough to redo, long enough to prove cheaply
constexpr std::int64_t kMaxChunk = 4096;  // of the lanes' buffers
constexpr std::int64_t kMaxDepth = 16384;  // likewise: 8 rows of 32-bit words
constexpr std::int64_t kBound32 = INT32_MAX;

// Group size and chunk; false when no lane follows these groups (a fold that is not whole groups; odd groups, which
// would split a pair of products).
bool shape_groups(GemmPlan& plan) {
  const std::int64_t depth = std::max<std::int64_t>(plan.weights.depth, 1);
  // 16 bits are seldom proven: longer chunks, fewer calls.
  const std::int64_t aim = plan.accumulation.accumulator.format.width == 16 ? 2 * kChunk : kChunk;
  std::int64_t fold = plan.accumulation.fold;
  std::int64_t step = plan.accumulation.accumulator.step;
  if (fold == 0 || fold >= depth) fold = depth;
  if (step == 0 || step > fold) step = fold;
  plan.step = step;
  plan.chunk = aim;
  if (depth > kMaxDepth) return false;
  if (step == 1) return true;
  if (step >= depth) {
    plan.chunk = plan.weights.padded_depth;
    return plan.chunk <= kMaxChunk;
  }
  if (fold % step != 0 && fold != depth) return false;
  const std::int64_t unit = std::lcm(step, kProofDepth);
  if (step % 2 != 0 || unit > kMaxChunk) return false;
  plan.chunk = unit * std::max<std::int64_t>(1, aim / unit);
  return true;
}

// The initial values of a block of columns.
void start_range(const GemmPlan& plan, std::int64_t block, std::int64_t& min, std::int64_t& max) {
  min = max = plan.start(block * kNr);
  for (std::int64_t c = block * kNr; c < std::min(plan.weights.cols, (block + 1) * kNr); ++c) {
    min = std::min(min, plan.start(c));
    max = std::max(max, plan.start(c));
  }
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
  std::int64_t largest_start = 0;
  std::int64_t largest_move = 0;
  for (std::int64_t block = 0; block < weights.column_blocks(); ++block) {
    const ColumnBound& total = weights.total[static_cast<std::size_t>(block)];
    const std::int64_t up = plan.x_high * total.positive - plan.x_low * total.negative;
    const std::int64_t down = plan.x_high * total.negative - plan.x_low * total.positive;
    std::int64_t min = 0;
    std::int64_t max = 0;
    start_range(plan, block, min, max);
    if (min < -kBound32 || max > kBound32) return std::nullopt;
    plan.all_proven &= max + up <= plan.high && min - down >= plan.low;
    largest_start = std::max({largest_start, max, -min});
    largest_move = std::max({largest_move, up, down});
  }
  if (largest_start + largest_move > kBound32) return std::nullopt;

  const bool wraps = format.overflow == Overflow::WRAP;
  const bool clamps = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  const bool narrow = format.width <= (format.is_signed ? 31 : 30);
  if (shape_groups(plan) && narrow && (wraps || clamps)) {
    const std::int64_t product = std::max(plan.x_high, -plan.x_low) * weights.max_magnitude;
    const std::int64_t group = std::min(plan.step, weights.depth) * product;
    const std::int64_t move = std::min(group, largest_move);
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

}  // namespace guardbit::arith::detail
