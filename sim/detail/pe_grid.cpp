// One clock edge of all PEs, for every way of narrowing. The loops run over columns of padded rows of plain numbers, so
// that the compiler turns them into vector code for whatever the processor has; results do not depend on it.
#include "sim/detail/pe_grid.hpp"

#include <algorithm>
#include <utility>

#include "arith/overflow.hpp"

#define GUARDBIT_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))

namespace guardbit::sim {
namespace {

constexpr std::size_t kLanes = 16;  // columns are padded to whole vectors

template <class T>
using View = typename PeGrid<T>::View;

template <class T, PeMode M>
[[gnu::always_inline]] inline T narrowed(T sum, bool overflowed, const PeRules& rules) {
  if constexpr (M == PeMode::Saturate) {
    const T low = static_cast<T>(rules.low), high = static_cast<T>(rules.high);
    return sum < low ? low : (sum > high ? high : sum);
  } else if constexpr (M == PeMode::Zero) {
    return overflowed ? T(0) : sum;
  } else if constexpr (M == PeMode::WrapSigned) {
    const int shift = static_cast<int>(sizeof(T) * 8) - rules.format.width;
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(sum) << shift) >> shift;
  } else if constexpr (M == PeMode::WrapUnsigned) {
    return sum & static_cast<T>(rules.high);
  } else {
    return overflowed ? static_cast<T>(arith::fit(sum, rules.format).value) : sum;
  }
}

// acc' = narrow(acc + term) for one PE, with evidence.
template <class T, PeMode M>
[[gnu::always_inline]] inline void narrow_sum(T above, T term, T first_above, T narrowing, const PeRules& rules,
                                              T& acc, T& first, T& count) {
  bool overflowed = false;
  if constexpr (M == PeMode::General) {
    T sum = 0;
    if (__builtin_add_overflow(above, term, &sum)) {  // only where the format has 63 bits or more
      overflowed = true;
      acc = static_cast<T>(arith::fit(arith::int128{above} + term, rules.format).value);
    } else {
      overflowed = sum < static_cast<T>(rules.low) || sum > static_cast<T>(rules.high);
      acc = narrowed<T, M>(sum, overflowed, rules);
    }
  } else {
    const T sum = above + term;
    overflowed = (sum < static_cast<T>(rules.low)) | (sum > static_cast<T>(rules.high));
    acc = narrowed<T, M>(sum, overflowed, rules);
  }
  count += overflowed ? T(1) : T(0);
  const T mine = overflowed ? narrowing : PeGrid<T>::kNoOverflow;
  first = first_above < mine ? first_above : mine;
}

template <class T, PeMode M>
[[gnu::always_inline]] inline void step_row(const View<T>& v, std::size_t r, bool tree_row, bool group_end,
                                            T narrowing) {
  const PeRules& rules = *v.rules;
  const std::size_t n = v.stride, above = r * n, below = above + n;
  const T* __restrict x = v.x + r * v.x_stride;
  T* __restrict next_x = v.next_x + r * v.x_stride + 1;
  const T* __restrict w = v.weights + above;
  const T* __restrict acc = v.acc + above;
  const T* __restrict exact = v.exact + above;
  const T* __restrict tree = v.tree + above;
  const T* __restrict first = v.first + above;
  T* __restrict next_acc = v.next_acc + below;
  T* __restrict next_exact = v.next_exact + below;
  T* __restrict next_tree = v.next_tree + below;
  T* __restrict next_first = v.next_first + below;
  T* __restrict count = v.count;
  T* __restrict low = v.min;
  T* __restrict high = v.max;
  if (!group_end) {
    for (std::size_t c = 0; c < n; ++c) {
      const T product = w[c] * x[c];
      next_x[c] = x[c];
      next_exact[c] = exact[c] + product;
      next_tree[c] = tree[c] + product;
    }
    if constexpr (M != PeMode::None) {
      std::copy_n(acc, n, next_acc);
      std::copy_n(first, n, next_first);
    }
    return;
  }
  for (std::size_t c = 0; c < n; ++c) {
    const T product = w[c] * x[c];
    const T sum = exact[c] + product;
    next_x[c] = x[c];
    next_exact[c] = sum;
    low[c] = sum < low[c] ? sum : low[c];
    high[c] = sum > high[c] ? sum : high[c];
    if constexpr (M != PeMode::None) {
      if (tree_row) {
        narrow_sum<T, M>(acc[c], tree[c] + product, first[c], narrowing, rules, next_acc[c], next_first[c], count[c]);
      } else {
        narrow_sum<T, M>(acc[c], product, first[c], narrowing, rules, next_acc[c], next_first[c], count[c]);
      }
    }
  }
  if (tree_row) {
    std::fill_n(next_tree, n, T(0));
  }
}

template <class T, PeMode M>
[[gnu::always_inline]] inline void step_rows(const View<T>& v) {
  const int step = v.rules->step == 0 ? v.rows : v.rules->step;
  T narrowing = static_cast<T>(v.narrowing);
  int in_group = 0;
  for (int r = 0; r < v.rows; ++r) {
    const bool group_end = ++in_group == step || r + 1 == v.rows;
    if (step == 1) {
      step_row<T, M>(v, static_cast<std::size_t>(r), false, true, narrowing);
    } else {
      step_row<T, M>(v, static_cast<std::size_t>(r), true, group_end, narrowing);
    }
    if (group_end) {
      ++narrowing;
      in_group = 0;
    }
  }
}

}  // namespace

namespace detail {

#define GUARDBIT_STEP(type, bits, mode)                                      \
  GUARDBIT_CLONES void step_##bits##_##mode(const PeGrid<type>::View& v) { \
    step_rows<type, PeMode::mode>(v);                                        \
  }
#define GUARDBIT_STEPS(type, bits)      \
  GUARDBIT_STEP(type, bits, None)         \
  GUARDBIT_STEP(type, bits, Saturate)     \
  GUARDBIT_STEP(type, bits, Zero)         \
  GUARDBIT_STEP(type, bits, WrapSigned)   \
  GUARDBIT_STEP(type, bits, WrapUnsigned) \
  GUARDBIT_STEP(type, bits, General)
GUARDBIT_STEPS(std::int32_t, 32)
GUARDBIT_STEPS(std::int64_t, 64)
#undef GUARDBIT_STEPS
#undef GUARDBIT_STEP

#define GUARDBIT_DISPATCH(bits)              \
  switch (v.rules->mode) {                   \
    case PeMode::None:                       \
      return step_##bits##_None(v);          \
    case PeMode::Saturate:                   \
      return step_##bits##_Saturate(v);      \
    case PeMode::Zero:                       \
      return step_##bits##_Zero(v);          \
    case PeMode::WrapSigned:                 \
      return step_##bits##_WrapSigned(v);    \
    case PeMode::WrapUnsigned:               \
      return step_##bits##_WrapUnsigned(v);  \
    case PeMode::General:                    \
      return step_##bits##_General(v);       \
  }
void step(const PeGrid<std::int32_t>::View& v) { GUARDBIT_DISPATCH(32) }
void step(const PeGrid<std::int64_t>::View& v) { GUARDBIT_DISPATCH(64) }
#undef GUARDBIT_DISPATCH

}  // namespace detail

PeRules pe_rules(const arith::AccumulatorSpec& spec, std::int64_t magnitude) {
  const arith::Format& format = spec.format;
  PeRules rules{.format = format, .step = spec.step};
  const bool symmetric = format.overflow == arith::Overflow::SAT_SYM && format.is_signed;
  rules.high = static_cast<std::int64_t>(format.max_code());
  rules.low = symmetric ? -rules.high : static_cast<std::int64_t>(format.min_code());
  if (rules.low <= -magnitude && magnitude <= rules.high) {
    rules.mode = PeMode::None;
    return rules;
  }
  if (format.width > 62) {
    return rules;  // General: acc + term may need more than 64 bits
  }
  switch (format.overflow) {
    case arith::Overflow::SAT:
    case arith::Overflow::SAT_SYM:
      rules.mode = PeMode::Saturate;
      break;
    case arith::Overflow::SAT_ZERO:
      rules.mode = PeMode::Zero;
      break;
    case arith::Overflow::WRAP:
      if (format.n_bits == 0) {
        rules.mode = format.is_signed ? PeMode::WrapSigned : PeMode::WrapUnsigned;
      }
      break;
    case arith::Overflow::WRAP_SM:
      break;
  }
  return rules;
}

bool fits_32_bits(const PeRules& rules, std::int64_t magnitude) {
  constexpr std::int64_t kLimit = INT32_MAX - 1;
  if (magnitude > kLimit) {
    return false;
  }
  return rules.mode == PeMode::None || std::max(-rules.low, rules.high) <= kLimit - magnitude;
}

template <class T>
void PeGrid<T>::configure(int rows, int columns, const PeRules& rules) {
  rules_ = rules;
  if (rows == rows_ && columns == columns_) {
    return;
  }
  rows_ = rows;
  columns_ = columns;
  stride_ = (static_cast<std::size_t>(columns) + kLanes - 1) / kLanes * kLanes;
  x_stride_ = stride_ + kLanes;
  const auto r = static_cast<std::size_t>(rows);
  for (auto* registers : {&x_, &next_x_}) {
    registers->assign(r * x_stride_, 0);
  }
  for (auto* registers : {&acc_, &next_acc_, &exact_, &next_exact_, &tree_, &next_tree_, &first_, &next_first_}) {
    registers->assign((r + 1) * stride_, 0);
  }
  weights_.assign(r * stride_, 0);
  for (auto* lanes : {&count_, &min_, &max_, &bubble_}) {
    lanes->assign(stride_, 0);
  }
}

template <class T>
void PeGrid<T>::reset(const std::int64_t* exact, int used_columns, std::int64_t narrowing) {
  narrowing_ = narrowing;
  std::fill(bubble_.begin(), bubble_.end(), T(0));
  std::transform(exact, exact + used_columns, bubble_.begin(), [](std::int64_t value) { return static_cast<T>(value); });
  for (auto* registers : {&x_, &acc_, &tree_}) {
    std::fill(registers->begin(), registers->end(), T(0));
  }
  std::fill(first_.begin(), first_.end(), kNoOverflow);
  std::fill(count_.begin(), count_.end(), T(0));
  for (std::size_t row = 0; row <= static_cast<std::size_t>(rows_); ++row) {
    std::copy(bubble_.begin(), bubble_.end(), exact_.begin() + static_cast<std::ptrdiff_t>(row * stride_));
  }
  min_ = bubble_;
  max_ = bubble_;
}

template <class T>
void PeGrid<T>::push_weights(const std::int32_t* row, int count) {
  std::copy_backward(weights_.begin(), weights_.end() - static_cast<std::ptrdiff_t>(stride_), weights_.end());
  std::fill_n(weights_.begin(), stride_, T(0));
  if (row != nullptr) {
    std::copy_n(row, count, weights_.begin());
  }
}

template <class T>
void PeGrid<T>::step() {
  detail::step(View{rows_, stride_, x_stride_, x_.data(), next_x_.data(), acc_.data(), next_acc_.data(),
                    exact_.data(), next_exact_.data(), tree_.data(), next_tree_.data(), first_.data(),
                    next_first_.data(), weights_.data(), count_.data(), min_.data(), max_.data(), &rules_,
                    narrowing_});
  x_.swap(next_x_);
  acc_.swap(next_acc_);
  exact_.swap(next_exact_);
  tree_.swap(next_tree_);
  first_.swap(next_first_);
}

template class PeGrid<std::int32_t>;
template class PeGrid<std::int64_t>;

}  // namespace guardbit::sim
