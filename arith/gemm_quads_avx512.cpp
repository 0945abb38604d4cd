// Matrix products for AVX-512 with VNNI: plain and watched products of quads.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

// sum += the four products of every lane. As an instruction and not as its intrinsic, which GCC 12 surrounds with
// copies of registers where the sums are looked at between loops: a tenth of the time.
[[gnu::always_inline]] inline void add_products(__m512i& sum, __m512i bytes, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
}

// Sums of kRows rows in kHalves x 16 columns.
template <int kRows, int kHalves>
struct Tile {
  __m512i acc[kRows][kHalves];

  [[gnu::always_inline]] void start(const std::int32_t* from) {
    for (int h = 0; h < kHalves; ++h) {
      const __m512i value = load(from + h * kHalf);
      for (int r = 0; r < kRows; ++r) acc[r][h] = value;
    }
  }

  // acc += dot of quads first .. last - 1
  [[gnu::always_inline]] void add(const PanelBlock& in, const std::uint8_t* lhs, std::int64_t first,
                                  std::int64_t last) {
    const std::uint8_t* left[kRows];
    for (int r = 0; r < kRows; ++r) left[r] = lhs + r * in.lhs_stride;
    const std::int8_t* right = in.rhs + first * kHalf * 4;
    const std::int64_t half_stride = in.half_stride;
    for (std::int64_t q = first; q < last; ++q, right += kHalf * 4) {
      __m512i w[kHalves];
      for (int h = 0; h < kHalves; ++h) w[h] = load(right + h * half_stride);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512i x = broadcast(left[r] + q * 4);
        for (int h = 0; h < kHalves; ++h) add_products(acc[r][h], x, w[h]);
      }
    }
  }

  [[gnu::always_inline]] void write(std::int32_t* out, std::int64_t stride, __mmask16 used) const {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      if (kHalves == 2) store(out + r * stride, acc[r][0]);
      _mm512_mask_storeu_epi32(out + r * stride + (kHalves - 1) * kHalf, used, acc[r][kHalves - 1]);
    }
  }
};

// Columns (of the halves) in which sums may leave [low, high]; the tile's sums are complete afterwards.
template <int kRows, int kHalves>
[[gnu::always_inline]] inline std::uint32_t watch(const PanelBlock& in, const WatchBlock& watch,
                                                  const std::uint8_t* lhs, const float* left,
                                                  Tile<kRows, kHalves>& tile) {
  const __m512i low = _mm512_set1_epi32(watch.low);
  const __m512i high = _mm512_set1_epi32(watch.high);
  const __m512 most = _mm512_set1_ps(kMostMove);
  __m512i least_before[kHalves], most_before[kHalves];
  for (int h = 0; h < kHalves; ++h) least_before[h] = most_before[h] = load(watch.value + h * kHalf);
  std::uint32_t failing = 0;
  for (int s = 0; s < watch.segments; ++s) {
    const std::int64_t first = s * watch.segment_quads;
    tile.add(in, lhs, first, s + 1 == watch.segments ? in.quads : first + watch.segment_quads);
    for (int h = 0; h < kHalves; ++h) {
      __m512i least = tile.acc[0][h];
      __m512i largest = tile.acc[0][h];
      for (int r = 1; r < kRows; ++r) {
        least = _mm512_min_epi32(least, tile.acc[r][h]);
        largest = _mm512_max_epi32(largest, tile.acc[r][h]);
      }
      const int at = s * kNr + h * kHalf;
      if (watch.correction != nullptr) {
        least = _mm512_add_epi32(least, load(watch.correction + at));
        largest = _mm512_add_epi32(largest, load(watch.correction + at));
      }
      const __m512 bound =
          _mm512_min_ps(_mm512_mul_ps(_mm512_set1_ps(left[s]), _mm512_loadu_ps(watch.right + at)), most);
      const __m512i move = _mm512_add_epi32(_mm512_cvttps_epi32(bound), _mm512_set1_epi32(1));
      const __mmask16 over =
          _mm512_cmpgt_epi32_mask(_mm512_max_epi32(largest, most_before[h]), _mm512_sub_epi32(high, move)) |
          _mm512_cmplt_epi32_mask(_mm512_min_epi32(least, least_before[h]), _mm512_add_epi32(low, move));
      failing |= static_cast<std::uint32_t>(over) << (h * kHalf);
      least_before[h] = least;
      most_before[h] = largest;
    }
  }
  return failing;
}

template <int kRows, int kHalves, bool kWatch>
void tile_of(const PanelBlock& in, const WatchBlock* watched, const std::uint8_t* lhs, std::int64_t index,
             std::int32_t* out) {
  const int last = in.cols - (kHalves - 1) * kHalf;  // columns of the last half
  const auto used = static_cast<__mmask16>((1U << last) - 1);
  Tile<kRows, kHalves> tile;
  tile.start(in.start);
  if constexpr (kWatch) {
    watched->failing[index] = watch(in, *watched, lhs, watched->left + index * watched->segments, tile);
  } else {
    tile.add(in, lhs, 0, in.quads);
  }
  tile.write(out, in.out_stride, used);
}

template <int kHalves, bool kWatch>
void panel_of(const PanelBlock& in, const WatchBlock* watched) {
  using TileFunction = void (*)(const PanelBlock&, const WatchBlock*, const std::uint8_t*, std::int64_t, std::int32_t*);
  static constexpr TileFunction kTails[] = {
      nullptr,
      tile_of<1, kHalves, kWatch>,
      tile_of<2, kHalves, kWatch>,
      tile_of<3, kHalves, kWatch>,
      tile_of<4, kHalves, kWatch>,
      tile_of<5, kHalves, kWatch>,
      tile_of<6, kHalves, kWatch>,
      tile_of<7, kHalves, kWatch>,
  };
  static_assert(kMr == 8);
  const std::int64_t tiles = in.rows / kMr;
  const std::uint8_t* lhs = in.lhs;
  std::int32_t* out = in.out;
  for (std::int64_t t = 0; t < tiles; ++t, lhs += kMr * in.lhs_stride, out += kMr * in.out_stride) {
    tile_of<kMr, kHalves, kWatch>(in, watched, lhs, t, out);
  }
  if (in.rows % kMr != 0) kTails[in.rows % kMr](in, watched, lhs, tiles, out);
}

}  // namespace

void panel(const PanelBlock& in) { in.halves == 1 ? panel_of<1, false>(in, nullptr) : panel_of<2, false>(in, nullptr); }

void watched_panel(const PanelBlock& in, const WatchBlock& watched) {
  in.halves == 1 ? panel_of<1, true>(in, &watched) : panel_of<2, true>(in, &watched);
}

}  // namespace guardbit::arith::detail::avx512
