// Bodies of integer layers on codes: what IntegerNetwork (nets/quantize/integer_network.hpp) defines, one element each.
// Stages are computed in 128 bits with the very functions of arith.
#pragma once

#include <cstring>

#include "arith/overflow.hpp"
#include "arith/round.hpp"
#include "arith/scale_float.hpp"
#include "trainer/cuda/bodies_pool.hpp"

namespace guardbit::trainer::cuda {

/// A code in device memory: signed ones have at most 16 bits, unsigned ones 15.
using Code = std::int16_t;

/// One stage of arith/stages.hpp as numbers.
struct DeviceStage {
  enum class Kind : unsigned char { Add, Subtract, ShiftLeft, Multiply, ShiftRight, Narrow, Clamp, Scale };
  Kind kind = Kind::Add;
  bool narrows = false;                    // Multiply: to `format`
  bool has_low = false, has_high = false;  // Clamp
  arith::Rounding rounding = arith::Rounding::RND_INF;
  arith::Format format;
  std::int64_t low = 0, high = 0;
  std::int32_t first = 0, stride = 0;  // its parameter for channel c: number first + stride * c
};

[[nodiscard]] GUARDBIT_HD inline arith::int128 apply_stage(const DeviceStage& s, std::int64_t number,
                                                           arith::int128 v) {
  using arith::int128;
  switch (s.kind) {
    case DeviceStage::Kind::Add: return v + number;
    case DeviceStage::Kind::Subtract: return v - number;
    case DeviceStage::Kind::ShiftLeft:
      return arith::round_shift(v, -static_cast<int>(number), arith::Rounding::TRN).value;
    case DeviceStage::Kind::Multiply: return s.narrows ? arith::fit(v * number, s.format).value : v * number;
    case DeviceStage::Kind::ShiftRight: return arith::round_shift(v, static_cast<int>(number), s.rounding).value;
    case DeviceStage::Kind::Narrow: return arith::fit(v, s.format).value;
    case DeviceStage::Kind::Clamp: {
      const int128 raised = s.has_low && v < s.low ? int128{s.low} : v;
      return s.has_high && raised > s.high ? int128{s.high} : raised;
    }
    case DeviceStage::Kind::Scale: {
      const auto bits = static_cast<std::uint32_t>(number);
      float scale = 0;
      std::memcpy(&scale, &bits, sizeof scale);
      return arith::scale_binary32(v, scale);
    }
  }
  return v;
}

/// A list of stages in device memory. An empty one changes nothing.
struct StageProgram {
  const DeviceStage* stages = nullptr;
  int count = 0;
  const std::int64_t* numbers = nullptr;
  [[nodiscard]] GUARDBIT_HD std::int64_t operator()(std::int64_t value, Index channel) const {
    arith::int128 v = value;
    for (int i = 0; i < count; ++i) {
      const DeviceStage& s = stages[i];
      v = apply_stage(s, numbers[s.first + s.stride * static_cast<int>(channel)], v);
    }
    return static_cast<std::int64_t>(v);
  }
};

/// In: accumulators, or codes.
template <class In>
struct ApplyStages {
  StageProgram stages;
  Divider by_channel;
  const In* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    y[i] = static_cast<Code>(stages(x[i], by_channel.remainder(static_cast<Index>(i))));
  }
};

/// One input of an addition.
struct AddCodes {
  StageProgram stages;
  Divider by_channel;
  bool first;  // of the sum
  const Code* x;
  std::int64_t* sum;
  GUARDBIT_HD void operator()(Count i) const {
    const std::int64_t value = stages(x[i], by_channel.remainder(static_cast<Index>(i)));
    sum[i] = first ? value : sum[i] + value;
  }
};

/// One input [pixels, C] of a concatenation, to channels first .. first + C - 1 of `width`.
struct ConcatCodes {
  StageProgram stages;
  Divider by_channel;
  Count first, width;
  const Code* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    auto pixel = static_cast<Index>(i);
    const Index c = by_channel.take(pixel);
    y[pixel * width + first + c] = static_cast<Code>(stages(x[i], c));
  }
};

struct MaxPoolCodes {
  PoolWindow w;
  Unflatten position;  // of y
  const Code* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto p = static_cast<int>(at.y), q = static_cast<int>(at.x);
    const int top = w.rows.first_tap(p), left = w.columns.first_tap(q);
    Code best = INT16_MIN;
    for (int r = top; r < top + w.rows.taps(p); ++r)
      for (int s = left; s < left + w.columns.taps(q); ++s) {
        const Code code = x[w.in_at(at.n, w.rows.input(p, r), w.columns.input(q, s), at.c)];
        best = code > best ? code : best;
      }
    y[i] = best;
  }
};

/// The mean over the valid part of the window, ties away from zero; then stages.
struct AveragePoolCodes {
  PoolWindow w;
  Unflatten position;  // of y
  StageProgram stages;
  const Code* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto p = static_cast<int>(at.y), q = static_cast<int>(at.x);
    const int top = w.rows.first_tap(p), left = w.columns.first_tap(q);
    const int height = w.rows.taps(p), width = w.columns.taps(q);
    std::int64_t sum = 0;
    for (int r = top; r < top + height; ++r)
      for (int s = left; s < left + width; ++s)
        sum += x[w.in_at(at.n, w.rows.input(p, r), w.columns.input(q, s), at.c)];
    const std::int64_t taps = std::int64_t{height} * width, half = taps / 2;
    y[i] = static_cast<Code>(stages((sum >= 0 ? sum + half : sum - half) / taps, at.c));
  }
};

/// The input at an offset, `outside` around it.
struct PadCodes {
  nets::Shape in;
  int top, left, before;
  Unflatten position;  // of y
  Code outside;
  const Code* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const int row = static_cast<int>(at.y) - top, column = static_cast<int>(at.x) - left;
    const int c = static_cast<int>(at.c) - before;
    const bool inside = row >= 0 && row < in.h && column >= 0 && column < in.w && c >= 0 && c < in.c;
    y[i] = inside ? x[((Count{at.n} * in.h + row) * in.w + column) * in.c + c] : outside;
  }
};

/// y = scale * (code - zero point).
struct DequantizeCodes {
  double scale;
  std::int32_t zero_point;
  const Code* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = static_cast<float>(scale * (x[i] - zero_point)); }
};

/// y = accumulator * scale of the channel.
struct ScaleAccumulators {
  Divider by_channel;
  const double* scales;  // [C]
  const std::int64_t* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Index c = by_channel.remainder(static_cast<Index>(i));
    y[i] = static_cast<float>(static_cast<double>(x[i]) * scales[c]);
  }
};

}  // namespace guardbit::trainer::cuda
