// One clock edge of all PEs, for every way of narrowing. The loops run over columns of padded rows of plain numbers, so
// that the compiler turns them into vector code for whatever the processor has; results do not depend on it.
#include "sim/detail/pe_grid.hpp"

#include <algorithm>

#include "sim/detail/pe_narrow.hpp"

namespace guardbit::sim {
namespace {

template <class T>
using View = typename PeGrid<T>::View;

// Evidence of kLanes columns.
template <class T>
struct Evidence {
  T *count, *least, *most;
};

// kLanes PEs of one row, of which `at` is the first in rows of sums and `x` in rows of x. The registers of the row are
// read, those of the row below written: below comes before above. Tree: the row belongs to an adder-tree group of more
// than one row; below the end of a group the tree register is never written and stays 0.
template <class T, PeMode M, bool Tree>
[[gnu::always_inline]] inline void step_lanes(const View<T>& v, T* x_wires, std::size_t at, bool group_end,
                                              T narrowing, const Evidence<T>& evidence) {
  const PeRules& rules = *v.rules;
  const std::size_t below = at + v.stride;
  const T low = static_cast<T>(rules.low), high = static_cast<T>(rules.high);
  T x[kLanes];
  std::copy_n(x_wires, kLanes, x);
  std::copy_n(x, kLanes, x_wires + 1);
  const T* w = v.weights + at;
  const T *acc = v.acc + at, *exact = v.exact + at, *tree = v.tree + at, *first = v.first + at;
  T *next_acc = v.acc + below, *next_exact = v.exact + below;
  T *next_tree = v.tree + below, *next_first = v.first + below;
  if (Tree && !group_end) {
    // No two of these arrays overlap. Unrolled loops would not become vector code.
#pragma GCC ivdep
#pragma GCC unroll 1
    for (std::size_t c = 0; c < kLanes; ++c) {
      const T product = w[c] * x[c];
      next_exact[c] = exact[c] + product;
      next_tree[c] = tree[c] + product;
    }
    if constexpr (M != PeMode::None) {
      std::copy_n(acc, kLanes, next_acc);
      std::copy_n(first, kLanes, next_first);
    }
    return;
  }
#pragma GCC ivdep
  for (std::size_t c = 0; c < kLanes; ++c) {
    const T product = w[c] * x[c];
    const T sum = exact[c] + product;
    next_exact[c] = sum;
    evidence.least[c] = sum < evidence.least[c] ? sum : evidence.least[c];
    evidence.most[c] = sum > evidence.most[c] ? sum : evidence.most[c];
    if constexpr (M != PeMode::None) {
      const T term = Tree ? tree[c] + product : product;
      T new_acc = 0, new_first = 0, new_count = evidence.count[c];
      narrow_sum<T, M>(acc[c], term, first[c], narrowing, rules, low, high, new_acc, new_first, new_count);
      next_acc[c] = new_acc;
      next_first[c] = new_first;
      evidence.count[c] = new_count;
    }
  }
}

// Rows from the bottom up and columns from the right to the left, so that each PE is done before its neighbour writes
// into it. `one_row(r, group_end, index of the narrowing)`.
template <class OneRow>
[[gnu::always_inline]] inline void for_rows(int rows, int step, std::int64_t narrowing, const OneRow& one_row) {
  std::int64_t group = narrowing + (rows + step - 1) / step - 1;
  int left = (rows - 1) % step + 1;  // rows of the group from this one up
  bool group_end = true;
  for (int r = rows - 1; r >= 0; --r) {
    one_row(static_cast<std::size_t>(r), group_end, group);
    group_end = --left == 0;
    if (group_end) {
      --group;
      left = step;
    }
  }
}

template <class T, PeMode M, bool Tree>
[[gnu::always_inline]] inline void step_rows(View<T> v, int step) {
  if (v.stride == kLanes) {  // one vector of columns: their evidence stays in registers of the host
    T count[kLanes], least[kLanes], most[kLanes];
    std::copy_n(v.count, kLanes, count);
    std::copy_n(v.min, kLanes, least);
    std::copy_n(v.max, kLanes, most);
    for_rows(v.rows, step, v.narrowing, [&](std::size_t r, bool group_end, std::int64_t narrowing)
             __attribute__((always_inline)) {
      step_lanes<T, M, Tree>(v, v.x + r * v.x_stride, r * kLanes, group_end, static_cast<T>(narrowing),
                             {count, least, most});
    });
    std::copy_n(count, kLanes, v.count);
    std::copy_n(least, kLanes, v.min);
    std::copy_n(most, kLanes, v.max);
    return;
  }
  for_rows(v.rows, step, v.narrowing, [&](std::size_t r, bool group_end, std::int64_t narrowing)
           __attribute__((always_inline)) {
    for (std::size_t c = v.stride; c > 0;) {
      c -= kLanes;
      step_lanes<T, M, Tree>(v, v.x + r * v.x_stride + c, r * v.stride + c, group_end, static_cast<T>(narrowing),
                             {v.count + c, v.min + c, v.max + c});
    }
  });
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
  x_.assign(r * x_stride_, 0);
  for (auto* registers : {&acc_, &exact_, &tree_, &first_}) {
    registers->assign((r + 1) * stride_, 0);
  }
  weights_.assign(r * stride_, 0);
  for (auto* registers : {&count_, &min_, &max_, &bubble_}) {
    registers->assign(stride_, 0);
  }
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
  min_ = max_ = bubble_;
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
  detail::step(View{rows_, stride_, x_stride_, x_.data(), acc_.data(), exact_.data(), tree_.data(), first_.data(),
                    weights_.data(), count_.data(), min_.data(), max_.data(), &rules_, narrowing_});
}

template class PeGrid<std::int32_t>;
template class PeGrid<std::int64_t>;

}  // namespace guardbit::sim
