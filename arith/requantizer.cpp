// Requantizing of blocks: rows of 64-bit values where that is proven exact, else one value at a time.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "arith/detail/stage_program.hpp"
#include "arith/error.hpp"

namespace guardbit::arith {
namespace {

constexpr std::int64_t kChunk = 256;  // values per pass: 2 KiB, which stays in the first-level cache

std::int32_t code_of(std::int64_t value, std::int64_t channel) {
  if (value < INT32_MIN || value > INT32_MAX) {
    throw Error("requantize: a result in channel " + std::to_string(channel) +
                " needs more than 32 bits; end the stages with a narrowing");
  }
  return static_cast<std::int32_t>(value);
}

}  // namespace

Requantizer::Requantizer(StageList stages, std::int64_t channels)
    : stages_(std::move(stages)), channels_(channels) {
  auto program = detail::compile_stages(stages_, channels);
  if (program) {
    program_ = std::make_shared<const detail::StageProgram>(std::move(*program));
  }
}

void Requantizer::apply(const std::int64_t* in, std::int64_t in_stride, std::int32_t* out, std::int64_t out_stride,
                        std::int64_t rows, std::int64_t first_channel, std::int64_t cols, StageCounts& counts) const {
  if (first_channel < 0 || cols > channels_ - first_channel) {
    std::abort();  // a caller's bug
  }
  static const detail::Isa isa = detail::best_isa();
  counts.changed.resize(stages_.size());
  std::int64_t values[kChunk];
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t begin = 0; begin < cols; begin += kChunk) {
      const std::int64_t size = std::min(kChunk, cols - begin);
      const std::int64_t channel = first_channel + begin;
      const std::int64_t* from = in + r * in_stride + begin;
      std::int32_t* to = out + r * out_stride + begin;
      const auto [low, high] = std::minmax_element(from, from + size);
      if (program_ == nullptr || *low < program_->input_low || *high > program_->input_high) {
        for (std::int64_t i = 0; i < size; ++i) {
          to[i] = code_of(apply_stages(stages_, from[i], channel + i, counts), channel + i);
        }
        continue;
      }
      std::copy_n(from, size, values);
      detail::run_program(*program_, values, channel, size, counts.changed.data(), isa);
      counts.total += static_cast<std::uint64_t>(size);
      for (std::int64_t i = 0; i < size; ++i) {
        to[i] = code_of(values[i], channel + i);
      }
    }
  }
}

}  // namespace guardbit::arith
