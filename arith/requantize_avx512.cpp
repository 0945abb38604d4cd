// The fused requantize loop for AVX-512 (F, BW, DQ, VL). This file alone is compiled with those instructions.
#include <immintrin.h>

#include "arith/detail/fused_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using I = __m512i;
  using F = __m512;

  static I load(const std::int32_t* from) { return _mm512_loadu_si512(from); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static I set(std::int32_t value) { return _mm512_set1_epi32(value); }
  static I add(I a, I b) { return _mm512_add_epi32(a, b); }
  static I min(I a, I b) { return _mm512_min_epi32(a, b); }
  static I max(I a, I b) { return _mm512_max_epi32(a, b); }
  static I shift_left(I a, I bits) { return _mm512_sllv_epi32(a, bits); }
  static I shift_right(I a, I bits) { return _mm512_srav_epi32(a, bits); }
  static I add_where_negative(I x, I sign, I extra) {
    return _mm512_mask_add_epi32(x, _mm512_movepi32_mask(sign), x, extra);
  }
  static I add_where_odd(I x, I bits, I extra) {
    return _mm512_mask_add_epi32(x, _mm512_test_epi32_mask(bits, _mm512_set1_epi32(1)), x, extra);
  }
  static I magnitude(I v) { return _mm512_abs_epi32(v); }
  static I negate_where_negative(I x, I sign) {
    return _mm512_mask_sub_epi32(x, _mm512_movepi32_mask(sign), _mm512_setzero_si512(), x);
  }
  static void count_outside(I& count, I x, I low, I span) {
    const __mmask16 outside = _mm512_cmpgt_epu32_mask(_mm512_sub_epi32(x, low), span);
    count = _mm512_mask_add_epi32(count, outside, count, _mm512_set1_epi32(1));
  }

  // Lanes 0, 2, ... and 1, 3, ... in the low words of 64-bit lanes.
  static void split(I all, I& even, I& odd) {
    even = all;
    odd = _mm512_srli_epi64(all, 32);
  }
  // base * 2^32 + low_word of the even and of the odd lanes.
  static void rounding(I base, std::uint32_t low_word, I& even, I& odd) {
    const I word = _mm512_set1_epi64(static_cast<long long>(low_word));
    even = _mm512_or_si512(_mm512_slli_epi64(base, 32), word);
    odd = _mm512_or_si512(_mm512_and_si512(base, _mm512_set1_epi64(static_cast<long long>(0xFFFFFFFF00000000U))), word);
  }
  static I multiply_low(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static I multiply_high(I v, I even, I odd, I even_round, I odd_round) {
    const I a = _mm512_add_epi64(_mm512_mul_epi32(v, even), even_round);
    const I b = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(v, 32), odd), odd_round);
    return _mm512_mask_shuffle_epi32(b, 0x5555, a, _MM_PERM_DDBB);  // the high words of a to the even lanes
  }
  static I scaled(I v, F scale) {
    const F bound = _mm512_set1_ps(0x1p30F);
    const F product = _mm512_mul_ps(_mm512_cvtepi32_ps(v), scale);
    const F held = _mm512_max_ps(_mm512_min_ps(product, bound), _mm512_set1_ps(-0x1p30F));
    return _mm512_cvt_roundps_epi32(held, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }

  static void store(std::int32_t* to, I v) { _mm512_storeu_si512(to, v); }
  static void store(std::int16_t* to, I v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(v));
  }
  static void store(std::int8_t* to, I v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(v));
  }

  // Values, and whether all of them are in [-limit, limit): then no value + limit has a bit above those of limit.
  template <class In>
  struct Reader;
};

template <>
struct Avx512::Reader<std::int32_t> {
  I margin, bits;
  explicit Reader(std::int64_t limit)
      : margin(_mm512_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(limit)))), bits(_mm512_setzero_si512()) {}
  [[gnu::always_inline]] I read(const std::int32_t* from) {
    const I v = _mm512_loadu_si512(from);
    bits = _mm512_or_si512(bits, _mm512_add_epi32(v, margin));
    return v;
  }
  [[nodiscard]] bool inside() const {
    // limit 2^31: its double is 0 in 32 bits, less one all bits
    const I allowed = _mm512_sub_epi32(_mm512_add_epi32(margin, margin), _mm512_set1_epi32(1));
    return _mm512_test_epi32_mask(bits, _mm512_andnot_si512(allowed, _mm512_set1_epi32(-1))) == 0;
  }
};

template <>
struct Avx512::Reader<std::int64_t> {
  I margin, bits, low_words;
  explicit Reader(std::int64_t limit)
      : margin(_mm512_set1_epi64(limit)),
        bits(_mm512_setzero_si512()),
        low_words(_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)) {}
  [[gnu::always_inline]] I read(const std::int64_t* from) {
    const I a = _mm512_loadu_si512(from);
    const I b = _mm512_loadu_si512(from + 8);
    bits = _mm512_ternarylogic_epi64(bits, _mm512_add_epi64(a, margin), _mm512_add_epi64(b, margin), 0xFE);  // or
    return _mm512_permutex2var_epi32(a, low_words, b);
  }
  [[nodiscard]] bool inside() const {
    const I allowed = _mm512_sub_epi64(_mm512_add_epi64(margin, margin), _mm512_set1_epi64(1));
    return _mm512_test_epi64_mask(bits, _mm512_andnot_si512(allowed, _mm512_set1_epi64(-1))) == 0;
  }
};

}  // namespace

FusedLoop fused_loop_avx512(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out) {
  return pick<Avx512>(core, select, has_bias, in, out);
}

}  // namespace guardbit::arith::detail
