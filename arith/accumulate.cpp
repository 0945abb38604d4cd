// The obvious accumulation, one output at a time, and the merging of its evidence.
#include "arith/accumulate.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

void check_spec(const AccumulatorSpec& spec, const std::string& where) {
  const Format& format = spec.format;
  if (format.kind != Kind::Integer || format.width < 1 || format.width > (format.is_signed ? 64 : 63)) {
    throw Error(where + ": accumulator format " + to_string(format) +
                " is not allowed; an integer format of 1..64 bits (unsigned: 1..63) is");
  }
  if (format.n_bits < 0 || format.n_bits > format.width ||
      (format.overflow == Overflow::WRAP_SM && !format.is_signed)) {
    throw Error(where + ": accumulator format " + to_string(format) + ": 0.." + std::to_string(format.width) +
                " saturated bits, and WRAP_SM for signed formats only");
  }
  if (spec.step < 0) {
    throw Error(where + ": accumulator step " + std::to_string(spec.step) + " is negative; 0 (whole fold) or more");
  }
}

// A running sum that is narrowed again and again, and what it saw.
class RunningSum {
 public:
  explicit RunningSum(const Format& format)
      : format_(format),
        low_(static_cast<std::int64_t>(format.min_code())),
        high_(static_cast<std::int64_t>(format.max_code())) {}

  std::int64_t value = 0;
  std::int64_t narrowings = 0;
  std::uint64_t overflows = 0;
  std::int64_t first = 0;

  // The sum that would have been without any narrowing.
  [[nodiscard]] std::int64_t exact() const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + lost_);
  }

  void add(std::int64_t term) {
    std::int64_t sum = 0;
    // A sum inside the format stays as it is in every mode; the lowest code is left to narrow() because of SAT_SYM.
    if (!__builtin_add_overflow(value, term, &sum) && low_ < sum && sum <= high_) {
      value = sum;
    } else {
      narrow_sum(term);
    }
    ++narrowings;
  }

  // The same for terms one after the other; `range` takes the exact sums. (Sums inside the format in a loop of their own,
  // because there is nothing to record: this is where the time goes.)
  void add_all(std::span<const std::int64_t> terms, Range& range) {
    while (!terms.empty()) {
      const std::size_t count = add_inside(terms, range);
      terms = terms.subspan(count);
      if (!terms.empty()) {
        add(terms.front());
        range.include(exact());
        terms = terms.subspan(1);
      }
    }
  }

  // Adds what another sum has become; what that one has lost is lost here too.
  void add(const RunningSum& part) {
    add(part.value);
    lost_ += part.lost_;
  }

  void record(std::int64_t output, OverflowCounts& counts) const {
    if (overflows == 0 && lost_ == 0) {  // most of them
      ++counts.total;
      return;
    }
    OverflowCounts mine;
    mine.total = 1;
    mine.count = overflows;
    mine.outputs = overflows != 0 ? 1 : 0;
    mine.transient = overflows != 0 && lost_ == 0 ? 1 : 0;
    mine.harmful = lost_ != 0 ? 1 : 0;
    if (overflows != 0) {
      mine.first = FirstOverflow{output, first};
    }
    counts.merge(mine);
  }

 private:
  // Adds the first terms, as long as the sums stay inside the format. Returns how many.
  std::size_t add_inside(std::span<const std::int64_t> terms, Range& range) {
    const auto lowest = static_cast<std::uint64_t>(low_) + 1;
    const std::uint64_t span = static_cast<std::uint64_t>(high_) - lowest;
    std::int64_t sum = value, least = INT64_MAX, most = INT64_MIN;
    std::size_t count = 0;
    for (; count < terms.size(); ++count) {
      std::int64_t next = 0;
      if (__builtin_add_overflow(sum, terms[count], &next)) break;
      if (static_cast<std::uint64_t>(next) - lowest > span) break;  // outside low_ + 1 .. high_
      sum = next;
      least = std::min(least, sum);
      most = std::max(most, sum);
    }
    if (count > 0) {
      value = least;
      range.include(exact());
      value = most;
      range.include(exact());
      value = sum;
      narrowings += static_cast<std::int64_t>(count);
    }
    return count;
  }

  // By the definition, for a sum at or beyond the ends of the format.
  [[gnu::noinline]] void narrow_sum(std::int64_t term) {
    const Narrowed narrowed = narrow(int128{value} + term, 0, format_);
    if (narrowed.overflowed && overflows++ == 0) {
      first = narrowings;
    }
    lost_ += static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(term) -
             static_cast<std::uint64_t>(narrowed.value);
    value = static_cast<std::int64_t>(narrowed.value);
  }

  std::uint64_t lost_ = 0;  // exact sum less value, modulo 2^64
  Format format_;
  std::int64_t low_, high_;
};

std::size_t part_size(int configured, std::size_t available) {
  return configured == 0 ? available : std::min(available, static_cast<std::size_t>(configured));
}

// Adds the sum of each group of `step` products of a fold; 0: of the whole fold.
void add_groups(std::span<const std::int64_t> fold, int step, RunningSum& sum, Range& range) {
  if (step == 1) {
    sum.add_all(fold, range);
    return;
  }
  const std::size_t size = std::max<std::size_t>(part_size(step, fold.size()), 1);
  for (std::size_t begin = 0; begin < fold.size(); begin += size) {
    std::int64_t group = 0;
    for (const std::int64_t product : fold.subspan(begin, std::min(size, fold.size() - begin))) group += product;
    sum.add(group);
    range.include(sum.exact());
  }
}

}  // namespace

void check_accumulation(const Accumulation& accumulation, const std::string& where) {
  check_spec(accumulation.accumulator, where);
  if (accumulation.psum) {
    check_spec(*accumulation.psum, where + " (psum)");
  }
  if (accumulation.fold < 0) {
    throw Error(where + ": fold " + std::to_string(accumulation.fold) + " is negative; 0 (whole reduction) or more");
  }
}

void OverflowCounts::merge(const OverflowCounts& other) {
  total += other.total;
  count += other.count;
  outputs += other.outputs;
  transient += other.transient;
  harmful += other.harmful;
  if (other.first && (!first || other.first->output < first->output ||
                      (other.first->output == first->output && other.first->narrowing < first->narrowing))) {
    first = other.first;
  }
}

void AccumulationEvidence::merge(const AccumulationEvidence& other) {
  accumulator.merge(other.accumulator);
  psum.merge(other.psum);
  exact.merge(other.exact);
}

int signed_bits(const Range& range) {
  if (range.empty()) {
    return 1;
  }
  int bits = 1;
  while (bits < 64 && (range.min < -(std::int64_t{1} << (bits - 1)) || range.max >= (std::int64_t{1} << (bits - 1)))) {
    ++bits;
  }
  return bits;
}

std::int64_t accumulate(std::span<const std::int64_t> products, std::int64_t initial, const Accumulation& accumulation,
                        std::int64_t output, AccumulationEvidence& evidence) {
  RunningSum acc(accumulation.accumulator.format);
  Range exact;  // of the accumulator's narrowings
  acc.add(initial);
  exact.include(acc.exact());

  // Groups of one product are the same however the reduction is folded, unless partial sums begin anew with each fold.
  const bool folds_matter = accumulation.psum || accumulation.accumulator.step != 1;
  const int fold_length = folds_matter ? accumulation.fold : 0;
  const std::size_t fold_size = std::max<std::size_t>(part_size(fold_length, products.size()), 1);
  const auto folds = static_cast<std::int64_t>((products.size() + fold_size - 1) / fold_size);
  for (std::int64_t fold = 0; fold < folds; ++fold) {
    auto rest = products.subspan(static_cast<std::size_t>(fold) * fold_size);
    rest = rest.first(std::min(fold_size, rest.size()));
    if (accumulation.psum) {
      RunningSum psum(accumulation.psum->format);
      Range unused;
      add_groups(rest, accumulation.psum->step, psum, unused);
      psum.record(output * folds + fold, evidence.psum);
      acc.add(psum);
      exact.include(acc.exact());
    } else {
      add_groups(rest, accumulation.accumulator.step, acc, exact);
    }
  }
  acc.record(output, evidence.accumulator);
  evidence.exact.merge(exact);
  return acc.value;
}

}  // namespace guardbit::arith
