#include "sim/detail/output_grid.hpp"

#include <algorithm>

#include "sim/detail/pe_narrow.hpp"

namespace guardbit::sim {
namespace {

template <class T>
using View = typename OutputGrid<T>::View;
template <class T>
using RowWork = typename OutputGrid<T>::RowWork;

// Ends the group of column c with `term`, the exact sum of its products.
template <class T, PeMode M>
[[gnu::always_inline]] inline void end_group(const View<T>& v, std::size_t at, T term, T narrowing, T low, T high) {
  const T sum = v.exact[at];
  v.min[at] = sum < v.min[at] ? sum : v.min[at];
  v.max[at] = sum > v.max[at] ? sum : v.max[at];
  if constexpr (M != PeMode::None) {
    T acc = 0, first = 0, count = v.count[at];
    narrow_sum<T, M>(v.acc[at], term, v.first[at], narrowing, *v.rules, low, high, acc, first, count);
    v.acc[at] = acc;
    v.first[at] = first;
    v.count[at] = count;
  }
}

template <class T, PeMode M>
[[gnu::always_inline]] inline void step_row(const View<T>& v, const RowWork<T>& work) {
  const std::size_t base = work.row * v.stride;
  const T low = static_cast<T>(v.rules->low), high = static_cast<T>(v.rules->high);
  const auto begin = static_cast<std::size_t>(work.begin), end = static_cast<std::size_t>(work.end);
  if (v.rules->step == 1) {
    const T newest = static_cast<T>(work.narrowing + work.k);  // column c is c operands behind
#pragma GCC ivdep
    for (std::size_t c = begin; c < end; ++c) {
      const std::size_t at = base + c;
      const T product = v.w[at] * v.x[at];
      v.exact[at] += product;
      end_group<T, M>(v, at, product, static_cast<T>(newest - static_cast<T>(c)), low, high);
    }
    return;
  }
#pragma GCC ivdep
  for (std::size_t c = begin; c < end; ++c) {
    const T product = v.w[base + c] * v.x[base + c];
    v.exact[base + c] += product;
    v.tree[base + c] += product;
  }
  const auto end_column = [&](std::int64_t c, std::int64_t group) {
    const std::size_t at = base + static_cast<std::size_t>(c);
    end_group<T, M>(v, at, v.tree[at], static_cast<T>(work.narrowing + group), low, high);
    v.tree[at] = 0;
  };
  // Groups end where (k - c + 1) is a multiple of step, and with the last operand.
  const std::int64_t step = v.rules->step == 0 ? work.depth : v.rules->step;
  const std::int64_t first = work.begin + (work.k - work.begin + 1) % step;
  for (std::int64_t c = first, group = (work.k - first) / step; c < work.end; c += step, --group) {
    end_column(c, group);
  }
  const std::int64_t last = work.k + 1 - work.depth;
  if (work.depth % step != 0 && last >= work.begin && last < work.end) {
    end_column(last, work.depth / step);
  }
}

}  // namespace

namespace detail {

#define GUARDBIT_ROW(type, bits, mode)                                              \
  GUARDBIT_CLONES void output_row_##bits##_##mode(const OutputGrid<type>::View& v,    \
                                                  const OutputGrid<type>::RowWork& work) { \
    step_row<type, PeMode::mode>(v, work);                                            \
  }
#define GUARDBIT_ROWS(type, bits)       \
  GUARDBIT_ROW(type, bits, None)         \
  GUARDBIT_ROW(type, bits, Saturate)     \
  GUARDBIT_ROW(type, bits, Zero)         \
  GUARDBIT_ROW(type, bits, WrapSigned)   \
  GUARDBIT_ROW(type, bits, WrapUnsigned) \
  GUARDBIT_ROW(type, bits, General)
GUARDBIT_ROWS(std::int32_t, 32)
GUARDBIT_ROWS(std::int64_t, 64)
#undef GUARDBIT_ROWS
#undef GUARDBIT_ROW

#define GUARDBIT_DISPATCH(bits)                  \
  switch (v.rules->mode) {                       \
    case PeMode::None:                           \
      return output_row_##bits##_None(v, work);          \
    case PeMode::Saturate:                       \
      return output_row_##bits##_Saturate(v, work);      \
    case PeMode::Zero:                           \
      return output_row_##bits##_Zero(v, work);          \
    case PeMode::WrapSigned:                     \
      return output_row_##bits##_WrapSigned(v, work);    \
    case PeMode::WrapUnsigned:                   \
      return output_row_##bits##_WrapUnsigned(v, work);  \
    case PeMode::General:                        \
      return output_row_##bits##_General(v, work);       \
  }
void output_row(const OutputGrid<std::int32_t>::View& v, const OutputGrid<std::int32_t>::RowWork& work) {
  GUARDBIT_DISPATCH(32)
}
void output_row(const OutputGrid<std::int64_t>::View& v, const OutputGrid<std::int64_t>::RowWork& work) {
  GUARDBIT_DISPATCH(64)
}
#undef GUARDBIT_DISPATCH

}  // namespace detail

template <class T>
void OutputGrid<T>::configure(int rows, int columns, const PeRules& rules) {
  rules_ = rules;
  rows_ = rows;
  columns_ = columns;
  stride_ = (static_cast<std::size_t>(columns) + kLanes - 1) / kLanes * kLanes;
  for (auto* registers : {&x_, &w_, &acc_, &exact_, &tree_, &first_, &count_, &min_, &max_}) {
    registers->assign(static_cast<std::size_t>(rows) * stride_, 0);
  }
}

template <class T>
void OutputGrid<T>::start(int row, int column, std::int64_t acc, std::int64_t initial, bool overflowed, bool ranged) {
  const std::size_t at = static_cast<std::size_t>(row) * stride_ + static_cast<std::size_t>(column);
  acc_[at] = static_cast<T>(acc);
  exact_[at] = static_cast<T>(initial);
  tree_[at] = 0;
  first_[at] = overflowed ? T(0) : kNever<T>;
  count_[at] = overflowed ? 1 : 0;
  min_[at] = ranged ? static_cast<T>(initial) : std::numeric_limits<T>::max();
  max_[at] = ranged ? static_cast<T>(initial) : std::numeric_limits<T>::min();
}

template <class T>
void OutputGrid<T>::begin_stream(std::int64_t begin, std::int64_t end, std::int64_t depth, std::int64_t narrowing,
                                 int used_rows, int used_columns) {
  begin_ = begin;
  end_ = end;
  depth_ = depth;
  narrowing_ = narrowing;
  used_rows_ = used_rows;
  used_columns_ = used_columns;
  cycle_ = 0;
}

template <class T>
std::int64_t OutputGrid<T>::step(const std::vector<std::int32_t>& x, const std::vector<std::int32_t>& w) {
  // Operands move into the next register; those at the edges come from the wires.
  const auto stride = static_cast<std::ptrdiff_t>(stride_);
  std::copy_backward(w_.begin(), w_.end() - stride, w_.end());
  std::copy(w.begin(), w.end(), w_.begin());
  for (int r = 0; r < rows_; ++r) {
    const auto row = x_.begin() + r * stride;
    std::copy_backward(row, row + stride - 1, row + stride);
    *row = x[static_cast<std::size_t>(r)];
  }
  const View view{stride_, x_.data(), w_.data(), acc_.data(), exact_.data(), tree_.data(), first_.data(),
                  count_.data(), min_.data(), max_.data(), &rules_};
  std::int64_t active = 0;
  for (int r = 0; r < rows_; ++r) {
    const std::int64_t newest = cycle_ - r;  // operand of this pass in column 0; one older in each further column
    const std::int64_t from = std::max<std::int64_t>(0, newest - (end_ - begin_) + 1);
    const std::int64_t to = std::min<std::int64_t>(columns_, newest + 1);
    active += std::max<std::int64_t>(0, to - from);
    const auto used_to = static_cast<int>(std::min<std::int64_t>(to, used_columns_));
    if (r < used_rows_ && from < used_to) {
      detail::output_row(view, RowWork{static_cast<std::size_t>(r), static_cast<int>(from), used_to, begin_ + newest,
                                       depth_, narrowing_});
    }
  }
  ++cycle_;
  return active;
}

template <class T>
OutputSum OutputGrid<T>::bottom(int column) const {
  const std::size_t at = static_cast<std::size_t>(rows_ - 1) * stride_ + static_cast<std::size_t>(column);
  OutputSum sum;
  sum.exact = exact_[at];
  sum.acc = rules_.mode == PeMode::None ? sum.exact : acc_[at];
  sum.first = first_[at] == kNever<T> ? kNoOverflow : first_[at];
  sum.overflows = static_cast<std::uint64_t>(count_[at]);
  sum.range = {min_[at], max_[at]};
  return sum;
}

template <class T>
void OutputGrid<T>::shift_down() {
  for (auto* registers : {&acc_, &exact_, &first_, &count_, &min_, &max_}) {
    std::copy_backward(registers->begin(), registers->end() - static_cast<std::ptrdiff_t>(stride_), registers->end());
  }
}

template class OutputGrid<std::int32_t>;
template class OutputGrid<std::int64_t>;

}  // namespace guardbit::sim
