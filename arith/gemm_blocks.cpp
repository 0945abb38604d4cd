// The block path of gemm(): blocks of kMr x kNr outputs, the guard, and the redo of what it cannot prove.
//
// For rows with values in [x_low, x_high] (x_low <= 0 <= x_high) and a block of columns whose positive weights sum to
// at most P and negative ones to at most N over a part of the reduction, no prefix of that part moves a running sum up
// by more than x_high * P - x_low * N or down by more than x_high * N - x_low * P. Where the sums of a block of rows,
// moved by that much, stay within the format, nothing can overflow there, whatever the step, and the plain product is
// exact. The whole reduction has a second bound, by Cauchy and Schwarz: no sum of some of the products x_k * w_k exceeds
// |x| * |w|; of products with x >= 0, |x| * |positive part of w|. Otherwise the first bound is tried row by row for one chunk, and the rows that fail are computed in lanes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "arith/detail/gemm_plan.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kMacroBytes = 3 << 17;  // of left operand, in its widest form, that is worked on together
constexpr std::int64_t kMacroRows = 128;
constexpr std::int64_t kMaxSquares = 16384;  // products whose squares' sums multiply within 63 bits
constexpr std::int64_t kTailRows = 3;       // within 3 bytes of the end
constexpr int kTile = kMr * kNr;
constexpr int kPatience = 16;     // failures in a row before the guard is switched off
constexpr int kPause = 240;       // chunks of a block of rows that it then stays off

// Values and their moves in one part of the reduction.
struct Moves {
  std::int64_t up = 0, down = 0;
};

Moves moves(std::int64_t x_low, std::int64_t x_high, const ColumnBound& w) {
  return {x_high * w.positive - x_low * w.negative, x_high * w.negative - x_low * w.positive};
}

struct ByteRange {
  std::int32_t min = 0, max = 0;
  std::int64_t squares = -1;  // the largest sum of squares of one of the rows; -1: not looked at
};

// At least the root.
std::int64_t root_above(std::int64_t value) {
  return static_cast<std::int64_t>(std::sqrt(static_cast<double>(value))) + 2;
}

// What a block of rows holds over the whole reduction.
struct Whole {
  bool have_bytes = false;
  ByteRange bytes;
  std::int64_t squares = -1;  // -1: not looked at
};

// The running sums of one block of rows in one block of columns.
struct RowBlock {
  std::int64_t next = 0;              // chunks before this one are done
  std::int32_t min = 0, max = 0;      // of the values
  bool may_have_overflowed = false;
  bool written = false;               // already where the caller wants it
};

class BlockWorker {
 public:
  BlockWorker(const GemmPlan& plan, std::int64_t rows, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work)
      : p_(plan), w_(plan.weights), out_(out), counts_(evidence.accumulator), work_(work) {
    const std::int64_t depth = std::max<std::int64_t>(w_.padded_depth, kProofDepth);
    macro_rows_ = std::clamp<std::int64_t>(kMacroBytes / depth / (p_.lanes ? 4 : 1) / kMr * kMr, kMr, kMacroRows);
    macro_rows_ = std::min(macro_rows_, (rows + kMr - 1) / kMr * kMr);
    direct_ = p_.flip == 0 && p_.lhs.stride >= std::max<std::int64_t>(w_.depth, 1);
    tail_.resize(static_cast<std::size_t>(kTailRows * depth));
    const auto blocks = static_cast<std::size_t>(macro_rows_ / kMr);
    if (!direct_) packed_.resize(static_cast<std::size_t>(macro_rows_ * depth));
    rows_.resize(static_cast<std::size_t>(macro_rows_));
    acc_.resize(blocks * kTile);
    count_.resize(blocks * kTile);
    blocks_.resize(blocks);
    ranges_.resize(blocks * static_cast<std::size_t>(p_.chunks()));
    wholes_.resize(blocks);
    bounds_.resize(static_cast<std::size_t>(p_.chunks()));
    if (p_.lanes) {
      form_ = p_.use_lanes16 ? LeftForm::Singles : p_.step == 1 ? LeftForm::Products : LeftForm::Pairs;
    }
    const Format& format = p_.accumulation.accumulator.format;
    mask_ = format.width >= 32 ? ~0U : static_cast<std::uint32_t>((std::uint64_t{1} << format.width) - 1);
  }

  // Rows first .. first + count - 1 (at most macro_rows()) of all column blocks.
  void macro_block(std::int64_t first, std::int64_t count, std::int64_t first_block, std::int64_t last_block) {
    first_row_ = first;
    row_count_ = count;
    row_blocks_ = (count + kMr - 1) / kMr;
    candidate_row_ = candidate_col_ = -1;
    read_rows();
    for (std::int64_t block = first_block; block < last_block; ++block) column_block(block);
    if (candidate_row_ >= 0 && !found_) {
      found_ = true;
      OverflowCounts first_overflow;
      first_overflow.first = FirstOverflow{out_.first_output + candidate_row_ * out_.row_step + candidate_col_,
                                           replay(candidate_row_, candidate_col_)};
      counts_.merge(first_overflow);
    }
  }

  [[nodiscard]] std::int64_t macro_rows() const { return macro_rows_; }

 private:
  [[nodiscard]] int rows_of(std::int64_t rb) const {
    return static_cast<int>(std::min<std::int64_t>(kMr, row_count_ - rb * kMr));
  }
  [[nodiscard]] std::int64_t end_of(std::int64_t chunk) const { return std::min((chunk + 1) * p_.chunk, w_.depth); }
  [[nodiscard]] std::int32_t* acc(std::int64_t rb) { return &acc_[static_cast<std::size_t>(rb) * kTile]; }
  [[nodiscard]] std::int32_t* count(std::int64_t rb) { return &count_[static_cast<std::size_t>(rb) * kTile]; }
  [[nodiscard]] RowBlock& state(std::int64_t rb) { return blocks_[static_cast<std::size_t>(rb)]; }
  [[nodiscard]] const std::uint8_t* row(std::int64_t r) const { return rows_[static_cast<std::size_t>(r)]; }
  // Of the values of a block of rows in a chunk.
  [[nodiscard]] const ByteRange& range(std::int64_t rb, std::int64_t chunk) {
    ByteRange& range = ranges_[static_cast<std::size_t>(rb * p_.chunks() + chunk)];
    if (range.min > range.max) range = bytes_of(rb * kMr, rows_of(rb), chunk * p_.chunk, end_of(chunk));
    return range;
  }

  // Bytes of every row, rows beyond the last one repeating it; and their ranges, if something is to be proven.
  void read_rows() {
    for (std::int64_t r = 0; r < row_blocks_ * kMr; ++r) {
      const auto at = static_cast<std::size_t>(r);
      if (r >= row_count_) {
        rows_[at] = rows_[at - 1];
        continue;
      }
      const auto* codes = static_cast<const std::uint8_t*>(p_.lhs.data) + (first_row_ + r) * p_.lhs.stride;
      // Whole quads are read: beyond a row's end its successors' bytes meet weights of 0. The last rows are copied.
      if (direct_ && (4 - w_.depth % 4) % 4 <= (p_.rows - 1 - first_row_ - r) * p_.lhs.stride) {
        rows_[at] = codes;
        continue;
      }
      if (direct_) {
        const std::int64_t tail = p_.rows - 1 - first_row_ - r;
        std::uint8_t* to = &tail_[static_cast<std::size_t>(tail * w_.padded_depth)];
        std::memcpy(to, codes, static_cast<std::size_t>(w_.depth));
        rows_[at] = to;
        continue;
      }
      std::uint8_t* to = &packed_[at * static_cast<std::size_t>(w_.padded_depth)];
      for (std::int64_t k = 0; k < w_.depth; ++k) to[k] = static_cast<std::uint8_t>(codes[k] ^ p_.flip);
      rows_[at] = to;
    }
    std::fill(ranges_.begin(), ranges_.end(), ByteRange{1, 0, -1});
    std::fill(wholes_.begin(), wholes_.end(), Whole{});
    std::fill(have_left_.begin(), have_left_.end(), char{0});
  }

  // Range of the values (0 included) of some rows in a part of the reduction.
  [[nodiscard]] ByteRange bytes_of(std::int64_t r, int rows, std::int64_t k, std::int64_t end) const {
    const std::uint8_t* from[kMr];
    for (int i = 0; i < rows; ++i) from[i] = row(r + i) + k;
    int min = 0;
    int max = 0;
    p_.kernels->byte_range(from, rows, end - k, &min, &max);
    return {std::min(0, min - p_.offset), std::max(0, max - p_.offset)};
  }

  void column_block(std::int64_t block) {
    first_col_ = block * kNr;
    col_count_ = std::min<std::int64_t>(kNr, w_.cols - first_col_);
    block_ = block;
    expanded_ = -1;
    prepare_bounds();
    start();
    const ColumnBound& total = w_.total[static_cast<std::size_t>(block)];
    const Moves all = moves(p_.x_low, p_.x_high, total);
    const bool proven = p_.use_static && start_max_ + all.up <= p_.high && start_min_ - all.down >= p_.low;
    for (std::int64_t rb = 0; rb < row_blocks_; ++rb) {
      const auto outputs = static_cast<std::uint64_t>(rows_of(rb) * col_count_ * w_.depth);
      if (proven) {
        product(rb);
        work_.proven += outputs;
      } else if (p_.use_guard && pause_ == 0 && whole_proven(rb)) {
        product(rb);
        work_.guarded += outputs;
      } else {
        begin(rb);
      }
    }
    for (std::int64_t chunk = 0; chunk < p_.chunks(); ++chunk) {
      for (std::int64_t rb = 0; rb < row_blocks_; ++rb) {
        if (state(rb).next <= chunk) advance(rb, chunk);
      }
    }
    for (std::int64_t rb = 0; rb < row_blocks_; ++rb) emit(rb);
  }

  void prepare_bounds() {
    const std::int64_t per_chunk = p_.chunk / kProofDepth;
    for (std::int64_t chunk = 0; chunk < p_.chunks(); ++chunk) {
      ColumnBound sum;
      const std::int64_t last = std::min((chunk + 1) * per_chunk, w_.proof_blocks());
      for (std::int64_t b = chunk * per_chunk; b < last; ++b) {
        const ColumnBound& part = w_.bound[static_cast<std::size_t>(block_ * w_.proof_blocks() + b)];
        sum.positive += part.positive;
        sum.negative += part.negative;
        sum.positive_squares += part.positive_squares;
        sum.negative_squares += part.negative_squares;
        sum.squares += part.squares;
      }
      bounds_[static_cast<std::size_t>(chunk)] = sum;
    }
  }

  // Initial values; padded columns start at 0.
  void start() {
    start_overflows_ = false;
    for (std::int32_t* values : {start_value_, start_count_, exact_start_, plain_start_}) std::fill_n(values, kNr, 0);
    start_min_ = start_max_ = p_.start(first_col_);
    value_min_ = value_max_ = 0;
    const std::int32_t* sum = column_sum(w_.depth);
    for (std::int64_t c = 0; c < col_count_; ++c) {
      const std::int64_t exact = p_.start(first_col_ + c);
      const Fitted fitted = fit(exact, p_.accumulation.accumulator.format);
      const std::int64_t value = static_cast<std::int64_t>(fitted.value);
      value_min_ = std::min(value_min_, value);
      value_max_ = std::max(value_max_, value);
      start_min_ = std::min(start_min_, exact);
      start_max_ = std::max(start_max_, exact);
      start_value_[c] = static_cast<std::int32_t>(p_.keeps_exact() ? exact : value);
      start_count_[c] = fitted.overflowed ? 1 : 0;
      exact_start_[c] = static_cast<std::int32_t>(exact);
      plain_start_[c] = static_cast<std::int32_t>(
          static_cast<std::uint32_t>(exact) - static_cast<std::uint32_t>(p_.offset) * static_cast<std::uint32_t>(sum[c]));
      start_overflows_ |= fitted.overflowed;
    }
  }

  // A block of rows that is computed chunk by chunk.
  void begin(std::int64_t rb) {
    for (int r = 0; r < kMr; ++r) {
      std::copy_n(start_value_, kNr, acc(rb) + r * kNr);
      std::copy_n(start_count_, kNr, count(rb) + r * kNr);
    }
    state(rb) = {.min = static_cast<std::int32_t>(value_min_),
                 .max = static_cast<std::int32_t>(value_max_),
                 .may_have_overflowed = start_overflows_};
  }

  // A block of rows from beginning to end, straight to the caller if that has 32 bits.
  void product(std::int64_t rb) {
    state(rb) = {.next = p_.chunks(), .written = out_.out32 != nullptr};
    ProductBlock in{.quads = quads(rb, 0, w_.depth), .start = plain_start_, .out = acc(rb), .out_stride = kNr,
                    .rows = kMr, .cols = kNr};
    if (state(rb).written) {
      in.out = out_.out32 + (first_row_ + rb * kMr) * out_.stride + first_col_;
      in.out_stride = out_.stride;
      in.rows = rows_of(rb);
      in.cols = static_cast<int>(col_count_);
    } else if (in.quads.halves == 1) {
      in.cols = kHalf;
    }
    p_.kernels->product(in);
  }

  [[nodiscard]] QuadBlock quads(std::int64_t rb, std::int64_t k, std::int64_t end) const {
    QuadBlock in{};
    for (int r = 0; r < kMr; ++r) in.lhs[r] = row(rb * kMr + r) + k;
    const std::int64_t half_bytes = w_.padded_depth * kHalf;
    in.rhs = w_.bytes.data() + first_col_ / kHalf * half_bytes + k * kHalf;
    in.half_stride = half_bytes;
    in.halves = col_count_ > kHalf ? 2 : 1;
    in.quads = (end - k + 3) / 4;
    return in;
  }

  // to += the products k .. end of a block of rows; k a whole number of proof blocks.
  void dot(std::int64_t rb, std::int64_t k, std::int64_t end, std::int32_t* to) const {
    QuadBlock in = quads(rb, k, end);
    in.acc = to;
    if (p_.offset != 0) {
      const std::int32_t* before = column_sum(k);
      const std::int32_t* after = column_sum(end);
      std::uint32_t correction[kNr] = {};
      for (int c = 0; c < in.halves * kHalf; ++c) {
        correction[c] = static_cast<std::uint32_t>(p_.offset) * static_cast<std::uint32_t>(after[c] - before[c]);
      }
      for (int r = 0; r < kMr; ++r) {
        for (int c = 0; c < kNr; ++c) {
          std::int32_t& sum = to[r * kNr + c];
          sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) - correction[c]);
        }
      }
    }
    p_.kernels->dot_quads(in);
  }

  [[nodiscard]] const std::int32_t* column_sum(std::int64_t k) const {
    return w_.column_sum.data() + (k + kProofDepth - 1) / kProofDepth * w_.padded_cols + first_col_;
  }

  void measure(std::int64_t rb) {
    RowBlock& s = state(rb);
    p_.kernels->range(acc(rb), rows_of(rb), static_cast<std::int32_t>(range_low()), range_mask(), &s.min, &s.max);
  }
  // Exact sums are looked at as the values they stand for.
  [[nodiscard]] std::int64_t range_low() const { return p_.keeps_exact() ? p_.low : 0; }
  [[nodiscard]] std::uint32_t range_mask() const { return p_.keeps_exact() ? mask_ : ~0U; }

  // Computes at least chunk `chunk` of a block of rows.
  void advance(std::int64_t rb, std::int64_t chunk) {
    const bool guard = p_.use_guard && (pause_ == 0 || --pause_ == 0);
    if (guard) {
      const std::int64_t proven = proven_until(rb, chunk);
      if (proven > chunk) {
        dot(rb, chunk * p_.chunk, end_of(proven - 1), acc(rb));
        state(rb).next = proven;
        if (proven < p_.chunks()) measure(rb);
        failures_ = 0;
        const std::int64_t depth = end_of(proven - 1) - chunk * p_.chunk;
        work_.guarded += static_cast<std::uint64_t>(rows_of(rb) * col_count_ * depth);
        return;
      }
    }
    int failing[kMr];
    int fails = 0;
    for (int r = 0; r < rows_of(rb); ++r) {
      if (!guard || !row_proven(rb, r, chunk)) failing[fails++] = r;
    }
    if (guard && fails == rows_of(rb)) {
      if (++failures_ >= kPatience && p_.may_give_up) pause_ = kPause;
    } else if (guard) {
      failures_ = 0;
    }
    redo(rb, chunk, failing, fails);
    state(rb).next = chunk + 1;
    if (p_.use_guard && chunk + 1 < p_.chunks()) measure(rb);
  }

  // The same by the second bound, where that is smaller.
  static Moves smaller(const Moves& move, bool positive, std::int64_t squares, const ColumnBound& w) {
    return {std::min(move.up, root_above(squares * (positive ? w.positive_squares : w.squares))),
            std::min(move.down, root_above(squares * (positive ? w.negative_squares : w.squares)))};
  }
  [[nodiscard]] std::int64_t squares(std::int64_t rb, std::int64_t chunk) {
    ByteRange& range = ranges_[static_cast<std::size_t>(rb * p_.chunks() + chunk)];
    if (range.squares < 0) {
      const std::int64_t k = chunk * p_.chunk;
      const std::uint8_t* from[kMr];
      for (int r = 0; r < rows_of(rb); ++r) from[r] = row(rb * kMr + r) + k;
      range.squares = p_.kernels->square_sum(from, rows_of(rb), end_of(chunk) - k, p_.offset);
    }
    return range.squares;
  }

  // The chunk before which the guard proves a block of rows.
  [[nodiscard]] std::int64_t proven_until(std::int64_t rb, std::int64_t chunk) {
    std::int64_t up = state(rb).max;
    std::int64_t down = state(rb).min;
    std::int64_t next = chunk;
    for (; next < p_.chunks(); ++next) {
      const ByteRange& x = range(rb, next);
      const ColumnBound& bound = bounds_[static_cast<std::size_t>(next)];
      Moves move = moves(x.min, x.max, bound);
      if (up + move.up > p_.high || down - move.down < p_.low) move = smaller(move, x.min >= 0, squares(rb, next), bound);
      up += move.up;
      down -= move.down;
      if (up > p_.high || down < p_.low) break;
    }
    return next;
  }

  // The whole reduction at once, whose column sums are smaller than the sums of the chunks' largest ones.
  [[nodiscard]] bool whole_proven(std::int64_t rb) {
    if (start_overflows_) return false;
    Whole& whole = wholes_[static_cast<std::size_t>(rb)];
    const ColumnBound& total = w_.total[static_cast<std::size_t>(block_)];
    const std::int64_t up = p_.high - value_max_;
    const std::int64_t down = value_min_ - p_.low;
    if (!whole.have_bytes) {
      whole.bytes = bytes_of(rb * kMr, rows_of(rb), 0, w_.depth);
      whole.have_bytes = true;
    }
    const Moves move = moves(whole.bytes.min, whole.bytes.max, total);
    if (move.up <= up && move.down <= down) return true;
    if (w_.depth > kMaxSquares) return false;
    if (whole.squares < 0) {
      const std::uint8_t* from[kMr];
      for (int r = 0; r < rows_of(rb); ++r) from[r] = row(rb * kMr + r);
      whole.squares = p_.kernels->square_sum(from, rows_of(rb), w_.depth, p_.offset);
    }
    const bool positive = whole.bytes.min >= 0;
    return whole.squares * (positive ? total.positive_squares : total.squares) <= squared(up) &&
           whole.squares * (positive ? total.negative_squares : total.squares) <= squared(down);
  }
  // Formats wider than the sums have room beyond measure.
  static std::int64_t squared(std::int64_t room) {
    const std::int64_t limited = std::min<std::int64_t>(room, INT32_MAX);
    return limited * limited;
  }

  [[nodiscard]] bool row_proven(std::int64_t rb, int r, std::int64_t chunk) {
    const ByteRange x = bytes_of(rb * kMr + r, 1, chunk * p_.chunk, end_of(chunk));
    const Moves move = moves(x.min, x.max, bounds_[static_cast<std::size_t>(chunk)]);
    std::int32_t min = 0;
    std::int32_t max = 0;
    p_.kernels->range(acc(rb) + r * kNr, 1, static_cast<std::int32_t>(range_low()), range_mask(), &min, &max);
    return max + move.up <= p_.high && min - move.down >= p_.low;
  }

  // One chunk of a block of rows: the failing ones in lanes, the others plainly.
  void redo(std::int64_t rb, std::int64_t chunk, const int* failing, int fails) {
    const int rows = rows_of(rb);
    const std::int64_t k = chunk * p_.chunk;
    const std::int64_t end = end_of(chunk);
    const auto outputs = static_cast<std::uint64_t>((end - k) * col_count_);
    work_.lanes += outputs * static_cast<std::uint64_t>(fails);
    work_.guarded += outputs * static_cast<std::uint64_t>(rows - fails);
    if (fails == rows) {
      in_lanes(rb, chunk, failing, fails, acc(rb), count(rb));
    } else {
      alignas(64) std::int32_t sums[kTile];
      alignas(64) std::int32_t counts[kTile];
      for (int i = 0; i < fails; ++i) {
        std::copy_n(acc(rb) + failing[i] * kNr, kNr, sums + i * kNr);
        std::copy_n(count(rb) + failing[i] * kNr, kNr, counts + i * kNr);
      }
      dot(rb, k, end, acc(rb));
      if (fails != 0) in_lanes(rb, chunk, failing, fails, sums, counts);
      for (int i = 0; i < fails; ++i) {
        std::copy_n(sums + i * kNr, kNr, acc(rb) + failing[i] * kNr);
        std::copy_n(counts + i * kNr, kNr, count(rb) + failing[i] * kNr);
      }
    }
    state(rb).may_have_overflowed |= fails != 0;
  }

  void in_lanes(std::int64_t rb, std::int64_t chunk, const int* rows, int count_rows, std::int32_t* sums,
                std::int32_t* counts) {
    const std::int64_t k = chunk * p_.chunk;
    const int depth = static_cast<int>(end_of(chunk) - k);
    if (right_.empty()) {  // few calls ever come here
      right_.resize(static_cast<std::size_t>(p_.chunk) * kNr);
      left_.resize(static_cast<std::size_t>(macro_rows_) * static_cast<std::size_t>(p_.chunks()) * words(p_.chunk));
      have_left_.resize(static_cast<std::size_t>(macro_rows_ * p_.chunks()));
    }
    if (expanded_ != chunk) expand(chunk, depth);
    expanded_ = chunk;
    const int step = static_cast<int>(std::min<std::int64_t>(p_.step, depth));
    if (p_.use_lanes16) {
      SingleBlock in{{}, right_.data(), count_rows, depth, step, p_.accumulation.accumulator.format.overflow, sums,
                     counts};
      for (int i = 0; i < count_rows; ++i) in.lhs[i] = left_words(rb * kMr + rows[i], chunk, depth);
      p_.kernels->lanes16(in);
      return;
    }
    const int group = step == 1 ? 0 : (step + 1) / 2;
    const int groups = (depth + step - 1) / step;
    PairBlock in{{}, reinterpret_cast<const std::uint32_t*>(right_.data()), count_rows, (depth + 1) / 2, group, groups,
                 static_cast<std::int32_t>(p_.low), static_cast<std::int32_t>(p_.high), mask_,
                 p_.accumulation.accumulator.format.width, sums, counts};
    for (int i = 0; i < count_rows; ++i) in.lhs[i] = left_words(rb * kMr + rows[i], chunk, depth);
    p_.kernels->lanes32(in, p_.fit);
  }

  [[nodiscard]] std::size_t words(std::int64_t depth) const {
    return static_cast<std::size_t>(form_ == LeftForm::Pairs ? (depth + 1) / 2 : depth);
  }

  // A row's values in a chunk, as lanes want them; kept for the other blocks of columns.
  [[nodiscard]] const std::uint32_t* left_words(std::int64_t r, std::int64_t chunk, int depth) {
    const auto at = static_cast<std::size_t>(r * p_.chunks() + chunk);
    std::uint32_t* to = &left_[at * words(p_.chunk)];
    if (have_left_[at] == 0) {
      have_left_[at] = 1;
      p_.kernels->left(row(r) + chunk * p_.chunk, depth, p_.offset, form_, to);
    }
    return to;
  }

  // The weights of a chunk as 16-bit numbers: [k][kNr] for lanes16, [pair][kNr][2] for lanes32.
  void expand(std::int64_t chunk, int depth) {
    const std::int64_t half_bytes = w_.padded_depth * kHalf;
    const int halves = col_count_ > kHalf ? 2 : 1;
    if (halves == 1) std::fill(right_.begin(), right_.end(), std::int16_t{0});
    for (int h = 0; h < halves; ++h) {
      const std::int8_t* from = w_.bytes.data() + (first_col_ / kHalf + h) * half_bytes + chunk * p_.chunk * kHalf;
      p_.kernels->expand(from, (depth + 3) / 4, p_.use_lanes16,
                         &right_[static_cast<std::size_t>(h * kHalf * (p_.use_lanes16 ? 1 : 2))]);
    }
  }

  // Accumulators and evidence of a block of rows.
  void emit(std::int64_t rb) {
    const int rows = rows_of(rb);
    counts_.total += static_cast<std::uint64_t>(rows * col_count_);
    if (state(rb).written) return;
    const bool overflowed = state(rb).may_have_overflowed && any_overflow(rb);
    if (overflowed) judge(rb);
    const std::int64_t first = first_row_ + rb * kMr;
    for (int r = 0; r < rows; ++r) {
      const std::int32_t* from = acc(rb) + r * kNr;
      const std::int64_t at = (first + r) * out_.stride + first_col_;
      if (out_.out32 != nullptr) {
        std::copy_n(from, col_count_, out_.out32 + at);
      } else {
        std::copy_n(from, col_count_, out_.out64 + at);
      }
    }
  }

  [[nodiscard]] bool any_overflow(std::int64_t rb) {
    std::int32_t any = 0;
    for (int i = 0; i < rows_of(rb) * kNr; ++i) any |= count(rb)[i];
    return any != 0;
  }

  // Counts of a block of rows with overflows; turns exact sums into values.
  void judge(std::int64_t rb) {
    alignas(64) std::int32_t exact[kTile];
    if (p_.keeps_exact()) {
      std::copy_n(acc(rb), kTile, exact);
      const auto low = static_cast<std::uint32_t>(p_.low);
      for (int i = 0; i < kTile; ++i) {
        acc(rb)[i] = static_cast<std::int32_t>(((static_cast<std::uint32_t>(exact[i]) - low) & mask_) + low);
      }
    } else {
      for (int r = 0; r < kMr; ++r) std::copy_n(exact_start_, kNr, exact + r * kNr);
      dot(rb, 0, w_.depth, exact);
    }
    for (int r = 0; r < rows_of(rb); ++r) judge_row(rb, r, exact + r * kNr);
  }

  // Sums without branches: they vectorize. Padded columns never overflow.
  void judge_row(std::int64_t rb, int r, const std::int32_t* exact) {
    const std::int32_t* value = acc(rb) + r * kNr;
    const std::int32_t* overflows = count(rb) + r * kNr;
    std::int32_t changed = 0;
    std::int32_t outputs = 0;
    std::int32_t harmful = 0;
    for (int c = 0; c < kNr; ++c) {
      changed += overflows[c];
      outputs += overflows[c] != 0 ? 1 : 0;
      harmful += value[c] != exact[c] ? 1 : 0;
    }
    counts_.count += static_cast<std::uint64_t>(changed);
    counts_.outputs += static_cast<std::uint64_t>(outputs);
    counts_.harmful += static_cast<std::uint64_t>(harmful);
    counts_.transient += static_cast<std::uint64_t>(outputs - harmful);
    if (outputs == 0 || found_) return;
    for (int c = 0; c < kNr; ++c) {
      if (overflows[c] != 0) return candidate(first_row_ + rb * kMr + r, first_col_ + c);
    }
  }

  void candidate(std::int64_t row, std::int64_t col) {
    if (candidate_row_ < 0 || row < candidate_row_ || (row == candidate_row_ && col < candidate_col_)) {
      candidate_row_ = row;
      candidate_col_ = col;
    }
  }

  // The first narrowing of an output that changes its sum, by the definition.
  [[nodiscard]] std::int64_t replay(std::int64_t row, std::int64_t col) const {
    const Format& format = p_.accumulation.accumulator.format;
    std::int64_t value = p_.start(col);
    Fitted fitted = fit(value, format);
    std::int64_t narrowing = 0;
    for (std::int64_t k = 0; !fitted.overflowed && k < w_.depth; ++narrowing) {
      const std::int64_t end = std::min(k + p_.step, w_.depth);
      for (; k < end; ++k) value += std::int64_t{p_.lhs.value(row, k)} * w_.at(k, col);
      fitted = fit(value, format);
    }
    return narrowing;
  }

  const GemmPlan& p_;
  const PackedWeights::State& w_;
  const GemmOut& out_;
  OverflowCounts& counts_;
  GemmWork& work_;
  std::int64_t macro_rows_ = 0;
  bool direct_ = false;  // bytes are read where the caller has them
  std::uint32_t mask_ = 0;

  std::int64_t first_row_ = 0, row_count_ = 0, row_blocks_ = 0;
  LineVector<std::uint8_t> tail_;            // the last rows of all
  LineVector<std::uint8_t> packed_;          // [macro_rows, padded_depth]
  std::vector<const std::uint8_t*> rows_;    // [macro_rows]
  std::vector<ByteRange> ranges_;            // [row blocks, chunks]; empty: not looked at
  std::vector<Whole> wholes_;                // [row blocks]
  std::int64_t candidate_row_ = -1, candidate_col_ = -1;
  bool found_ = false;  // rows ascend: only the first macro block with an overflow matters

  std::int64_t block_ = 0, first_col_ = 0, col_count_ = 0;
  std::int64_t start_min_ = 0, start_max_ = 0;
  std::int64_t value_min_ = 0, value_max_ = 0;
  bool start_overflows_ = false;
  // Initial values: in the block's sums, as counts, exact, and what a plain product begins with.
  alignas(64) std::int32_t start_value_[kNr] = {}, start_count_[kNr] = {}, exact_start_[kNr] = {}, plain_start_[kNr] = {};
  LineVector<std::int32_t> acc_, count_;     // [row blocks][kMr][kNr]
  std::vector<RowBlock> blocks_;
  std::vector<ColumnBound> bounds_;          // per chunk
  std::int64_t expanded_ = -1;               // chunk that right_ holds
  LineVector<std::int16_t> right_;
  LeftForm form_ = LeftForm::Singles;
  LineVector<std::uint32_t> left_;           // [macro_rows][chunks][words]
  std::vector<char> have_left_;              // [macro_rows][chunks]
  int failures_ = 0, pause_ = 0;
};

}  // namespace

void gemm_blocks(const GemmPlan& plan, std::int64_t first, std::int64_t last, std::int64_t first_block,
                 std::int64_t last_block, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work) {
  BlockWorker worker(plan, last - first, out, evidence, work);
  for (std::int64_t row = first; row < last; row += worker.macro_rows()) {
    worker.macro_block(row, std::min(worker.macro_rows(), last - row), first_block, last_block);
  }
}

}  // namespace guardbit::arith::detail
