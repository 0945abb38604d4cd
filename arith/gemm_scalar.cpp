// The inner loops of gemm.hpp in plain C++: what every other instruction set must equal, and runs anywhere.
#include <algorithm>

#include "arith/detail/gemm_kernels.hpp"
#include "arith/detail/gemm_plain.hpp"

namespace guardbit::arith::detail {
namespace {

std::int32_t add(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}

std::int32_t dot_pair(std::uint32_t left, std::uint32_t right) {
  const auto low = [](std::uint32_t v) { return std::int32_t{static_cast<std::int16_t>(v & 0xFFFF)}; };
  const auto high = [](std::uint32_t v) { return std::int32_t{static_cast<std::int16_t>(v >> 16)}; };
  return add(low(left) * low(right), high(left) * high(right));
}

void add_quads(const QuadBlock& in) {
  for (int r = 0; r < in.rows; ++r) {
    for (int h = 0; h < in.halves; ++h) {
      std::int32_t* acc = in.acc + r * kNr + h * kHalf;
      for (std::int64_t q = 0; q < in.quads; ++q) {
        const std::uint8_t* left = in.lhs + r * in.lhs_stride + q * 4;
        const std::int8_t* right = in.rhs + h * in.half_stride + q * kHalf * 4;
        for (int c = 0; c < kHalf; ++c) {
          for (int i = 0; i < 4; ++i) acc[c] = add(acc[c], left[i] * right[c * 4 + i]);
        }
      }
    }
  }
}

// One narrowing of `value` + `sum`.
struct Fitter {
  const PairBlock& in;
  LaneFit fit;
  void operator()(std::int32_t& value, std::int32_t sum, std::int32_t& count) const {
    const std::int32_t wide = add(value, sum);
    const auto shifted = [&](std::int32_t v) {
      return static_cast<std::uint32_t>(v) - static_cast<std::uint32_t>(in.low);
    };
    switch (fit) {
      case LaneFit::Clamp:
        value = std::clamp(wide, in.low, in.high);
        break;
      case LaneFit::Wrap:
        value = static_cast<std::int32_t>((shifted(wide) & in.mask) + static_cast<std::uint32_t>(in.low));
        break;
      case LaneFit::Toggle:
        count += static_cast<std::int32_t>(((shifted(wide) ^ shifted(value)) >> in.width) & 1);
        value = wide;
        return;
    }
    count += value != wide ? 1 : 0;
  }
};

void lanes32(const PairBlock& in, LaneFit fit) {
  const Fitter narrow{in, fit};
  for (int r = 0; r < in.rows; ++r) {
    const std::uint32_t* left = in.lhs[r];
    for (int c = 0; c < kNr; ++c) {
      std::int32_t& value = in.acc[r * kNr + c];
      std::int32_t& count = in.count[r * kNr + c];
      if (in.group == 0) {
        for (int i = 0; i < in.groups; ++i) narrow(value, dot_pair(left[i], in.rhs[i / 2 * kNr + c]), count);
        continue;
      }
      for (int p = 0; p < in.pairs;) {
        const int end = std::min(p + in.group, in.pairs);
        std::int32_t sum = 0;
        for (; p < end; ++p) sum = add(sum, dot_pair(left[p], in.rhs[p * kNr + c]));
        narrow(value, sum, count);
      }
    }
  }
}

void ranges(const PairBlock& in, std::int32_t* least, std::int32_t* most) {
  for (int r = 0; r < in.rows; ++r) {
    for (int c = 0; c < kNr; ++c) {
      const int at = r * kNr + c;
      const bool single = in.group == 0;
      const int words = single ? in.groups : in.pairs;
      for (int i = 0; i < words;) {
        const int end = single ? i + 1 : std::min(i + in.group, words);
        for (; i < end; ++i) in.acc[at] = add(in.acc[at], dot_pair(in.lhs[r][i], in.rhs[(single ? i / 2 : i) * kNr + c]));
        least[at] = std::min(least[at], in.acc[at]);
        most[at] = std::max(most[at], in.acc[at]);
      }
    }
  }
}

void lanes16(const SingleBlock& in) {
  for (int r = 0; r < in.rows; ++r) {
    const auto* left = static_cast<const std::uint32_t*>(in.lhs[r]);
    for (int c = 0; c < kNr; ++c) {
      std::int32_t value = in.acc[r * kNr + c];
      for (int k = 0; k < in.depth;) {
        const int end = std::min(k + in.step, in.depth);
        for (; k < end; ++k) value += static_cast<std::int16_t>(left[k / 2] >> k % 2 * 16 & 0xFFFF) * in.rhs[k * kNr + c];
        const std::int32_t fitted = in.overflow == Overflow::WRAP ? static_cast<std::int16_t>(value & 0xFFFF)
                                    : std::clamp(value, in.overflow == Overflow::SAT ? -32768 : -32767, 32767);
        in.count[r * kNr + c] += fitted != value ? 1 : 0;
        in.loss[r * kNr + c] = add(in.loss[r * kNr + c], value - fitted);
        value = fitted;
      }
      in.acc[r * kNr + c] = value;
    }
  }
}

void byte_range(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                int* max) {
  *min = 255;
  *max = 0;
  for (std::int64_t r = 0; r < rows; ++r, lhs += lhs_stride) {
    for (std::int64_t k = 0; k < count; ++k) {
      *min = std::min(*min, int{lhs[k]});
      *max = std::max(*max, int{lhs[k]});
    }
  }
}

void expand(const std::int8_t* from, std::int64_t half_stride, int quads, RightForm form, std::int16_t* to) {
  const bool singles = form == RightForm::Singles;
  for (int k = 0; k < quads * 4; ++k) {
    for (int c = 0; c < kNr; ++c) {
      const std::int8_t weight = from[c / kHalf * half_stride + (k / 4 * kHalf + c % kHalf) * 4 + k % 4];
      to[singles ? k * kNr + c : (k / 2 * kNr + c) * 2 + k % 2] = weight;
    }
  }
}

}  // namespace

const GemmKernels& gemm_kernels_scalar() {
  static constexpr GemmKernels kTable{plain_panel<add_quads>,
                                      plain_watched_panel<add_quads>,
                                      plain_squares<GemmIsa::Scalar>,
                                      lanes32,
                                      lanes16,
                                      nullptr,
                                      plain_lost_rows<GemmIsa::Scalar>,
                                      ranges,
                                      plain_left<GemmIsa::Scalar>,
                                      expand,
                                      plain_turn<GemmIsa::Scalar>,
                                      byte_range};
  return kTable;
}

}  // namespace guardbit::arith::detail
