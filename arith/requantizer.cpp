// Requantizing of blocks.
#include "arith/error.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith {

Requantizer::Requantizer(StageList stages, std::int64_t channels) : stages_(std::move(stages)), channels_(channels) {}

void Requantizer::apply(const std::int64_t* in, std::int64_t in_stride, std::int32_t* out, std::int64_t out_stride,
                        std::int64_t rows, std::int64_t first_channel, std::int64_t cols, StageCounts& counts) const {
  counts.changed.resize(stages_.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t code = apply_stages(stages_, in[r * in_stride + c], first_channel + c, counts);
      if (code < INT32_MIN || code > INT32_MAX) {
        throw Error("requantize: a result in channel " + std::to_string(first_channel + c) +
                    " needs more than 32 bits; end the stages with a narrowing");
      }
      out[r * out_stride + c] = static_cast<std::int32_t>(code);
    }
  }
}

}  // namespace guardbit::arith
