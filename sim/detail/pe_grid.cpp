// One clock edge of all PEs, for every way of narrowing. The loops run over columns of padded rows of plain numbers, so
// that the compiler turns them into vector code for whatever the processor has; results do not depend on it.
#include "sim/detail/pe_grid.hpp"

#include <algorithm>
#include <utility>

#include "sim/detail/pe_narrow.hpp"

namespace guardbit::sim {
namespace {

template <class T>
using View = typename PeGrid<T>::View;

// One row of PEs. Tree: the row belongs to an adder-tree group of more than one row.
template <class T, PeMode M, bool Tree>
[[gnu::always_inline]] inline void step_row(const View<T>& v, std::size_t r, bool group_end, T narrowing) {
  const PeRules& rules = *v.rules;
  const std::size_t n = v.stride, above = r * n, below = above + n;
  const T low = static_cast<T>(rules.low), high = static_cast<T>(rules.high);
  const T *x = v.x + r * v.x_stride, *w = v.weights + above;
  const T *acc = v.acc + above, *exact = v.exact + above, *tree = v.tree + above, *first = v.first + above;
  T *next_x = v.next_x + r * v.x_stride + 1;
  T *next_acc = v.next_acc + below, *next_exact = v.next_exact + below, *next_tree = v.next_tree + below,
    *next_first = v.next_first + below;
  T *count = v.count + above, *least = v.min + above, *most = v.max + above;
  if (Tree && !group_end) {
    // No two of these arrays overlap: registers of this cycle are read, those of the next are written.
#pragma GCC ivdep
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
#pragma GCC ivdep
  for (std::size_t c = 0; c < n; ++c) {
    const T product = w[c] * x[c];
    const T sum = exact[c] + product;
    next_x[c] = x[c];
    next_exact[c] = sum;
    least[c] = sum < least[c] ? sum : least[c];
    most[c] = sum > most[c] ? sum : most[c];
    if constexpr (M != PeMode::None) {
      const T term = Tree ? tree[c] + product : product;
      T new_acc = 0, new_first = 0, new_count = count[c];
      narrow_sum<T, M>(acc[c], term, first[c], narrowing, rules, low, high, new_acc, new_first, new_count);
      next_acc[c] = new_acc;
      next_first[c] = new_first;
      count[c] = new_count;
    }
  }
  if constexpr (Tree) {
    std::fill_n(next_tree, n, T(0));
  }
}

template <class T, PeMode M, bool Tree>
[[gnu::always_inline]] inline void step_rows(const View<T>& v, int step) {
  T narrowing = static_cast<T>(v.narrowing);
  int in_group = 0;
  for (int r = 0; r < v.rows; ++r) {
    const bool group_end = ++in_group == step || r + 1 == v.rows;
    step_row<T, M, Tree>(v, static_cast<std::size_t>(r), group_end, narrowing);
    if (group_end) {
      ++narrowing;
      in_group = 0;
    }
  }
}

template <class T, PeMode M>
[[gnu::always_inline]] inline void step_rows(const View<T>& v) {
  const int step = v.rules->step == 0 ? v.rows : v.rules->step;
  if (step == 1) {
    step_rows<T, M, false>(v, 1);
  } else {
    step_rows<T, M, true>(v, step);
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
  for (auto* registers : {&weights_, &count_, &min_, &max_}) {
    registers->assign(r * stride_, 0);
  }
  bubble_.assign(stride_, 0);
}

template <class T>
void PeGrid<T>::reset(const std::int64_t* exact, int used_columns, std::int64_t narrowing) {
  narrowing_ = narrowing;
  std::fill(bubble_.begin(), bubble_.end(), T(0));
  for (int c = 0; c < used_columns; ++c) {
    bubble_[static_cast<std::size_t>(c)] = static_cast<T>(exact[c]);
  }
  for (auto* registers : {&x_, &acc_, &tree_}) {
    std::fill(registers->begin(), registers->end(), T(0));
  }
  std::fill(first_.begin(), first_.end(), kNoOverflow);
  std::fill(count_.begin(), count_.end(), T(0));
  for (std::size_t row = 0; row <= static_cast<std::size_t>(rows_); ++row) {
    std::copy(bubble_.begin(), bubble_.end(), exact_.begin() + static_cast<std::ptrdiff_t>(row * stride_));
  }
  std::copy(exact_.begin() + static_cast<std::ptrdiff_t>(stride_), exact_.end(), min_.begin());
  std::copy(exact_.begin() + static_cast<std::ptrdiff_t>(stride_), exact_.end(), max_.begin());
}

template <class T>
std::uint64_t PeGrid<T>::overflows(int column) const {
  std::uint64_t sum = 0;
  for (auto at = static_cast<std::size_t>(column); at < count_.size(); at += stride_) {
    sum += static_cast<std::uint64_t>(count_[at]);
  }
  return sum;
}

template <class T>
arith::Range PeGrid<T>::range(int column) const {
  arith::Range range;
  for (auto at = static_cast<std::size_t>(column); at < min_.size(); at += stride_) {
    range.merge({min_[at], max_[at]});
  }
  return range;
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
