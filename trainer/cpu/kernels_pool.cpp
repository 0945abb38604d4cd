// Pooling loops, channels innermost.
#include <algorithm>

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

}  // namespace

void max_pool(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* x, float* y,
              std::int32_t* index) {
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
