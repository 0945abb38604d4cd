// Softmax by table, one position at a time, as nets/quantize/softmax_table.hpp defines it.
#include <algorithm>

#include "nets/engines/reference_ops.hpp"

namespace guardbit::nets::reference {
namespace {

// The scale of a softmax's results is 2^-F.
int fraction_bits(const IntegerLayer& layer) {
  int bits = 0;
  for (double scale = layer.output.scale; scale < 1; scale *= 2) ++bits;
  return bits;
}

}  // namespace

void softmax(const Context& context, LayerResult& result) {
  const IntTensor& in = context.input();
  const std::vector<std::int32_t>& table = context.layer.exponentials;
  const std::int64_t unit = std::int64_t{1} << (40 - fraction_bits(context.layer));
  const auto limit = static_cast<std::int64_t>(context.layer.output.format.max_code());
  std::size_t element = 0;
  for (std::int64_t n = 0; n < in.shape[0]; ++n) {
    for (std::int64_t h = 0; h < in.shape[1]; ++h) {
      for (std::int64_t w = 0; w < in.shape[2]; ++w) {
        std::int64_t largest = INT32_MIN;
        for (std::int64_t c = 0; c < in.shape[3]; ++c) largest = std::max<std::int64_t>(largest, at(in, n, h, w, c));
        const auto exponential = [&](std::int64_t c) -> std::int64_t {
          return table.at(static_cast<std::size_t>(largest - at(in, n, h, w, c)));
        };
        std::int64_t sum = 0;
        for (std::int64_t c = 0; c < in.shape[3]; ++c) sum += exponential(c);
        const std::int64_t reciprocal = (std::int64_t{1} << 40) / sum;
        for (std::int64_t c = 0; c < in.shape[3]; ++c) {
          const std::int64_t share = (exponential(c) * reciprocal + unit / 2) / unit;
          result.codes.data[element++] =
              static_cast<std::int32_t>(std::min(share + context.layer.output.zero_point, limit));
        }
      }
    }
  }
}

}  // namespace guardbit::nets::reference
