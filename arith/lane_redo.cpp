// Lanes along the columns, for rows that fail as a whole, or along rows, for single columns that fail in many.
#include "arith/detail/lane_redo.hpp"

#include <algorithm>
#include <cstring>

namespace guardbit::arith::detail {

LaneRedo::LaneRedo(const GemmPlan& plan, const LeftRows& left, std::int64_t most_rows)
    : plan_(plan),
      left_(left),
      most_rows_(most_rows),
      form_(plan.step == 1 && !plan.use_lanes16 ? LeftForm::Products : LeftForm::Pairs),
      bytes_(plan.kernels->lanes16_bytes != nullptr && plan.use_lanes16 && plan.step == 1 && plan.offset == 0 &&
             plan.weights.depth > 0 && plan.accumulation.accumulator.format.overflow == Overflow::SAT) {}

void LaneRedo::new_rows() { std::fill(have_left_.begin(), have_left_.end(), char{0}); }

void LaneRedo::resize(std::size_t rows) {
  right_.resize(static_cast<std::size_t>(plan_.chunk + 4) * kNr);
  if (sums_.size() >= rows * kNr) return;
  for (LineVector<std::int32_t>* results : {&sums_, &counts_, &most_, &losses_}) results->resize(rows * kNr);
}

SingleBlock LaneRedo::singles(int rows, int depth, std::size_t at) {
  return {.lhs = {},
          .rhs = right_.data(),
          .rows = rows,
          .depth = depth,
          .step = static_cast<int>(std::min<std::int64_t>(plan_.step, depth)),
          .overflow = plan_.accumulation.accumulator.format.overflow,
          .start = {},
          .acc = &sums_[at * kNr],
          .count = &counts_[at * kNr],
          .loss = &losses_[at * kNr]};
}

void LaneRedo::run(const std::uint32_t* const* lhs, int rows, int depth, std::size_t at, What what) {
  std::int32_t* sums = &sums_[at * kNr];
  std::int32_t* counts = &counts_[at * kNr];
  const AccumulatorSpec& spec = plan_.accumulation.accumulator;
  const int step = static_cast<int>(std::min<std::int64_t>(plan_.step, depth));
  if (plan_.use_lanes16) {
    SingleBlock in = singles(rows, depth, at);
    std::copy_n(lhs, rows, in.lhs);
    return plan_.kernels->lanes16(in);
  }
  PairBlock in{{},
               reinterpret_cast<const std::uint32_t*>(right_.data()),
               rows,
               (depth + 1) / 2,
               step == 1 ? 0 : (step + 1) / 2,
               (depth + step - 1) / step,
               static_cast<std::int32_t>(plan_.low),
               static_cast<std::int32_t>(plan_.high),
               plan_.mask(),
               spec.format.width,
               sums,
               counts};
  std::copy_n(lhs, rows, in.lhs);
  if (what == What::Ranges) {
    plan_.kernels->ranges(in, counts, &most_[at * kNr]);
  } else {
    plan_.kernels->lanes32(in, plan_.fit);
  }
}

// A row's values in a chunk, as lanes want them; kept for the other blocks of columns.
const std::uint32_t* LaneRedo::left_words(std::int64_t r, std::int64_t chunk) {
  const auto at = static_cast<std::size_t>(r * plan_.chunks() + chunk);
  std::uint32_t* to = &left_words_[at * words(plan_.chunk)];
  if (have_left_[at] == 0) {
    have_left_[at] = 1;
    const std::int64_t k = chunk * plan_.chunk;
    plan_.kernels->left(left_.row(r) + k, static_cast<int>(end_of(chunk) - k), plan_.offset, form_, to);
  }
  return to;
}

// The weights of a chunk as 16-bit numbers.
void LaneRedo::expand(const ColumnBlock& block, std::int64_t chunk) {
  if (right_block_ == &block && right_chunk_ == chunk) return;
  right_block_ = &block;
  right_chunk_ = chunk;
  const PackedWeights::State& w = plan_.weights;
  const std::int64_t half_bytes = w.padded_depth * kHalf;
  const std::int64_t k = chunk * plan_.chunk;
  const std::int8_t* from = w.bytes.data() + block.first_col / kHalf * half_bytes + k * kHalf;
  const RightForm form = bytes_              ? RightForm::Bytes
                         : plan_.use_lanes16 ? RightForm::Singles
                                             : RightForm::Pairs;
  plan_.kernels->expand(from, half_bytes, static_cast<int>(end_of(chunk) - k + 3) / 4, form, right_.data());
}

// Eight rows at a time, of which the kernel needs no more than where they are.
void LaneRedo::rows_of_bytes(const ColumnBlock& block, std::span<const std::int32_t> rows) {
  for (std::int64_t chunk = 0; chunk < plan_.chunks(); ++chunk) {
    expand(block, chunk);
    const std::int64_t k = chunk * plan_.chunk;
    for (std::size_t i = 0; i < rows.size(); i += kMr) {
      const std::size_t here = std::min<std::size_t>(kMr, rows.size() - i);
      SingleBlock in = singles(static_cast<int>(here), static_cast<int>(end_of(chunk) - k), i);
      for (std::size_t r = 0; r < here; ++r) in.lhs[r] = left_.row(rows[i + r]) + k;
      if (chunk == 0) {
        in.start[0] = block.lane_value;
        in.start[1] = block.lane_count;
        in.start[2] = block.lane_loss;
      }
      plan_.kernels->lanes16_bytes(in);
    }
  }
}

void LaneRedo::rows(const ColumnBlock& block, std::span<const std::int32_t> rows, What what) {
  const auto chunks = static_cast<std::size_t>(plan_.chunks());
  resize(rows.size());
  if (bytes_) return rows_of_bytes(block, rows);
  left_words_.resize(static_cast<std::size_t>(most_rows_) * chunks * words(plan_.chunk));
  have_left_.resize(static_cast<std::size_t>(most_rows_) * chunks);
  const bool ranges = what == What::Ranges;
  constexpr std::size_t kRow = kNr * sizeof(std::int32_t);
  for (std::size_t at = 0; at < rows.size() * kNr; at += kNr) {
    std::memcpy(&sums_[at], ranges ? block.exact : block.lane_value, kRow);
    std::memcpy(&counts_[at], ranges ? block.exact : block.lane_count, kRow);
    if (ranges) std::memcpy(&most_[at], block.exact, kRow);
    if (plan_.tells_loss()) std::memcpy(&losses_[at], block.lane_loss, kRow);
  }
  for (std::int64_t chunk = 0; chunk < plan_.chunks(); ++chunk) {
    expand(block, chunk);
    for (std::size_t i = 0; i < rows.size(); i += kMr) {
      const int here = static_cast<int>(std::min<std::size_t>(kMr, rows.size() - i));
      const std::uint32_t* lhs[kMr];
      for (int r = 0; r < here; ++r) lhs[r] = left_words(rows[i + static_cast<std::size_t>(r)], chunk);
      run(lhs, here, static_cast<int>(end_of(chunk) - chunk * plan_.chunk), i, what);
    }
  }
}

void LaneRedo::column_words(const ColumnBlock& block, std::span<const int> columns) {
  if (words_block_ == &block &&
      std::equal(columns.begin(), columns.end(), words_columns_.begin(), words_columns_.end())) {
    return;
  }
  words_block_ = &block;
  words_columns_.assign(columns.begin(), columns.end());
  constexpr std::int32_t kFlip = 128;
  const std::int64_t depth = plan_.weights.depth;
  column_bytes_.resize(static_cast<std::size_t>(plan_.weights.padded_depth));
  const std::size_t chunk_words = words(plan_.chunk);
  column_words_.resize(columns.size() * static_cast<std::size_t>(plan_.chunks()) * chunk_words);
  std::uint32_t* to = column_words_.data();
  for (const int c : columns) {
    // Quads of a column lie one half block apart.
    const std::int64_t col = block.first_col + c;
    const std::int8_t* from =
        plan_.weights.bytes.data() + col / kHalf * plan_.weights.padded_depth * kHalf + col % kHalf * 4;
    for (std::int64_t k = 0; k < depth; k += 4, from += kHalf * 4) {
      for (int i = 0; i < 4; ++i) {
        column_bytes_[static_cast<std::size_t>(k + i)] = static_cast<std::uint8_t>(from[i] + kFlip);
      }
    }
    for (std::int64_t chunk = 0; chunk < plan_.chunks(); ++chunk, to += chunk_words) {
      const std::int64_t k = chunk * plan_.chunk;
      plan_.kernels->left(&column_bytes_[static_cast<std::size_t>(k)], static_cast<int>(end_of(chunk) - k), kFlip,
                          form_, to);
    }
  }
}

void LaneRedo::columns(const ColumnBlock& block, std::span<const std::int32_t> rows, std::span<const int> columns,
                       What what) {
  resize(columns.size());
  const bool ranges = what == What::Ranges;
  right_block_ = nullptr;
  column_words(block, columns);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const int c = columns[i];
    std::fill_n(&sums_[i * kNr], kNr, ranges ? block.exact[c] : block.lane_value[c]);
    std::fill_n(&counts_[i * kNr], kNr, ranges ? block.exact[c] : block.lane_count[c]);
    if (ranges) std::fill_n(&most_[i * kNr], kNr, block.exact[c]);
  }
  const std::uint8_t* from[kMostRows];
  const std::size_t chunk_words = words(plan_.chunk);
  const auto chunks = static_cast<std::size_t>(plan_.chunks());
  for (std::int64_t chunk = 0; chunk < plan_.chunks(); ++chunk) {
    const int depth = static_cast<int>(end_of(chunk) - chunk * plan_.chunk);
    for (std::size_t r = 0; r < kMostRows; ++r) {
      from[r] = left_.row(rows[std::min(r, rows.size() - 1)]) + chunk * plan_.chunk;
    }
    plan_.kernels->turn(from, depth, plan_.offset, plan_.use_lanes16, right_.data());
    const std::uint32_t* lhs[kMr];
    for (std::size_t i = 0; i < columns.size(); ++i) {
      lhs[i] = &column_words_[(i * chunks + static_cast<std::size_t>(chunk)) * chunk_words];
    }
    run(lhs, static_cast<int>(columns.size()), depth, 0, what);
  }
}

}  // namespace guardbit::arith::detail
