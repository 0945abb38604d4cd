// What the bodies of kernels are written with. A body is a plain struct whose operator()(i) is what thread i does. It
// shares no memory with other threads of its launch, so that a loop on the host computes the same (host_queue.hpp).
#pragma once

#include <cstdint>

#include "arith/host_device.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::trainer::cuda {

using Count = std::int64_t;
using Index = std::uint32_t;

/// The most elements that a body with Dividers can number.
inline constexpr Count kLargestIndex = INT32_MAX;

/// Division of numbers below 2^31 by a number fixed at launch, without a division: n / d = (n + hi(n m)) / 2^s with
/// 2^s >= d > 2^(s-1), m = floor(2^32 (2^s - d) / d) + 1 and hi the upper 32 of 64 bits. (Granlund and Montgomery,
/// PLDI 1994, figure 4.1.)
class Divider {
 public:
  Divider() = default;
  /// 1 <= divisor < 2^31.
  explicit Divider(Count divisor) : divisor_(static_cast<Index>(divisor)) {
    while ((std::uint64_t{1} << shift_) < divisor_) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - divisor_;
    multiplier_ = static_cast<Index>((excess << 32) / divisor_ + 1);
  }
  [[nodiscard]] GUARDBIT_HD Index quotient(Index n) const {
    const auto high = static_cast<Index>((std::uint64_t{n} * multiplier_) >> 32);
    return (n + high) >> shift_;
  }
  /// Replaces n by the quotient and returns the remainder: takes the fastest index off a flat one.
  [[nodiscard]] GUARDBIT_HD Index take(Index& n) const {
    const Index whole = quotient(n), rest = n - whole * divisor_;
    n = whole;
    return rest;
  }
  [[nodiscard]] GUARDBIT_HD Index remainder(Index n) const { return take(n); }

 private:
  Index divisor_ = 1, multiplier_ = 1;
  unsigned shift_ = 0;
};

/// One axis of a sliding window.
struct Axis {
  int kernel = 1, stride = 1, dilation = 1, before = 0;  // before: padding
  int in = 1, out = 1;                                   // sizes

  /// Input position of a tap, which may lie in the padding.
  [[nodiscard]] GUARDBIT_HD int input(int output, int tap) const { return output * stride - before + tap * dilation; }
  [[nodiscard]] GUARDBIT_HD bool inside(int position) const { return position >= 0 && position < in; }
  /// The output that sees input `position` through `tap`; -1 when there is none.
  [[nodiscard]] GUARDBIT_HD int output(int position, int tap) const {
    const int start = position + before - tap * dilation;
    if (start < 0 || start % stride != 0) return -1;
    return start / stride < out ? start / stride : -1;
  }
  /// Taps of an output that fall on the input: first_tap() to first_tap() + taps() - 1.
  [[nodiscard]] GUARDBIT_HD int first_tap(int output) const {
    const int start = input(output, 0);
    return start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  }
  [[nodiscard]] GUARDBIT_HD int taps(int output) const {
    const int start = input(output, 0), room = in - 1 - start;
    const int last = room < 0 ? 0 : room / dilation + 1;  // one behind the last tap before the far end
    const int count = (last < kernel ? last : kernel) - first_tap(output);
    return count > 0 ? count : 0;
  }
};

[[nodiscard]] inline Axis rows_of(const nets::Window& w, const nets::Shape& in, const nets::Shape& out) {
  return {w.kernel_h, w.stride_h, w.dilation_h, w.padding.top, in.h, out.h};
}
[[nodiscard]] inline Axis columns_of(const nets::Window& w, const nets::Shape& in, const nets::Shape& out) {
  return {w.kernel_w, w.stride_w, w.dilation_w, w.padding.left, in.w, out.w};
}

/// A position in a tensor [N, H, W, C] and the dividers that find it from the flat index.
struct Position {
  Index n = 0, y = 0, x = 0, c = 0;
};
class Unflatten {
 public:
  Unflatten() = default;
  Unflatten(Count h, Count w, Count c) : h_(h), w_(w), c_(c) {}
  [[nodiscard]] GUARDBIT_HD Position operator()(Count i) const {
    auto rest = static_cast<Index>(i);
    Position at;
    at.c = c_.take(rest);
    at.x = w_.take(rest);
    at.y = h_.take(rest);
    at.n = rest;
    return at;
  }

 private:
  Divider h_, w_, c_;
};

}  // namespace guardbit::trainer::cuda
