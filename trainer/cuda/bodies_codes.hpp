// Bodies of exact integer convolution. Codes and weights are packed into words of 32 bits along the channels of a
// group, four 8-bit or two 16-bit codes each; what fills up the last word has weight 0.
#pragma once

#include "trainer/cuda/device_code.hpp"
#include "trainer/cuda/integer_conv.hpp"

namespace guardbit::trainer::cuda {

using Word = std::uint32_t;

/// How a code type is packed. Unsigned codes are moved down by 128, and so is their zero point.
template <CodeType type>
struct Packing {
  using Code = std::int8_t;
  using Weight = std::int8_t;
  static constexpr int kPerWord = 4;
};
template <>
struct Packing<CodeType::U8> {
  using Code = std::uint8_t;
  using Weight = std::int8_t;
  static constexpr int kPerWord = 4;
};
template <>
struct Packing<CodeType::S16> {
  using Code = std::int16_t;
  using Weight = std::int16_t;
  static constexpr int kPerWord = 2;
};
[[nodiscard]] constexpr int moved_down(CodeType type) { return type == CodeType::U8 ? 128 : 0; }

/// Code j of a word.
template <CodeType type>
[[nodiscard]] GUARDBIT_HD inline Word placed(int code, int j) {
  constexpr int kBits = 32 / Packing<type>::kPerWord;
  return (static_cast<Word>(code) & ((Word{1} << kBits) - 1)) << (kBits * j);
}

/// The sum of the products of two words of signed codes.
[[nodiscard]] GUARDBIT_HD inline std::int32_t dot_bytes(Word a, Word b, std::int32_t sum) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), sum);
#else
  for (int shift = 0; shift < 32; shift += 8)
    sum += static_cast<std::int8_t>(a >> shift) * static_cast<std::int8_t>(b >> shift);
  return sum;
#endif
}
[[nodiscard]] GUARDBIT_HD inline std::int64_t dot_halves(Word a, Word b, std::int64_t sum) {
  sum += std::int32_t{static_cast<std::int16_t>(a)} * static_cast<std::int16_t>(b);  // at most 2^30
  return sum + std::int32_t{static_cast<std::int16_t>(a >> 16)} * static_cast<std::int16_t>(b >> 16);
}

/// words [pixels, groups, words]: the codes of a pixel. Stored: what the codes lie in memory as.
template <CodeType type, class Stored>
struct PackCodes {
  int channels, group_c;
  Divider by_word, by_group;
  const Stored* x;
  Word* words;
  GUARDBIT_HD void operator()(Count i) const {
    auto pixel = static_cast<Index>(i);
    const auto word = static_cast<int>(by_word.take(pixel)), group = static_cast<int>(by_group.take(pixel));
    Word packed = 0;
    for (int j = 0; j < Packing<type>::kPerWord; ++j) {
      const int c = word * Packing<type>::kPerWord + j;
      if (c < group_c) packed |= placed<type>(x[Count{pixel} * channels + group * group_c + c] - moved_down(type), j);
    }
    words[i] = packed;
  }
};

/// words [taps, words, K]: neighbouring threads read neighbouring filters.
template <CodeType type, class Stored>
struct PackFilters {
  int taps, group_c;
  Divider by_k, by_word;
  const Stored* weight;  // [K, taps, group_c]
  Word* words;
  GUARDBIT_HD void operator()(Count i) const {
    auto tap = static_cast<Index>(i);
    const auto k = static_cast<int>(by_k.take(tap)), word = static_cast<int>(by_word.take(tap));
    Word packed = 0;
    for (int j = 0; j < Packing<type>::kPerWord; ++j) {
      const int c = word * Packing<type>::kPerWord + j;
      if (c < group_c) packed |= placed<type>(weight[(Count{k} * taps + tap) * group_c + c], j);
    }
    words[i] = packed;
  }
};

/// base[k] = initial[k] - zero_point * (sum of filter k).
template <class Weight>
struct FilterBase {
  Count depth;
  std::int64_t zero_point;
  const Weight* weight;
  const std::int64_t* initial;  // may be null
  std::int64_t* base;
  GUARDBIT_HD void operator()(Count k) const {
    std::int64_t sum = 0;
    for (Count i = 0; i < depth; ++i) sum += weight[k * depth + i];
    base[k] = (initial == nullptr ? 0 : initial[k]) - zero_point * sum;
  }
};

/// Body (m, k): output pixels 4 m to 4 m + 3 of filter k.
template <CodeType type>
struct ConvCodes {
  static constexpr int kPixels = 4;
  Axis rows, columns;
  int groups, group_k, words;
  Count pixels;  // n P Q
  Divider by_k, by_q, by_p;
  Word outside;       // the zero point in every place
  const Word* x;      // [n, H, W, groups, words]
  const Word* weight;  // [R, S, words, K]
  const std::int64_t* base;
  std::int64_t* out;

  GUARDBIT_HD void operator()(Count i) const {
    auto block = static_cast<Index>(i);
    const auto k = static_cast<int>(by_k.take(block));
    const int filters = groups * group_k;
    int p[kPixels], q[kPixels];
    Count image[kPixels];
    std::int64_t sum[kPixels];
    for (int j = 0; j < kPixels; ++j) {
      auto rest = static_cast<Index>(Count{block} * kPixels + j < pixels ? block * kPixels + j : pixels - 1);
      q[j] = static_cast<int>(by_q.take(rest)), p[j] = static_cast<int>(by_p.take(rest));
      image[j] = rest;
      sum[j] = base[k];
    }
    const Word* filter = weight + k;
    for (int r = 0; r < rows.kernel; ++r)
      for (int s = 0; s < columns.kernel; ++s, filter += Count{words} * filters) {
        const Word* codes[kPixels];
        for (int j = 0; j < kPixels; ++j) {
          const int iy = rows.input(p[j], r), ix = columns.input(q[j], s);
          const bool inside = rows.inside(iy) && columns.inside(ix);
          const Count place = (image[j] * rows.in + iy) * columns.in + ix;
          codes[j] = inside ? x + (place * groups + k / group_k) * words : nullptr;
        }
        add_tap(codes, filter, filters, sum);
      }
    for (int j = 0; j < kPixels; ++j)
      if (Count{block} * kPixels + j < pixels) out[(Count{block} * kPixels + j) * filters + k] = sum[j];
  }

  GUARDBIT_HD void add_tap(const Word* const* codes, const Word* filter, int filters, std::int64_t* sum) const {
    std::int32_t narrow[kPixels] = {};  // one tap of 8-bit codes fits: integer_convolution.hpp
    for (int d = 0; d < words; ++d) {
      const Word w = filter[Count{d} * filters];
      for (int j = 0; j < kPixels; ++j) {
        const Word code = codes[j] == nullptr ? outside : codes[j][d];
        if constexpr (type == CodeType::S16) sum[j] = dot_halves(code, w, sum[j]);
        else narrow[j] = dot_bytes(code, w, narrow[j]);
      }
    }
    for (int j = 0; j < kPixels; ++j) sum[j] += narrow[j];
  }
};

}  // namespace guardbit::trainer::cuda
