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

std::int64_t sum_of(std::span<const std::int64_t> values) {
  std::int64_t sum = 0;
  for (const std::int64_t value : values) {
    sum += value;
  }
  return sum;
}

// A running sum that is narrowed again and again, and what it saw.
class RunningSum {
 public:
  explicit RunningSum(const Format& format)
      : format_(format),
        low_(static_cast<std::int64_t>(format.min_code())),
        high_(static_cast<std::int64_t>(format.max_code())) {}

  std::int64_t value = 0;
  std::int64_t exact = 0;
  std::int64_t narrowings = 0;
  std::uint64_t overflows = 0;
  std::int64_t first = 0;

  void add(std::int64_t term, std::int64_t exact_term) {
    std::int64_t sum = 0;
    // A sum inside the format stays as it is in every mode; the lowest code is left to narrow() because of SAT_SYM.
    if (!__builtin_add_overflow(value, term, &sum) && low_ < sum && sum <= high_) {
      value = sum;
    } else {
      const Narrowed narrowed = narrow(int128{value} + term, 0, format_);
      if (narrowed.overflowed && overflows++ == 0) {
        first = narrowings;
      }
      value = static_cast<std::int64_t>(narrowed.value);
    }
    ++narrowings;
    exact += exact_term;
  }

  void record(std::int64_t output, OverflowCounts& counts) const {
    OverflowCounts mine;
    mine.total = 1;
    mine.count = overflows;
    mine.outputs = overflows != 0 ? 1 : 0;
    mine.transient = overflows != 0 && value == exact ? 1 : 0;
    mine.harmful = value != exact ? 1 : 0;
    if (overflows != 0) {
      mine.first = FirstOverflow{output, first};
    }
    counts.merge(mine);
  }

 private:
  Format format_;
  std::int64_t low_, high_;
};

std::size_t part_size(int configured, std::size_t available) {
  return configured == 0 ? available : std::min(available, static_cast<std::size_t>(configured));
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
  acc.add(initial, initial);
  evidence.exact.include(acc.exact);

  const std::size_t fold_size = std::max<std::size_t>(part_size(accumulation.fold, products.size()), 1);
  const auto folds = static_cast<std::int64_t>((products.size() + fold_size - 1) / fold_size);
  for (std::int64_t fold = 0; fold < folds; ++fold) {
    auto rest = products.subspan(static_cast<std::size_t>(fold) * fold_size);
    rest = rest.first(std::min(fold_size, rest.size()));
    RunningSum psum(accumulation.psum ? accumulation.psum->format : accumulation.accumulator.format);
    const int step = accumulation.psum ? accumulation.psum->step : accumulation.accumulator.step;
    while (!rest.empty()) {
      const std::size_t group_size = part_size(step, rest.size());
      const std::int64_t sum = sum_of(rest.first(group_size));
      rest = rest.subspan(group_size);
      if (accumulation.psum) {
        psum.add(sum, sum);
      } else {
        acc.add(sum, sum);
        evidence.exact.include(acc.exact);
      }
    }
    if (accumulation.psum) {
      psum.record(output * folds + fold, evidence.psum);
      acc.add(psum.value, psum.exact);
      evidence.exact.include(acc.exact);
    }
  }
  acc.record(output, evidence.accumulator);
  return acc.value;
}

}  // namespace guardbit::arith
