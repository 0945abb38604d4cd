// Pooling loops, channels innermost.
#include <algorithm>
#include <bit>

#include "trainer/cpu/clones.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer::kernels {

namespace {

// Taps of one axis that fall on the input: index range [first, last) of the kernel.
struct Taps {
  int start;  // input position of tap 0, may be negative
  int first, last;
};
Taps taps(int position, int stride, int before, int kernel, int dilation, int size) {
  const int start = position * stride - before;
  Taps t{start, 0, kernel};
  while (t.first < kernel && start + t.first * dilation < 0) ++t.first;
  while (t.last > t.first && start + (t.last - 1) * dilation >= size) --t.last;
  return t;
}

GUARDBIT_CLONES void take_larger(Count n, std::int32_t place, const float* x, float* y, std::int32_t* index) {
  for (Count i = 0; i < n; ++i) {
    const bool larger = x[i] > y[i];
    y[i] = larger ? x[i] : y[i];
    index[i] = larger ? place : index[i];
  }
}
GUARDBIT_CLONES void give_back(Count n, std::int32_t place, const float* dy, const std::int32_t* index, float* dx) {
  for (Count i = 0; i < n; ++i) dx[i] += index[i] == place ? dy[i] : 0.0F;
}
GUARDBIT_CLONES void accumulate_scaled(Count n, float factor, const float* x, float* y) {
  for (Count i = 0; i < n; ++i) y[i] += factor * x[i];
}

// visit(output offset, input offset, place in the window, taps in the window)
template <class Visit>
void for_each_tap(const nets::Window& w, const nets::Shape& in, const nets::Shape& out, Visit visit) {
  for (int p = 0; p < out.h; ++p) {
    const Taps rows = taps(p, w.stride_h, w.padding.top, w.kernel_h, w.dilation_h, in.h);
    for (int q = 0; q < out.w; ++q) {
      const Taps columns = taps(q, w.stride_w, w.padding.left, w.kernel_w, w.dilation_w, in.w);
      const int count = (rows.last - rows.first) * (columns.last - columns.first);
      const Count to = (Count{p} * out.w + q) * out.c;
      for (int r = rows.first; r < rows.last; ++r) {
        for (int s = columns.first; s < columns.last; ++s) {
          const int y = rows.start + r * w.dilation_h, x = columns.start + s * w.dilation_w;
          visit(to, (Count{y} * in.w + x) * in.c, r * w.kernel_w + s, count);
        }
      }
    }
  }
}

// 2x2 windows side by side over an input that they cover: by far the most frequent pooling, and with few channels most
// of the time would go into finding the taps.
bool is_two_by_two(const nets::Window& w, const nets::Shape& in, const nets::Shape& out) {
  return w.kernel_h == 2 && w.kernel_w == 2 && w.stride_h == 2 && w.stride_w == 2 && w.dilation_h == 1 &&
         w.dilation_w == 1 && w.padding == nets::Padding{} && in.h == 2 * out.h && in.w == 2 * out.w;
}

// One row of outputs [q, c] from two rows of inputs.
GUARDBIT_CLONES void max_two_by_two(Count columns, Count c, const float* top, const float* bottom, float* y,
                                    std::int32_t* index) {
  for (Count q = 0; q < columns; ++q, top += 2 * c, bottom += 2 * c, y += c, index += c) {
    for (Count i = 0; i < c; ++i) {
      const float x0 = top[i], x1 = top[c + i], x2 = bottom[i], x3 = bottom[c + i];
      const float upper = x1 > x0 ? x1 : x0, lower = x3 > x2 ? x3 : x2;
      const std::int32_t right = x1 > x0, lower_right = x3 > x2, below = lower > upper;
      y[i] = lower > upper ? lower : upper;
      index[i] = right + below * (2 + lower_right - right);  // no branches: they would be taken at random
    }
  }
}
GUARDBIT_CLONES void max_two_by_two_backward(Count columns, Count c, const float* dy, const std::int32_t* index,
                                             float* top, float* bottom) {
  for (Count q = 0; q < columns; ++q, top += 2 * c, bottom += 2 * c, dy += c, index += c) {
    for (Count i = 0; i < c; ++i) {
      const auto bits = std::bit_cast<std::int32_t>(dy[i]);
      const std::int32_t place = index[i];
      top[i] = std::bit_cast<float>(bits & -static_cast<std::int32_t>(place == 0));
      top[c + i] = std::bit_cast<float>(bits & -static_cast<std::int32_t>(place == 1));
      bottom[i] = std::bit_cast<float>(bits & -static_cast<std::int32_t>(place == 2));
      bottom[c + i] = std::bit_cast<float>(bits & -static_cast<std::int32_t>(place == 3));
    }
  }
}

}  // namespace

void max_pool(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* x, float* y,
              std::int32_t* index) {
  if (is_two_by_two(window, in, out)) {
    const Count from = Count{2} * in.w * in.c, to = Count{1} * out.w * out.c;
    for (int p = 0; p < out.h; ++p)
      max_two_by_two(out.w, out.c, x + p * from, x + p * from + from / 2, y + p * to, index + p * to);
    return;
  }
  Count started = -1;
  for_each_tap(window, in, out, [&](Count to, Count from, int place, int) {
    if (started != to) {
      std::copy_n(x + from, out.c, y + to);
      std::fill_n(index + to, out.c, place);
      started = to;
    } else {
      take_larger(out.c, place, x + from, y + to, index + to);
    }
  });
}

void max_pool_backward(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* dy,
                       const std::int32_t* index, float* dx) {
  if (is_two_by_two(window, in, out)) {
    const Count to = Count{2} * in.w * in.c, from = Count{1} * out.w * out.c;
    for (int p = 0; p < out.h; ++p)
      max_two_by_two_backward(out.w, out.c, dy + p * from, index + p * from, dx + p * to, dx + p * to + to / 2);
    return;
  }
  std::fill_n(dx, in.count(), 0.0F);
  for_each_tap(window, in, out, [&](Count to, Count from, int place, int) {
    give_back(out.c, place, dy + to, index + to, dx + from);
  });
}

void average_pool(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* x,
                  float* y) {
  std::fill_n(y, out.count(), 0.0F);
  for_each_tap(window, in, out, [&](Count to, Count from, int, int count) {
    accumulate_scaled(out.c, 1.0F / static_cast<float>(count), x + from, y + to);
  });
}

void average_pool_backward(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* dy,
                           float* dx) {
  std::fill_n(dx, in.count(), 0.0F);
  for_each_tap(window, in, out, [&](Count to, Count from, int, int count) {
    accumulate_scaled(out.c, 1.0F / static_cast<float>(count), dy + to, dx + from);
  });
}

}  // namespace guardbit::trainer::kernels
