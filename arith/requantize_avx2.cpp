// The fused requantize loop for AVX2. This file alone is compiled with those instructions.
#include <immintrin.h>

#include "arith/detail/fused_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  using I = __m256i;
  using F = __m256;

  static I load_bytes(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
  static I load(const std::int32_t* from) { return load_bytes(from); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static I set(std::int32_t value) { return _mm256_set1_epi32(value); }
  static I add(I a, I b) { return _mm256_add_epi32(a, b); }
  static I min(I a, I b) { return _mm256_min_epi32(a, b); }
  static I max(I a, I b) { return _mm256_max_epi32(a, b); }
  static I shift_left(I a, I bits) { return _mm256_sllv_epi32(a, bits); }
  static I shift_right(I a, I bits) { return _mm256_srav_epi32(a, bits); }
  static I add_where_negative(I x, I sign, I extra) {
    return add(x, _mm256_and_si256(_mm256_srai_epi32(sign, 31), extra));
  }
  static I add_where_odd(I x, I bits, I extra) {
    const I one = _mm256_set1_epi32(1);
    return add(x, _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_and_si256(bits, one), one), extra));
  }
  static I magnitude(I v) { return _mm256_abs_epi32(v); }
  static I negate_where_negative(I x, I sign) { return _mm256_sign_epi32(x, _mm256_or_si256(sign, set(1))); }
  static void count_outside(I& count, I x, I low, I span) {
    const I above_low = _mm256_sub_epi32(x, low);
    const I inside = _mm256_cmpeq_epi32(_mm256_min_epu32(above_low, span), above_low);  // -1
    count = add(count, add(inside, _mm256_set1_epi32(1)));
  }

  // Lanes 0, 2, ... and 1, 3, ... in the low words of 64-bit lanes.
  static void split(I all, I& even, I& odd) {
    even = all;
    odd = _mm256_srli_epi64(all, 32);
  }
  // base * 2^32 + low_word of the even and of the odd lanes.
  static void rounding(I base, std::uint32_t low_word, I& even, I& odd) {
    const I word = _mm256_set1_epi64x(static_cast<long long>(low_word));
    even = _mm256_or_si256(_mm256_slli_epi64(base, 32), word);
    odd = _mm256_or_si256(_mm256_blend_epi32(_mm256_setzero_si256(), base, 0xAA), word);
  }
  static I multiply_low(I a, I b) { return _mm256_mullo_epi32(a, b); }
  static I multiply_high(I v, I even, I odd, I even_round, I odd_round) {
    const I a = _mm256_add_epi64(_mm256_mul_epi32(v, even), even_round);
    const I b = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(v, 32), odd), odd_round);
    return _mm256_blend_epi32(_mm256_srli_epi64(a, 32), b, 0xAA);
  }
  static I scaled(I v, F scale) {
    const F product = _mm256_mul_ps(_mm256_cvtepi32_ps(v), scale);
    const F held = _mm256_max_ps(_mm256_min_ps(product, _mm256_set1_ps(0x1p30F)), _mm256_set1_ps(-0x1p30F));
    return _mm256_cvttps_epi32(_mm256_round_ps(held, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }

  static void store(std::int32_t* to, I v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
  // The low halves of the words, in order, in the low 128 bits.
  static __m128i low_halves(I v) {
    const I masked = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(masked, masked), 0x08));
  }
  static void store(std::int16_t* to, I v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), low_halves(v)); }
  static void store(std::int8_t* to, I v) {
    const __m128i bytes = _mm_and_si128(low_halves(v), _mm_set1_epi16(0xFF));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(bytes, bytes));
  }

  // Values, and whether all of them are in [-limit, limit): then no value + limit has a bit above those of limit.
  template <class In>
  struct Reader;
};

template <>
struct Avx2::Reader<std::int32_t> {
  I margin, bits;
  explicit Reader(std::int64_t limit)
      : margin(_mm256_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(limit)))), bits(_mm256_setzero_si256()) {}
  [[gnu::always_inline]] I read(const std::int32_t* from) {
    const I v = load(from);
    bits = _mm256_or_si256(bits, add(v, margin));
    return v;
  }
  [[nodiscard]] bool inside() const {
    // limit 2^31: its double is 0 in 32 bits, less one all bits
    const I allowed = _mm256_sub_epi32(add(margin, margin), _mm256_set1_epi32(1));
    return _mm256_testc_si256(allowed, bits) != 0;  // no bit that is not allowed
  }
};

template <>
struct Avx2::Reader<std::int64_t> {
  I margin, bits;
  explicit Reader(std::int64_t limit) : margin(_mm256_set1_epi64x(limit)), bits(_mm256_setzero_si256()) {}
  [[gnu::always_inline]] I read(const std::int64_t* from) {
    const I a = load_bytes(from);
    const I b = load_bytes(from + 4);
    bits = _mm256_or_si256(bits, _mm256_or_si256(_mm256_add_epi64(a, margin), _mm256_add_epi64(b, margin)));
    // Low words: a0 a1 b0 b1 | a2 a3 b2 b3, then in order.
    const F words = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(words), 0xD8);
  }
  [[nodiscard]] bool inside() const {
    const I allowed = _mm256_sub_epi64(_mm256_add_epi64(margin, margin), _mm256_set1_epi64x(1));
    return _mm256_testc_si256(allowed, bits) != 0;
  }
};

}  // namespace

FusedLoop fused_loop_avx2(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out) {
  return pick<Avx2>(core, select, has_bias, in, out);
}

}  // namespace guardbit::arith::detail
