// Matrix products for AVX-512: sums narrowed in 16-bit lanes.
//
// Saturation of one product per group, the most frequent case, has a loop of its own with 32 lanes a register. The
// multiplication, the saturating addition and the comparison share two of Zen 4's four vector pipes: 3 cycles for 32
// products. So the comparison goes into a mask, the masks into memory, and adding them up costs next to nothing: bit by
// bit, for 512 outputs an instruction. The other pipes then have room for that and for the exact sums. (Flags in
// vectors, and their addition, would leave the two pipes idle for a third of the time, but take all four for as long;
// rows of both kinds in one tile are not faster: arith/README.md.) Rows of bytes are taken as they are, others as 16-bit words.
// Everything else is gemm_lanes16.hpp, with twice the rows of AVX2.
#include <cstddef>

#include "arith/detail/gemm_lanes16.hpp"
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

constexpr int kBlock = 16;   // products whose masks are added up together, while those of the next ones are stored
constexpr int kPlanes = 10;  // of the numbers of masks: bit p of each is in plane p
// Two products share a register of masks: each plane holds numbers of every other product.
constexpr int kPiece = 2 * ((1 << kPlanes) - 1) / kBlock * kBlock;

// What the loop below works on.
struct Work {
  alignas(64) std::uint32_t masks[2][kBlock][kMr];
  __m512i value[kMr], exact[kMr];
  __m512i planes[kPlanes];
  __m512i carries[4];
};
static_assert(offsetof(Work, value) == 1024 && offsetof(Work, exact) == 1536 && offsetof(Work, planes) == 2048 &&
              offsetof(Work, carries) == 2688);

// Adds up bits of one weight: `sum` and `a` and `b` become `sum`, and what is returned, of twice the weight.
[[gnu::always_inline]] inline __m512i full_add(__m512i& sum, __m512i a, __m512i b) {
  constexpr int kSum = 0x96, kMajority = 0xE8;
  const __m512i carry = _mm512_ternarylogic_epi32(sum, a, b, kMajority);
  sum = _mm512_ternarylogic_epi32(sum, a, b, kSum);
  return carry;
}

// The last block's masks: as the loop below does it.
void add_masks(const std::uint32_t (*masks)[kMr], __m512i* planes) {
  const auto mask = [&](int i) { return load(masks[2 * i]); };
  const __m512i twos[4] = {full_add(planes[0], mask(0), mask(1)), full_add(planes[0], mask(2), mask(3)),
                           full_add(planes[0], mask(4), mask(5)), full_add(planes[0], mask(6), mask(7))};
  const __m512i four = full_add(planes[1], twos[0], twos[1]);
  __m512i carry = full_add(planes[2], four, full_add(planes[1], twos[2], twos[3]));
  for (int p = 3; p < kPlanes; ++p) {
    const __m512i next = _mm512_and_si512(planes[p], carry);
    planes[p] = _mm512_xor_si512(planes[p], carry);
    carry = next;
  }
}

// One product after the other for kMr rows; the loop that decides how fast saturation is. Assembler, because the order
// of its instructions is worth a fifth of the time, and because all 32 registers are taken, which compilers answer with
// spills. The order comes from a search: instructions were moved at random where that changed no result, and moves were
// kept that took less time beside the order before, run by run. (4 rows after 4 take 2.5 % longer.)
//
// Registers of row r: value r, exact sum 8 + r, product 16 + r, wrapped sum 24 + r % 4; its masks are kr % 4 + 1. S is
// the product's place in a block. X0 to X3 are what is done for the masks of the block before, a few instructions at a
// time: all at once would keep the two pipes waiting (5 % of the time).
#define GUARDBIT_MULTIPLY(S, ROW, PRODUCT)                              \
  ".if %c[bytes]\n"                                                     \
  "vpbroadcastb " #S "(%[left" #ROW "],%[i]), %%zmm" #PRODUCT "\n"      \
  "vpmaddubsw %%zmm31, %%zmm" #PRODUCT ", %%zmm" #PRODUCT "\n"          \
  ".else\n"                                                             \
  "vpbroadcastw 2*" #S "(%[left" #ROW "],%[i],2), %%zmm" #PRODUCT "\n" \
  "vpmullw %%zmm31, %%zmm" #PRODUCT ", %%zmm" #PRODUCT "\n"            \
  ".endif\n"
#define GUARDBIT_ADD(NAME, FROM, PRODUCT, TO) NAME " %%zmm" #PRODUCT ", %%zmm" #FROM ", %%zmm" #TO "\n"
#define GUARDBIT_COMPARE(ROW, WRAPPED, MASK) "vpcmpneqw %%zmm" #WRAPPED ", %%zmm" #ROW ", %%k" #MASK "\n"
#define GUARDBIT_KEEP(S, ROW, MASK) "kmovd %%k" #MASK ", 32*" #S "+4*" #ROW "(%[work],%[at])\n"
#define GUARDBIT_PRODUCT(S, X0, X1, X2, X3)             \
  "vmovdqu64 64*" #S "(%[right]), %%zmm31\n"            \
  GUARDBIT_MULTIPLY(S, 1, 17)                           \
  GUARDBIT_MULTIPLY(S, 7, 23)                           \
  GUARDBIT_MULTIPLY(S, 4, 20)                           \
  GUARDBIT_MULTIPLY(S, 0, 16)                           \
  GUARDBIT_MULTIPLY(S, 3, 19)                           \
  GUARDBIT_MULTIPLY(S, 2, 18)                           \
  GUARDBIT_MULTIPLY(S, 6, 22)                           \
  GUARDBIT_ADD("vpaddw", 1, 17, 25)                     \
  GUARDBIT_ADD("vpaddw", 3, 19, 27)                     \
  GUARDBIT_ADD("vpaddw", 2, 18, 26)                     \
  GUARDBIT_ADD("vpaddw", 0, 16, 24)                     \
  GUARDBIT_ADD("vpaddsw", 0, 16, 0)                     \
  X0                                                    \
  GUARDBIT_ADD("vpaddsw", 1, 17, 1)                     \
  GUARDBIT_ADD("vpaddsw", 3, 19, 3)                     \
  GUARDBIT_MULTIPLY(S, 5, 21)                           \
  GUARDBIT_ADD("vpaddsw", 2, 18, 2)                     \
  GUARDBIT_COMPARE(2, 26, 3)                            \
  GUARDBIT_COMPARE(1, 25, 2)                            \
  GUARDBIT_COMPARE(0, 24, 1)                            \
  GUARDBIT_COMPARE(3, 27, 4)                            \
  GUARDBIT_KEEP(S, 0, 1)                                \
  GUARDBIT_ADD("vpaddw", 5, 21, 25)                     \
  GUARDBIT_ADD("vpaddw", 7, 23, 27)                     \
  GUARDBIT_KEEP(S, 3, 4)                                \
  GUARDBIT_ADD("vpaddw", 9, 17, 9)                      \
  GUARDBIT_ADD("vpaddw", 4, 20, 24)                     \
  X1                                                    \
  GUARDBIT_ADD("vpaddw", 6, 22, 26)                     \
  X2                                                    \
  GUARDBIT_ADD("vpaddsw", 5, 21, 5)                     \
  GUARDBIT_ADD("vpaddsw", 4, 20, 4)                     \
  GUARDBIT_KEEP(S, 1, 2)                                \
  GUARDBIT_ADD("vpaddsw", 6, 22, 6)                     \
  GUARDBIT_COMPARE(5, 25, 2)                            \
  GUARDBIT_ADD("vpaddsw", 7, 23, 7)                     \
  GUARDBIT_COMPARE(4, 24, 1)                            \
  GUARDBIT_KEEP(S, 2, 3)                                \
  GUARDBIT_COMPARE(6, 26, 3)                            \
  GUARDBIT_COMPARE(7, 27, 4)                            \
  GUARDBIT_ADD("vpaddw", 14, 22, 14)                    \
  GUARDBIT_ADD("vpaddw", 15, 23, 15)                    \
  GUARDBIT_KEEP(S, 4, 1)                                \
  GUARDBIT_KEEP(S, 5, 2)                                \
  X3                                                    \
  GUARDBIT_ADD("vpaddw", 12, 20, 12)                    \
  GUARDBIT_ADD("vpaddw", 8, 16, 8)                      \
  GUARDBIT_ADD("vpaddw", 10, 18, 10)                    \
  GUARDBIT_ADD("vpaddw", 11, 19, 11)                    \
  GUARDBIT_ADD("vpaddw", 13, 21, 13)                    \
  GUARDBIT_KEEP(S, 7, 4)                                \
  GUARDBIT_KEEP(S, 6, 3)

// Bits of one weight at every place: SUM, A and B become SUM and CARRY, of twice the weight. In memory all four.
#define GUARDBIT_MASK(I) "64*" #I "(%[work],%[before])"
#define GUARDBIT_PLANE(I) "2048+64*" #I "(%[work])"
#define GUARDBIT_CARRY(I) "2688+64*" #I "(%[work])"
#define GUARDBIT_FULL_ADDER(S, SUM, A, B, CARRY)                                                    \
  GUARDBIT_PRODUCT(S, "vmovdqu64 " A ", %%zmm28\n" "vmovdqu64 " SUM ", %%zmm29\n",                  \
                   "vmovdqa64 %%zmm29, %%zmm30\n" "vpternlogd $0xE8, " B ", %%zmm28, %%zmm30\n",    \
                   "vpternlogd $0x96, " B ", %%zmm28, %%zmm29\n" "vmovdqu64 %%zmm30, " CARRY "\n",  \
                   "vmovdqu64 %%zmm29, " SUM "\n")
// Register 28 is what is carried on.
#define GUARDBIT_ADD_CARRY(S, PLANE)                                                                \
  GUARDBIT_PRODUCT(S, "vmovdqu64 " PLANE ", %%zmm29\n", "vpxord %%zmm28, %%zmm29, %%zmm30\n",       \
                   "vpandd %%zmm28, %%zmm29, %%zmm28\n", "vmovdqu64 %%zmm30, " PLANE "\n")

// `count` products, at most kPiece, from planes of zeros. A first block that is not whole leaves the zeros before its
// masks. kBytes: the rows are uint8, and an int8 and a zero byte the weights; their product fits 16 bits.
template <bool kBytes>
void products(const char* const* left, const std::int16_t* right, std::int64_t count, Work& work) {
  constexpr std::int64_t kHalfBytes = sizeof work.masks[0];
  std::int64_t first = (count - 1) % kBlock + 1;
  std::int64_t at = kHalfBytes - first * kMr * 4;
  std::int64_t before = kHalfBytes;
  std::int64_t i = -count;
  const char* end[kMr];
  for (int r = 0; r < kMr; ++r) end[r] = left[r] + count * (kBytes ? 1 : 2);
  asm volatile(
      "vmovdqu64 1024(%[work]), %%zmm0\n"
      "vmovdqu64 1088(%[work]), %%zmm1\n"
      "vmovdqu64 1152(%[work]), %%zmm2\n"
      "vmovdqu64 1216(%[work]), %%zmm3\n"
      "vmovdqu64 1280(%[work]), %%zmm4\n"
      "vmovdqu64 1344(%[work]), %%zmm5\n"
      "vmovdqu64 1408(%[work]), %%zmm6\n"
      "vmovdqu64 1472(%[work]), %%zmm7\n"
      "vmovdqu64 1536(%[work]), %%zmm8\n"
      "vmovdqu64 1600(%[work]), %%zmm9\n"
      "vmovdqu64 1664(%[work]), %%zmm10\n"
      "vmovdqu64 1728(%[work]), %%zmm11\n"
      "vmovdqu64 1792(%[work]), %%zmm12\n"
      "vmovdqu64 1856(%[work]), %%zmm13\n"
      "vmovdqu64 1920(%[work]), %%zmm14\n"
      "vmovdqu64 1984(%[work]), %%zmm15\n"
      ".p2align 6\n"
      "1:\n"  // the first block
      GUARDBIT_PRODUCT(0, "", "", "", "")
      "add $64, %[right]\n"
      "add $32, %[at]\n"
      "inc %[i]\n"
      "cmp $512, %[at]\n"
      "jne 1b\n"
      "xor %k[at], %k[at]\n"
      "xchg %[at], %[before]\n"
      "test %[i], %[i]\n"
      "jz 3f\n"
      ".p2align 6\n"
      "2:\n"  // a block
      GUARDBIT_FULL_ADDER(0, GUARDBIT_PLANE(0), GUARDBIT_MASK(0), GUARDBIT_MASK(1), GUARDBIT_CARRY(0))
      GUARDBIT_FULL_ADDER(1, GUARDBIT_PLANE(0), GUARDBIT_MASK(2), GUARDBIT_MASK(3), GUARDBIT_CARRY(1))
      GUARDBIT_FULL_ADDER(2, GUARDBIT_PLANE(1), GUARDBIT_CARRY(0), GUARDBIT_CARRY(1), GUARDBIT_CARRY(2))
      GUARDBIT_FULL_ADDER(3, GUARDBIT_PLANE(0), GUARDBIT_MASK(4), GUARDBIT_MASK(5), GUARDBIT_CARRY(0))
      GUARDBIT_FULL_ADDER(4, GUARDBIT_PLANE(0), GUARDBIT_MASK(6), GUARDBIT_MASK(7), GUARDBIT_CARRY(1))
      GUARDBIT_FULL_ADDER(5, GUARDBIT_PLANE(1), GUARDBIT_CARRY(0), GUARDBIT_CARRY(1), GUARDBIT_CARRY(3))
      GUARDBIT_FULL_ADDER(6, GUARDBIT_PLANE(2), GUARDBIT_CARRY(2), GUARDBIT_CARRY(3), GUARDBIT_CARRY(0))
      GUARDBIT_PRODUCT(7, "vmovdqu64 " GUARDBIT_CARRY(0) ", %%zmm28\n", "", "", "")
      GUARDBIT_ADD_CARRY(8, GUARDBIT_PLANE(3))
      GUARDBIT_ADD_CARRY(9, GUARDBIT_PLANE(4))
      GUARDBIT_ADD_CARRY(10, GUARDBIT_PLANE(5))
      GUARDBIT_ADD_CARRY(11, GUARDBIT_PLANE(6))
      GUARDBIT_ADD_CARRY(12, GUARDBIT_PLANE(7))
      GUARDBIT_ADD_CARRY(13, GUARDBIT_PLANE(8))
      GUARDBIT_ADD_CARRY(14, GUARDBIT_PLANE(9))
      GUARDBIT_PRODUCT(15, "", "", "", "")
      "add $1024, %[right]\n"
      "xchg %[at], %[before]\n"
      "add $16, %[i]\n"
      "jnz 2b\n"
      "3:\n"
      "vmovdqu64 %%zmm0, 1024(%[work])\n"
      "vmovdqu64 %%zmm1, 1088(%[work])\n"
      "vmovdqu64 %%zmm2, 1152(%[work])\n"
      "vmovdqu64 %%zmm3, 1216(%[work])\n"
      "vmovdqu64 %%zmm4, 1280(%[work])\n"
      "vmovdqu64 %%zmm5, 1344(%[work])\n"
      "vmovdqu64 %%zmm6, 1408(%[work])\n"
      "vmovdqu64 %%zmm7, 1472(%[work])\n"
      "vmovdqu64 %%zmm8, 1536(%[work])\n"
      "vmovdqu64 %%zmm9, 1600(%[work])\n"
      "vmovdqu64 %%zmm10, 1664(%[work])\n"
      "vmovdqu64 %%zmm11, 1728(%[work])\n"
      "vmovdqu64 %%zmm12, 1792(%[work])\n"
      "vmovdqu64 %%zmm13, 1856(%[work])\n"
      "vmovdqu64 %%zmm14, 1920(%[work])\n"
      "vmovdqu64 %%zmm15, 1984(%[work])\n"
      : [i] "+r"(i), [right] "+r"(right), [at] "+r"(at), [before] "+r"(before)
      : [bytes] "i"(kBytes ? 1 : 0), [work] "r"(&work), [left0] "r"(end[0]), [left1] "r"(end[1]), [left2] "r"(end[2]),
        [left3] "r"(end[3]), [left4] "r"(end[4]), [left5] "r"(end[5]), [left6] "r"(end[6]), [left7] "r"(end[7])
      : "cc", "memory", "k1", "k2", "k3", "k4", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",
        "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
  add_masks(work.masks[((count - first) / kBlock) % 2], work.planes);
}
#undef GUARDBIT_MULTIPLY
#undef GUARDBIT_ADD
#undef GUARDBIT_COMPARE
#undef GUARDBIT_KEEP
#undef GUARDBIT_PRODUCT
#undef GUARDBIT_MASK
#undef GUARDBIT_PLANE
#undef GUARDBIT_CARRY
#undef GUARDBIT_FULL_ADDER
#undef GUARDBIT_ADD_CARRY

// Up to kMr rows, 32 columns each; those that are missing repeat the first one.
template <bool kBytes>
class SaturateRows {
 public:
  explicit SaturateRows(const SingleBlock& in) : in_(in) {}

  void run() {
    fetch_first();
    for (int r = 0; r < kMr; ++r) {
      const std::int32_t* acc = from(in_.start[0], in_.acc, row(r));
      work_.value[r] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(load(acc))),
                                          _mm512_cvtepi32_epi16(load(acc + kHalf)), 1);
      work_.exact[r] = work_.value[r];
    }
    for (int k = 0; k < in_.depth; k += kPiece) {
      piece(k, in_.depth - k < kPiece ? in_.depth - k : kPiece, k == 0 ? in_.start[1] : nullptr);
    }
    for (int r = 0; r < in_.rows; ++r) {
      store(in_.acc + r * kNr, low_half(work_.value[r]));
      store(in_.acc + r * kNr + kHalf, high_half(work_.value[r]));
      add(in_.start[2], in_.loss, r, _mm512_sub_epi16(work_.exact[r], work_.value[r]));
    }
  }

 private:
  [[nodiscard]] int row(int r) const { return r < in_.rows ? r : 0; }

  // What the first products need, before the processor can see where the rows go on.
  void fetch_first() const {
    for (int k = 0; k < kBlock; ++k) _mm_prefetch(in_.rhs + k * kNr, _MM_HINT_T0);
    for (int r = 0; r < kMr; ++r) {
      const char* left = static_cast<const char*>(in_.lhs[row(r)]);
      _mm_prefetch(left, _MM_HINT_T0);
      _mm_prefetch(left + 64, _MM_HINT_T0);
    }
  }
  // Where row r's numbers are found: `start` is the same for all rows.
  static const std::int32_t* from(const std::int32_t* start, const std::int32_t* rows, int r) {
    return start != nullptr ? start : rows + r * kNr;
  }
  static __m512i low_half(__m512i words) { return _mm512_cvtepi16_epi32(_mm512_castsi512_si256(words)); }
  static __m512i high_half(__m512i words) { return _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words, 1)); }
  // Row r of `to` becomes what it was, or `start`, plus `words`.
  static void add(const std::int32_t* start, std::int32_t* to, int r, __m512i words) {
    const std::int32_t* before = from(start, to, r);
    store(to + r * kNr, _mm512_add_epi32(load(before), low_half(words)));
    store(to + r * kNr + kHalf, _mm512_add_epi32(load(before + kHalf), high_half(words)));
  }

  void piece(int k, int count, const std::int32_t* start) {
    for (int i = 0; i < kBlock; i += 2) store(work_.masks[0][i], _mm512_setzero_si512());
    for (__m512i& plane : work_.planes) plane = _mm512_setzero_si512();
    const char* left[kMr];
    for (int r = 0; r < kMr; ++r) left[r] = static_cast<const char*>(in_.lhs[row(r)]) + k * (kBytes ? 1 : 2);
    products<kBytes>(left, in_.rhs + k * kNr, count, work_);
    std::uint32_t folded[kPlanes + 1][kMr];
    fold(folded);
    asm volatile("" : : "r"(folded) : "memory");  // masks come from memory: not by way of vectors taken apart
    for (int r = 0; r < in_.rows; ++r) {
      __m512i changed = _mm512_setzero_si512();
      for (int p = 0; p <= kPlanes; ++p) {
        changed = _mm512_mask_add_epi16(changed, folded[p][r], changed, _mm512_set1_epi16(static_cast<short>(1 << p)));
      }
      add(start, in_.count, r, changed);
    }
  }

  // The numbers of both halves of the planes together: kPlanes + 1 planes of 8 masks.
  void fold(std::uint32_t (*to)[kMr]) const {
    constexpr int kSum = 0x96, kMajority = 0xE8;
    __m256i carry = _mm256_setzero_si256();
    for (int p = 0; p < kPlanes; ++p) {
      const __m256i a = _mm512_castsi512_si256(work_.planes[p]);
      const __m256i b = _mm512_extracti64x4_epi64(work_.planes[p], 1);
      avx2::store(to[p], _mm256_ternarylogic_epi32(a, b, carry, kSum));
      carry = _mm256_ternarylogic_epi32(a, b, carry, kMajority);
    }
    avx2::store(to[kPlanes], carry);
  }

  const SingleBlock& in_;
  Work work_;
};

}  // namespace

void lanes16(const SingleBlock& in) {
  if (in.rows == kMr && in.step == 1 && in.overflow == Overflow::SAT) return SaturateRows<false>(in).run();
  lanes16_of_rows<GemmIsa::Avx512, 4>(in);
}

void lanes16_bytes(const SingleBlock& in) { SaturateRows<true>(in).run(); }

}  // namespace guardbit::arith::detail::avx512
