// Pooling with channels innermost; threads over output rows of all images.
#include <algorithm>

#include "arith/parallel.hpp"
#include "nets/engines/fast_ops.hpp"

namespace guardbit::nets::fast {
namespace {

// Calls visit(elements of C channels) for each valid tap of output (p, q) of one image.
template <class Visit>
void for_taps(const Window& window, const Shape& in, const std::int32_t* image, int p, int q, const Visit& visit) {
  for (int r = 0; r < window.kernel_h; ++r) {
    const int y = p * window.stride_h - window.padding.top + r * window.dilation_h;
    if (y < 0 || y >= in.h) continue;
    for (int s = 0; s < window.kernel_w; ++s) {
      const int x = q * window.stride_w - window.padding.left + s * window.dilation_w;
      if (x >= 0 && x < in.w) visit(image + (std::ptrdiff_t{y} * in.w + x) * in.c);
    }
  }
}

// Calls body(part, image index, p) over all output rows.
template <class Body>
int for_output_rows(const Context& context, const Body& body) {
  const std::int64_t rows_per_image = context.layer.shape.h;
  const std::int64_t rows = context.input().shape[0] * rows_per_image;
  const int parts = arith::part_count(context.options.threads, rows);
  arith::parallel_parts(parts, rows, [&](int part, std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      body(part, row / rows_per_image, static_cast<int>(row % rows_per_image));
    }
  });
  return parts;
}

}  // namespace

void max_pool(const Context& context, LayerResult& result) {
  const Shape in = context.network.layer(context.layer.inputs[0]).shape;
  const Shape out = context.layer.shape;
  for_output_rows(context, [&](int, std::int64_t n, int p) {
    const std::int32_t* image = context.input().data.data() + n * in.count();
    std::int32_t* row = result.codes.data.data() + n * out.count() + std::ptrdiff_t{p} * out.w * out.c;
    for (int q = 0; q < out.w; ++q, row += out.c) {
      std::fill_n(row, out.c, INT32_MIN);
      for_taps(context.layer.window, in, image, p, q, [&](const std::int32_t* tap) {
        for (int c = 0; c < out.c; ++c) row[c] = std::max(row[c], tap[c]);
      });
    }
  });
}

void average_pool(const Context& context, LayerResult& result) {
  const Shape in = context.network.layer(context.layer.inputs[0]).shape;
  const Shape out = context.layer.shape;
  const arith::Requantizer requantizer(context.layer.stages, out.c);
  std::vector<arith::StageCounts> counts(static_cast<std::size_t>(std::max(context.options.threads, 1)));
  const int parts = for_output_rows(context, [&](int part, std::int64_t n, int p) {
    const std::int32_t* image = context.input().data.data() + n * in.count();
    std::vector<std::int64_t> means(static_cast<std::size_t>(out.w) * static_cast<std::size_t>(out.c), 0);
    for (int q = 0; q < out.w; ++q) {
      std::int64_t* sum = means.data() + std::ptrdiff_t{q} * out.c;
      std::int64_t taps = 0;
      for_taps(context.layer.window, in, image, p, q, [&](const std::int32_t* tap) {
        for (int c = 0; c < out.c; ++c) sum[c] += tap[c];
        ++taps;
      });
      const std::int64_t half = taps / 2;
      for (int c = 0; c < out.c; ++c) sum[c] = (sum[c] >= 0 ? sum[c] + half : sum[c] - half) / taps;
    }
    std::int32_t* row = result.codes.data.data() + n * out.count() + std::ptrdiff_t{p} * out.w * out.c;
    requantizer.apply(means.data(), out.c, row, out.c, out.w, 0, out.c, counts[static_cast<std::size_t>(part)]);
  });
  for (int part = 0; part < parts; ++part) result.stages.merge(counts[static_cast<std::size_t>(part)]);
}

}  // namespace guardbit::nets::fast
