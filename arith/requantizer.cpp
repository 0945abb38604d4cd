// Requantizing of blocks: cuts a block into tiles for the fused loop, or into runs of 64-bit values.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>

#include "arith/detail/fused_stages.hpp"
#include "arith/detail/stage_program.hpp"
#include "arith/error.hpp"

namespace guardbit::arith {
namespace {

using detail::kFusedLanes;
using detail::kProgramBlock;

constexpr std::int64_t kTileValues = 8192;  // of the rows that tiles share: 32 to 64 KiB of input
constexpr std::int64_t kTileRows = 512;
constexpr std::int64_t kLongRow = 16 * kFusedLanes;  // columns from which a row is cut into rows of its own

template <class Out>
detail::FusedOut out_kind() {
  switch (sizeof(Out)) {
    case 1:
      return detail::FusedOut::Bits8;
    case 2:
      return detail::FusedOut::Bits16;
    default:
      return detail::FusedOut::Bits32;
  }
}

detail::FusedLoop find_loop(detail::Isa isa, const detail::FusedPlan& plan, detail::FusedIn in, detail::FusedOut out) {
  switch (isa) {
    case detail::Isa::Baseline:
      break;
    case detail::Isa::Avx2:
      return detail::fused_loop_avx2(plan.core, plan.select, plan.has_bias, in, out);
    case detail::Isa::Avx512:
      return detail::fused_loop_avx512(plan.core, plan.select, plan.has_bias, in, out);
  }
  return detail::fused_loop_scalar(plan.core, plan.select, plan.has_bias, in, out);
}

template <class Out>
bool fits(std::int64_t value) {
  return std::numeric_limits<Out>::min() <= value && value <= std::numeric_limits<Out>::max();
}

template <class Out>
Out code_of(std::int64_t value, std::int64_t channel) {
  if (!fits<Out>(value)) {
    const std::string sign = std::is_unsigned_v<Out> ? "unsigned " : "";
    throw Error("requantize: a result in channel " + std::to_string(channel) + " needs more than " + sign +
                std::to_string(8 * sizeof(Out)) + " bits; end the stages with a narrowing");
  }
  return static_cast<Out>(value);
}

}  // namespace

// One call of apply().
template <class In, class Out>
struct Requantizer::Job {
  // A part of the block: its first value, the channel of that, and the sizes.
  struct Part {
    const In* in;
    std::int64_t in_stride;
    Out* out;
    std::int64_t out_stride;
    std::int64_t rows;
    std::int64_t channel;
    std::int64_t cols;

    [[nodiscard]] Part rows_from(std::int64_t row, std::int64_t count) const {
      return {in + row * in_stride, in_stride, out + row * out_stride, out_stride, count, channel, cols};
    }
    [[nodiscard]] Part cols_from(std::int64_t col, std::int64_t count) const {
      return {in + col, in_stride, out + col, out_stride, rows, channel + col, count};
    }
    [[nodiscard]] bool is_contiguous() const { return in_stride == cols && out_stride == cols; }
    // The same memory as rows of another length. Channels count on from `channel` within each new row.
    [[nodiscard]] Part reshaped(std::int64_t new_rows, std::int64_t new_cols) const {
      return {in, new_cols, out, new_cols, new_rows, channel, new_cols};
    }
  };

  const Requantizer& owner;
  const Part& block;  // all of it
  StageCounts& counts;
  const detail::FusedPlan* plan = nullptr;
  detail::FusedLoop loop = nullptr;

  Job(const Requantizer& requantizer, const Part& all, StageCounts& total)
      : owner(requantizer), block(all), counts(total) {
    counts.changed.resize(owner.stages_.size());
    if constexpr (sizeof(Out) <= 4) {
      plan = owner.fused_.get();
      if (plan != nullptr && fits<Out>(plan->code_low) && fits<Out>(plan->code_high)) {
        const auto type = sizeof(In) == 4 ? detail::FusedIn::Int32 : detail::FusedIn::Int64;
        loop = find_loop(owner.isa_, *plan, type, out_kind<Out>());
      }
    }
  }

  void run() {
    const Part& all = block;
    if (loop == nullptr) return general(all);
    if (plan->period == 1) return same_channels(all);
    if (all.is_contiguous() && all.cols < kFusedLanes && all.channel == 0 && all.cols == plan->period) {
      const std::int64_t rows = all.rows / kFusedLanes;  // kFusedLanes rows at a time as one: parameters repeat
      columns(all.reshaped(rows, all.cols * kFusedLanes));
      return columns(all.rows_from(rows * kFusedLanes, all.rows % kFusedLanes));
    }
    columns(all);
  }

  // Every channel has the same parameters, so that long rows and contiguous ones are cut anew.
  void same_channels(const Part& all) {
    if (all.is_contiguous() && all.rows > 1) return same_channels(all.reshaped(1, all.rows * all.cols));
    if (all.cols < kLongRow) return columns(all);
    for (std::int64_t r = 0; r < all.rows; ++r) {
      const Part row = all.rows_from(r, 1);
      const std::int64_t whole = row.cols / kFusedLanes;
      columns(row.reshaped(whole, kFusedLanes));
      if (row.cols % kFusedLanes != 0) {
        const std::int64_t first = row.cols - kFusedLanes;  // overlaps what is done
        tile(row.cols_from(first, kFusedLanes), whole * kFusedLanes - first);
      }
    }
  }

  // Tiles of kFusedLanes columns; the last one overlaps the one before where columns do not divide.
  void columns(const Part& all) {
    if (all.rows == 0 || all.cols == 0) return;
    if (all.cols < kFusedLanes) return narrow_columns(all);
    const std::int64_t step = std::clamp<std::int64_t>(kTileValues / all.cols, 1, kTileRows);
    for (std::int64_t r = 0; r < all.rows; r += step) {
      const Part rows = all.rows_from(r, std::min(step, all.rows - r));
      for (std::int64_t c = 0; c < all.cols; c += kFusedLanes) {
        const std::int64_t first = std::min(c, all.cols - kFusedLanes);
        tile(rows.cols_from(first, kFusedLanes), c - first);
      }
    }
  }

  // Fewer columns than lanes: through buffers.
  void narrow_columns(const Part& all) {
    constexpr std::int64_t kRows = 32;
    In in[kRows * kFusedLanes] = {};
    Out out[kRows * kFusedLanes];
    for (std::int64_t r = 0; r < all.rows; r += kRows) {
      const Part part = all.rows_from(r, std::min(kRows, all.rows - r));
      for (std::int64_t i = 0; i < part.rows; ++i) {
        std::copy_n(part.in + i * part.in_stride, part.cols, in + i * kFusedLanes);
      }
      if (!fused({in, kFusedLanes, out, kFusedLanes, part.rows, part.channel, part.cols}, 0)) {
        general(part);
        continue;
      }
      for (std::int64_t i = 0; i < part.rows; ++i) {
        std::copy_n(out + i * kFusedLanes, part.cols, part.out + i * part.out_stride);
      }
    }
  }

  // kFusedLanes columns, of which the first `done` are computed again but not counted again.
  void tile(const Part& part, std::int64_t done) {
    if (fused(part, done)) return;
    if (done > 0) {
      StageCounts again;
      Job(owner, block, again).general(part.cols_from(0, done));
    }
    general(part.cols_from(done, part.cols - done));
  }

  // Computes kFusedLanes columns and counts columns done .. part.cols - 1. False, with `out` spoiled, when an input was
  // too large.
  bool fused(const Part& part, std::int64_t done) {
    std::int32_t outside[kFusedLanes];
    if (!loop({.parameters = plan->at(part.channel), .in = part.in, .in_stride = part.in_stride, .out = part.out,
               .out_stride = part.out_stride, .rows = part.rows, .outside = outside})) {
      return false;
    }
    counts.total += static_cast<std::uint64_t>(part.rows * (part.cols - done));
    if (plan->counted) {
      for (std::int64_t c = done; c < part.cols; ++c) {
        counts.changed[*plan->counted] += static_cast<std::uint64_t>(outside[c]);
      }
    }
    return true;
  }

  // Runs of values of one row, or of several where a run may hold all of a row's channels.
  void general(const Part& all) {
    if (all.is_contiguous() && all.rows > 1 && all.cols < kProgramBlock && all.channel == 0 &&
        all.cols == owner.channels_) {
      const std::int64_t rows = kProgramBlock / all.cols;
      for (std::int64_t r = 0; r < all.rows; r += rows) {
        const Part part = all.rows_from(r, std::min(rows, all.rows - r));
        run_of(part.in, part.out, 0, part.rows * part.cols);
      }
      return;
    }
    for (std::int64_t r = 0; r < all.rows; ++r) {
      for (std::int64_t c = 0; c < all.cols; c += kProgramBlock) {
        run_of(all.in + r * all.in_stride + c, all.out + r * all.out_stride + c, all.channel + c,
               std::min(kProgramBlock, all.cols - c));
      }
    }
  }

  // The channel of an element of the block, which parts of other shapes may have lost.
  [[nodiscard]] std::int64_t channel_of(const Out* element) const {
    const std::int64_t index = element - block.out;
    return block.channel + (block.rows == 1 ? index : index % block.out_stride);
  }

  void run_of(const In* in, Out* out, std::int64_t channel, std::int64_t size) {
    std::int64_t values[kProgramBlock];
    std::copy_n(in, size, values);
    if (owner.program_ != nullptr && detail::run_program(*owner.program_, values, channel % owner.channels_, size,
                                                         counts.changed.data(), owner.isa_)) {
      counts.total += static_cast<std::uint64_t>(size);
      if (store_all(values, out, size)) return;
      for (std::int64_t i = 0; i < size; ++i) out[i] = code_of<Out>(values[i], channel_of(out + i));
      return;
    }
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t c = channel_of(out + i);
      out[i] = code_of<Out>(apply_stages(owner.stages_, in[i], c, counts), c);
    }
  }

  // False if one of the values does not fit.
  static bool store_all(const std::int64_t* values, Out* out, std::int64_t size) {
    bool fit = true;
    for (std::int64_t i = 0; i < size; ++i) {
      fit &= fits<Out>(values[i]);
      out[i] = static_cast<Out>(values[i]);
    }
    return fit;
  }
};

Requantizer::Requantizer(StageList stages, std::int64_t channels)
    : Requantizer(std::move(stages), channels, detail::best_isa()) {}

Requantizer::Requantizer(StageList stages, std::int64_t channels, detail::Isa isa)
    : stages_(std::move(stages)), channels_(channels), isa_(isa) {
  auto program = detail::compile_stages(stages_, channels);  // checks the parameters
  if (program) program_ = std::make_shared<const detail::StageProgram>(std::move(*program));
  auto plan = detail::fuse_stages(stages_, channels);
  if (plan) fused_ = std::make_shared<const detail::FusedPlan>(std::move(*plan));
}

template <class In, class Out>
void Requantizer::apply(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride, std::int64_t rows,
                        std::int64_t first_channel, std::int64_t cols, StageCounts& counts) const {
  if (first_channel < 0 || cols > channels_ - first_channel) {
    std::abort();  // a caller's bug
  }
  using Run = Job<In, Out>;
  const typename Run::Part block{in, in_stride, out, out_stride, rows, first_channel, cols};
  Run(*this, block, counts).run();
}

#define GUARDBIT_APPLY(In, Out)                                                                         \
  template void Requantizer::apply(const In*, std::int64_t, Out*, std::int64_t, std::int64_t, std::int64_t, \
                                   std::int64_t, StageCounts&) const;
#define GUARDBIT_APPLY_ALL(In)     \
  GUARDBIT_APPLY(In, std::int8_t)  \
  GUARDBIT_APPLY(In, std::uint8_t) \
  GUARDBIT_APPLY(In, std::int16_t) \
  GUARDBIT_APPLY(In, std::int32_t) \
  GUARDBIT_APPLY(In, std::int64_t)
GUARDBIT_APPLY_ALL(std::int32_t)
GUARDBIT_APPLY_ALL(std::int64_t)
#undef GUARDBIT_APPLY_ALL
#undef GUARDBIT_APPLY

}  // namespace guardbit::arith
