// Patches of a convolution as rows of a matrix product, gathered when they are needed.
#pragma once

#include <algorithm>

#include "arith/conv.hpp"
#include "arith/detail/gemm_plan.hpp"

namespace guardbit::arith::detail {

// The patches of one group as rows; row 0 is output row first_row.
template <typename Code>
class PatchSource final : public RowSource {
 public:
  PatchSource(const GemmLhs& input, const ConvGeometry& geometry, int group, std::int64_t first_row)
      : g_(geometry),
        codes_(static_cast<const Code*>(input.data) + group * geometry.group_c()),
        zero_point_(input.zero_point),
        first_row_(first_row) {}

  void rows(std::int64_t first, std::int64_t count, std::uint8_t* to, std::int64_t stride) const override {
    if constexpr (sizeof(Code) == 1) codes(first, count, reinterpret_cast<Code*>(to), stride);
  }

  // The same of any type, `stride` elements apart.
  void codes(std::int64_t first, std::int64_t count, Code* to, std::int64_t stride) const {
    for_rows(first, count, [&](const Code* image, int p, int q) {
      gather(image, p, q, to);
      to += stride;
    });
  }

  void values(std::int64_t first, std::int64_t count, std::int64_t k, std::int64_t depth,
              std::int32_t* to) const override {
    for_rows(first, count, [&](const Code* image, int p, int q) {
      for (std::int64_t i = k; i < k + depth; ++i) {
        const int tap = static_cast<int>(i / g_.group_c());
        const int y = g_.input_y(p, tap / g_.s);
        const int x = g_.input_x(q, tap % g_.s);
        const bool inside = y >= 0 && y < g_.h && x >= 0 && x < g_.w;
        *to++ = inside ? image[(std::int64_t{y} * g_.w + x) * g_.c + i % g_.group_c()] - zero_point_ : 0;
      }
    });
  }

 private:
  template <class Visit>
  void for_rows(std::int64_t first, std::int64_t count, const Visit& visit) const {
    const std::int64_t row = first_row_ + first;
    const std::int64_t pixels = std::int64_t{g_.p} * g_.q;
    const std::int64_t image_size = std::int64_t{g_.h} * g_.w * g_.c;
    const Code* image = codes_ + row / pixels * image_size;
    int p = static_cast<int>(row % pixels / g_.q);
    int q = static_cast<int>(row % g_.q);
    for (; count > 0; --count) {
      visit(image, p, q);
      if (++q < g_.q) continue;
      q = 0;
      if (++p < g_.p) continue;
      p = 0;
      image += image_size;
    }
  }

  // One patch. Taps that lie one after the other in the image are copied together.
  void gather(const Code* image, int p, int q, Code* to) const {
    const auto outside = static_cast<Code>(zero_point_);
    const std::int64_t tap = g_.group_c();
    const bool dense = g_.groups == 1 && g_.dilation_w == 1;
    const int x0 = g_.input_x(q, 0);
    const int first = dense ? std::clamp(-x0, 0, g_.s) : 0;
    const int last = dense ? std::clamp(g_.w - x0, first, g_.s) : 0;
    for (int r = 0; r < g_.r; ++r, to += tap * g_.s) {
      const int y = g_.input_y(p, r);
      if (y < 0 || y >= g_.h) {
        std::fill_n(to, tap * g_.s, outside);
        continue;
      }
      const Code* line = image + std::int64_t{y} * g_.w * g_.c;
      if (dense) {
        std::fill_n(to, tap * first, outside);
        std::copy_n(line + std::int64_t{x0 + first} * g_.c, tap * (last - first), to + tap * first);
        std::fill_n(to + tap * last, tap * (g_.s - last), outside);
        continue;
      }
      for (int s = 0; s < g_.s; ++s) {
        const int x = g_.input_x(q, s);
        if (x < 0 || x >= g_.w) {
          std::fill_n(to + tap * s, tap, outside);
        } else {
          std::copy_n(line + std::int64_t{x} * g_.c, tap, to + tap * s);
        }
      }
    }
  }

  const ConvGeometry& g_;
  const Code* codes_;
  std::int32_t zero_point_;
  std::int64_t first_row_;
};

}  // namespace guardbit::arith::detail
