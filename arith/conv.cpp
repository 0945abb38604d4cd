// Convolution as products of patches, gathered a few rows at a time.
#include "arith/conv.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "arith/detail/gemm_multiply.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/error.hpp"
#include "arith/parallel.hpp"

namespace guardbit::arith {
namespace {

void check(const ConvGeometry& g) {
  if (g.groups < 1 || g.c % g.groups != 0 || g.k % g.groups != 0) {
    throw Error("conv2d: " + std::to_string(g.groups) + " groups of " + std::to_string(g.c) + " input and " +
                std::to_string(g.k) + " output channels found; a number that divides both is allowed");
  }
  detail::require(g.images >= 0 && g.h > 0 && g.w > 0 && g.c > 0 && g.p > 0 && g.q > 0 && g.k > 0 && g.r > 0 &&
                  g.s > 0);
  detail::require(g.stride_h > 0 && g.stride_w > 0 && g.dilation_h > 0 && g.dilation_w > 0);
}

// The patches of one group as rows; row 0 is output row first_row.
template <typename Code>
class PatchSource final : public detail::RowSource {
 public:
  PatchSource(const GemmLhs& input, const ConvGeometry& geometry, int group, std::int64_t first_row)
      : g_(geometry),
        codes_(static_cast<const Code*>(input.data) + group * geometry.group_c()),
        zero_point_(input.zero_point),
        first_row_(first_row) {}

  void rows(std::int64_t first, std::int64_t count, std::uint8_t* to, std::int64_t stride) const override {
    if constexpr (sizeof(Code) == 1) {
      for_rows(first, count, [&](const Code* image, int p, int q) {
        gather(image, p, q, to);
        to += stride;
      });
    }
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

  // Bytes of one patch. Taps that lie one after the other in the image are copied together.
  void gather(const Code* image, int p, int q, std::uint8_t* to) const {
    const auto outside = static_cast<std::uint8_t>(zero_point_);
    const auto tap = static_cast<std::size_t>(g_.group_c());
    const bool dense = g_.groups == 1 && g_.dilation_w == 1;
    const int x0 = g_.input_x(q, 0);
    const int first = dense ? std::clamp(-x0, 0, g_.s) : 0;
    const int last = dense ? std::clamp(g_.w - x0, first, g_.s) : 0;
    for (int r = 0; r < g_.r; ++r, to += tap * static_cast<std::size_t>(g_.s)) {
      const int y = g_.input_y(p, r);
      if (y < 0 || y >= g_.h) {
        std::memset(to, outside, tap * static_cast<std::size_t>(g_.s));
        continue;
      }
      const Code* line = image + std::int64_t{y} * g_.w * g_.c;
      if (dense) {
        std::memset(to, outside, tap * static_cast<std::size_t>(first));
        std::memcpy(to + tap * static_cast<std::size_t>(first), line + std::int64_t{x0 + first} * g_.c,
                    tap * static_cast<std::size_t>(last - first));
        std::memset(to + tap * static_cast<std::size_t>(last), outside, tap * static_cast<std::size_t>(g_.s - last));
        continue;
      }
      for (int s = 0; s < g_.s; ++s) {
        const int x = g_.input_x(q, s);
        std::uint8_t* here = to + tap * static_cast<std::size_t>(s);
        if (x < 0 || x >= g_.w) {
          std::memset(here, outside, tap);
        } else {
          std::memcpy(here, line + std::int64_t{x} * g_.c, tap);
        }
      }
    }
  }

  const ConvGeometry& g_;
  const Code* codes_;
  std::int32_t zero_point_;
  std::int64_t first_row_;
};

}  // namespace

PackedFilters::PackedFilters(const std::int32_t* weight, const ConvGeometry& geometry) {
  check(geometry);
  const std::int64_t depth = geometry.depth();
  const std::int64_t cols = geometry.group_k();
  std::vector<std::int32_t> turned(static_cast<std::size_t>(depth * cols));
  for (int g = 0; g < geometry.groups; ++g) {
    const std::int32_t* from = weight + g * cols * depth;
    for (std::int64_t c = 0; c < cols; ++c) {
      for (std::int64_t k = 0; k < depth; ++k) turned[static_cast<std::size_t>(k * cols + c)] = from[c * depth + k];
    }
    groups_.emplace_back(turned.data(), cols, depth, cols);
  }
}

void conv2d(const GemmLhs& input, const ConvGeometry& geometry, const PackedFilters& filters,
            std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out,
            AccumulationEvidence& evidence, const GemmOptions& options, GemmWork* work, const ConvRows& rows) {
  check(geometry);
  const std::int64_t count = rows.count < 0 ? geometry.rows() - rows.first : rows.count;
  detail::require(rows.first >= 0 && count >= 0 && rows.first + count <= geometry.rows());
  if (!initial.empty() && static_cast<std::int64_t>(initial.size()) != geometry.k) {
    throw Error("conv2d: " + std::to_string(initial.size()) + " initial values for " + std::to_string(geometry.k) +
                " channels; one per channel or none is allowed");
  }
  const auto group_k = static_cast<std::size_t>(geometry.group_k());
  // Rows first .. first + count - 1, counted from rows.first, of all groups.
  const auto groups = [&](std::int64_t first, std::int64_t here, const GemmOptions& opts, AccumulationEvidence& found,
                          GemmWork* done) {
    for (int g = 0; g < geometry.groups; ++g) {
      const std::int64_t channel = std::int64_t{g} * geometry.group_k();
      GemmOut part = out;
      const std::int64_t at = first * out.stride + channel;
      if (out.out32 != nullptr) part.out32 += at;
      if (out.out64 != nullptr) part.out64 += at;
      part.first_output += first * out.row_step + channel;
      const auto start = initial.empty() ? initial : initial.subspan(static_cast<std::size_t>(channel), group_k);
      const auto multiply = [&](const detail::RowSource& source) {
        detail::multiply(input, &source, here, filters.group(g), start, accumulation, part, found, opts, done);
      };
      switch (input.type) {
        case GemmLhs::Type::U8:
          multiply(PatchSource<std::uint8_t>(input, geometry, g, rows.first + first));
          break;
        case GemmLhs::Type::S8:
          multiply(PatchSource<std::int8_t>(input, geometry, g, rows.first + first));
          break;
        case GemmLhs::Type::S16:
          multiply(PatchSource<std::int16_t>(input, geometry, g, rows.first + first));
          break;
      }
    }
  };
  if (geometry.groups == 1 || count == 0) return groups(0, count, options, evidence, work);
  // Groups are many and small: threads share the rows.
  const int parts = part_count(options.threads, count);
  std::vector<AccumulationEvidence> found(static_cast<std::size_t>(parts));
  std::vector<GemmWork> done(static_cast<std::size_t>(parts));
  GemmOptions one = options;
  one.threads = 1;
  parallel_parts(parts, count, [&](int part, std::int64_t first, std::int64_t last) {
    const auto mine = static_cast<std::size_t>(part);
    groups(first, last - first, one, found[mine], &done[mine]);
  });
  for (std::size_t part = 0; part < found.size(); ++part) {
    evidence.merge(found[part]);
    if (work != nullptr) work->merge(done[part]);
  }
}

}  // namespace guardbit::arith
