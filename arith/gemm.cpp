// gemm(): checks, choice of the path, threads, and the general path.
#include "arith/gemm.hpp"

#include <algorithm>
#include <string>

#include "arith/detail/gemm_multiply.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/error.hpp"
#include "arith/parallel.hpp"

namespace guardbit::arith {
namespace {

constexpr const char* kPathNames[] = {"auto", "proven", "guarded", "lanes16", "lanes32", "general"};

void check(const GemmLhs& lhs, const PackedWeights& weights, std::span<const std::int64_t> initial,
           const Accumulation& accumulation) {
  check_accumulation(accumulation, "gemm");
  const int low = lhs.type == GemmLhs::Type::U8 ? 0 : lhs.type == GemmLhs::Type::S8 ? -128 : -32768;
  const int high = lhs.type == GemmLhs::Type::U8 ? 255 : lhs.type == GemmLhs::Type::S8 ? 127 : 32767;
  if (lhs.zero_point < low || lhs.zero_point > high) {
    throw Error("gemm: zero point " + std::to_string(lhs.zero_point) + " is not a code of the left operand; " +
                std::to_string(low) + ".." + std::to_string(high) + " is allowed");
  }
  if (!initial.empty() && static_cast<std::int64_t>(initial.size()) != weights.cols()) {
    throw Error("gemm: " + std::to_string(initial.size()) + " initial values for " + std::to_string(weights.cols()) +
                " columns; one per column or none is allowed");
  }
}

// The block path's plan for a path; null when it must be the general one.
std::optional<detail::GemmPlan> plan_for(GemmPath path, const GemmLhs& lhs, std::int64_t rows,
                                         const PackedWeights& weights, std::span<const std::int64_t> initial,
                                         const Accumulation& accumulation) {
  if (path == GemmPath::General) return std::nullopt;
  auto plan = detail::make_gemm_plan(lhs, rows, weights, initial, accumulation);
  if (!plan) return std::nullopt;
  switch (path) {
    case GemmPath::Auto:
      return plan;
    case GemmPath::Proven:
      return plan->all_proven ? plan : std::nullopt;
    case GemmPath::Guarded:
      plan->use_static = plan->may_give_up = false;
      return plan->lanes ? plan : std::nullopt;
    case GemmPath::Lanes16:
      plan->use_static = plan->use_guard = false;
      return plan->lanes16 ? plan : std::nullopt;
    case GemmPath::Lanes32:
      plan->use_static = plan->use_guard = plan->use_lanes16 = false;
      return plan->lanes32 ? plan : std::nullopt;
    case GemmPath::General:
      break;
  }
  return std::nullopt;
}

// One block of outputs in an AccumulatorTile, fed with a bounded part of the reduction at a time.
class GeneralBlocks {
 public:
  static constexpr int kRows = 32;
  static constexpr int kCols = 32;
  static constexpr std::int64_t kDepth = 1024;

  GeneralBlocks(const GemmLhs& lhs, const detail::RowSource* source, const PackedWeights& weights,
                std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out)
      : lhs_(lhs),
        source_(source),
        weights_(weights.state()),
        initial_(initial),
        out_(out),
        tile_(kRows, kCols, accumulation),
        sums_(std::size_t{kRows} * kCols) {
    const std::int64_t unit = detail::call_unit(accumulation);
    depth_ = unit == 0 ? weights_.depth : std::min(weights_.depth, std::max<std::int64_t>(1, kDepth / unit) * unit);
    left_.resize(static_cast<std::size_t>(kRows * depth_));
    right_.resize(static_cast<std::size_t>(kCols * depth_));
  }

  void run(std::int64_t row, int rows, std::int64_t col, int cols, AccumulationEvidence& evidence) {
    const auto columns = static_cast<std::size_t>(cols);
    tile_.reset(rows, cols, initial_.empty() ? initial_ : initial_.subspan(static_cast<std::size_t>(col), columns));
    for (std::int64_t k = 0; k < weights_.depth; k += depth_) {
      const std::int64_t here = std::min(depth_, weights_.depth - k);
      if (source_ != nullptr) source_->values(row, rows, k, here, left_.data());
      for (int r = 0; source_ == nullptr && r < rows; ++r) {
        std::int32_t* to = &left_[static_cast<std::size_t>(r * here)];
        for (std::int64_t i = 0; i < here; ++i) to[i] = lhs_.value(row + r, k + i);
      }
      for (std::int64_t i = 0; i < here; ++i) {
        for (int c = 0; c < cols; ++c) right_[static_cast<std::size_t>(i * cols + c)] = weights_.at(k + i, col + c);
      }
      tile_.accumulate(left_.data(), here, right_.data(), cols, static_cast<int>(here));
    }
    const std::int64_t index = out_.first_output + row * out_.row_step + col;
    tile_.finish(sums_.data(), cols, index, out_.row_step, evidence);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < cols; ++c) {
        const std::int64_t sum = sums_[static_cast<std::size_t>(r * cols + c)];
        const std::int64_t at = (row + r) * out_.stride + col + c;
        if (out_.out32 != nullptr) {
          out_.out32[at] = static_cast<std::int32_t>(sum);
        } else {
          out_.out64[at] = sum;
        }
      }
    }
  }

 private:
  const GemmLhs& lhs_;
  const detail::RowSource* source_;
  const PackedWeights::State& weights_;
  std::span<const std::int64_t> initial_;
  const GemmOut& out_;
  AccumulatorTile tile_;
  std::int64_t depth_ = 0;
  std::vector<std::int32_t> left_, right_;
  std::vector<std::int64_t> sums_;
};

struct Part {
  AccumulationEvidence evidence;
  GemmWork work;
};

}  // namespace

bool isa_supported(GemmIsa isa) {
  switch (isa) {
    case GemmIsa::Scalar:
      return true;
    case GemmIsa::Avx2:
      return __builtin_cpu_supports("avx2") != 0;
    case GemmIsa::Avx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
  }
  return false;
}

GemmIsa best_gemm_isa() {
  static const GemmIsa best = isa_supported(GemmIsa::Avx512) ? GemmIsa::Avx512
                              : isa_supported(GemmIsa::Avx2) ? GemmIsa::Avx2
                                                             : GemmIsa::Scalar;
  return best;
}

const detail::GemmKernels& detail::gemm_kernels(GemmIsa isa) {
  switch (isa) {
    case GemmIsa::Scalar:
      break;
    case GemmIsa::Avx2:
      return gemm_kernels_avx2();
    case GemmIsa::Avx512:
      return gemm_kernels_avx512();
  }
  return gemm_kernels_scalar();
}

void GemmWork::merge(const GemmWork& other) {
  proven += other.proven;
  guarded += other.guarded;
  lanes += other.lanes;
  general += other.general;
}

bool gemm_path_available(GemmPath path, const GemmLhs& lhs, const PackedWeights& weights,
                         std::span<const std::int64_t> initial, const Accumulation& accumulation) {
  check(lhs, weights, initial, accumulation);
  return path == GemmPath::Auto || path == GemmPath::General ||
         plan_for(path, lhs, 1, weights, initial, accumulation).has_value();
}

void gemm(const GemmLhs& lhs, std::int64_t rows, const PackedWeights& weights, std::span<const std::int64_t> initial,
          const Accumulation& accumulation, const GemmOut& out, AccumulationEvidence& evidence,
          const GemmOptions& options, GemmWork* work) {
  detail::multiply(lhs, nullptr, rows, weights, initial, accumulation, out, evidence, options, work);
}

void detail::multiply(const GemmLhs& lhs, const RowSource* source, std::int64_t rows, const PackedWeights& weights,
                      std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out,
                      AccumulationEvidence& evidence, const GemmOptions& options, GemmWork* work) {
  check(lhs, weights, initial, accumulation);
  const Format& format = accumulation.accumulator.format;
  if (out.out32 != nullptr && format.width > (format.is_signed ? 32 : 31)) {
    throw Error("gemm: accumulators of " + to_string(format) + " do not fit 32 bits; a 64-bit output is needed");
  }
  if (!isa_supported(options.isa)) throw Error("gemm: this processor lacks the instruction set asked for");
  detail::require(rows >= 0);
  if (rows == 0 || weights.cols() == 0) return;
  detail::require((out.out32 == nullptr) != (out.out64 == nullptr) && out.row_step >= weights.cols());

  auto plan = plan_for(options.path, lhs, rows, weights, initial, accumulation);
  if (plan && options.range) {
    plan->range = true;
    plan->use_lanes16 = false;  // ranges are followed in 32-bit lanes; so that both take the same words
    if (!plan->rangeable || (plan->lanes && !plan->lanes32)) plan = std::nullopt;
  }
  if (!plan && options.path != GemmPath::Auto && options.path != GemmPath::General) {
    throw Error("gemm: path " + std::string(kPathNames[static_cast<int>(options.path)]) + " cannot compute " +
                to_string(format) + " step " + std::to_string(accumulation.accumulator.step) + " here" +
                (options.range ? " with ranges" : "") + "; auto or general can");
  }
  if (!plan && source == nullptr && options.path == GemmPath::Auto &&
      multiply_wide(lhs, rows, weights, initial, accumulation, out, evidence, options, work)) {
    return;
  }
  // Threads share blocks of rows, or blocks of columns when there are fewer of the former.
  const int block_rows = plan ? detail::kMr : GeneralBlocks::kRows;
  const std::int64_t row_blocks = (rows + block_rows - 1) / block_rows;
  const std::int64_t column_blocks = weights.state().column_blocks();
  const bool by_rows = row_blocks >= std::min<std::int64_t>(column_blocks, std::max(options.threads, 1));
  const int parts = part_count(options.threads, by_rows ? row_blocks : column_blocks);
  std::vector<Part> done(static_cast<std::size_t>(parts));
  if (plan) {
    plan->kernels = &detail::gemm_kernels(options.isa);
    plan->source = source;
    detail::set_lane_starts(*plan);
  }
  parallel_parts(parts, by_rows ? row_blocks : column_blocks, [&](int part, std::int64_t first, std::int64_t last) {
    Part& mine = done[static_cast<std::size_t>(part)];
    if (options.range) mine.evidence.exact = evidence.exact;  // what has been seen need not be looked for again
    const std::int64_t first_row = by_rows ? first * block_rows : 0;
    const std::int64_t last_row = by_rows ? std::min(rows, last * block_rows) : rows;
    const std::int64_t first_block = by_rows ? 0 : first;
    const std::int64_t last_block = by_rows ? column_blocks : last;
    if (plan) {
      detail::gemm_blocks(*plan, first_row, last_row, first_block, last_block, out, mine.evidence, mine.work);
      return;
    }
    GeneralBlocks blocks(lhs, source, weights, initial, accumulation, out);
    for (std::int64_t row = first_row; row < last_row; row += block_rows) {
      const int here = static_cast<int>(std::min<std::int64_t>(block_rows, last_row - row));
      for (std::int64_t block = first_block; block < last_block; ++block) {
        const std::int64_t col = block * detail::kNr;
        const int cols = static_cast<int>(std::min<std::int64_t>(detail::kNr, weights.cols() - col));
        blocks.run(row, here, col, cols, mine.evidence);
        mine.work.general += static_cast<std::uint64_t>(here * cols * weights.depth());
      }
    }
  });
  for (Part& part : done) {
    if (!options.range) part.evidence.exact = Range{};
    evidence.merge(part.evidence);
    if (work != nullptr) work->merge(part.work);
  }
}

}  // namespace guardbit::arith
