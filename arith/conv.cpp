// Convolution as products of patches, gathered a few rows at a time.
#include "arith/conv.hpp"

#include <string>

#include "arith/detail/gemm_multiply.hpp"
#include "arith/detail/patch_source.hpp"
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
          multiply(detail::PatchSource<std::uint8_t>(input, geometry, g, rows.first + first));
          break;
        case GemmLhs::Type::S8:
          multiply(detail::PatchSource<std::int8_t>(input, geometry, g, rows.first + first));
          break;
        case GemmLhs::Type::S16:
          multiply(detail::PatchSource<std::int16_t>(input, geometry, g, rows.first + first));
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
