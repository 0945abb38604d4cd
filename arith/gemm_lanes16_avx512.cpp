// Matrix products for AVX-512: sums narrowed in 16-bit lanes.
//
// Saturation of one product per group, the most frequent case, has a loop of its own with 32 lanes a register. The
// multiplication, the saturating addition and the comparison share two of Zen 4's pipes; so the comparison goes into a
// mask, the masks into memory, and adding them up costs next to nothing: bit by bit, for 512 outputs an instruction.
// The other pipes then have room for the exact sums. Everything else is gemm_lanes16.hpp, with twice the rows of AVX2.
#include "arith/detail/gemm_lanes16.hpp"
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

constexpr int kTile = 64;    // products whose masks are kept; adding them up hides behind the next ones
constexpr int kPiece = 256;  // products whose masks fit the planes
constexpr int kPlanes = 8;

// The numbers of set bits at each of 512 places, plane p holding bit p of every number.
class Planes {
 public:
  // Adds 8 vectors.
  void add(const std::uint32_t* masks) {
    const auto mask = [&](int i) { return load(masks + i * 16); };
    const __m512i fours_a = pairs(pairs_of(mask(0), mask(1)), pairs_of(mask(2), mask(3)));
    const __m512i fours_b = pairs(pairs_of(mask(4), mask(5)), pairs_of(mask(6), mask(7)));
    __m512i carry = full(planes_[2], fours_a, fours_b);
    for (int p = 3; p < kPlanes; ++p) {
      const __m512i next = _mm512_and_si512(planes_[p], carry);
      planes_[p] = _mm512_xor_si512(planes_[p], carry);
      carry = next;
    }
  }

  // Both halves of the places together: kPlanes + 1 planes of 8 masks.
  void fold(std::uint32_t (*to)[kMr]) const {
    __m256i carry = _mm256_setzero_si256();
    for (int p = 0; p < kPlanes; ++p) {
      const __m256i a = _mm512_castsi512_si256(planes_[p]);
      const __m256i b = _mm512_extracti64x4_epi64(planes_[p], 1);
      avx2::store(to[p], _mm256_ternarylogic_epi32(a, b, carry, kSum));
      carry = _mm256_ternarylogic_epi32(a, b, carry, kMajority);
    }
    avx2::store(to[kPlanes], carry);
  }

 private:
  static constexpr int kSum = 0x96, kMajority = 0xE8;
  static __m512i full(__m512i& sum, __m512i a, __m512i b) {
    const __m512i carry = _mm512_ternarylogic_epi32(sum, a, b, kMajority);
    sum = _mm512_ternarylogic_epi32(sum, a, b, kSum);
    return carry;
  }
  __m512i pairs_of(__m512i a, __m512i b) { return full(planes_[0], a, b); }
  __m512i pairs(__m512i a, __m512i b) { return full(planes_[1], a, b); }

  __m512i planes_[kPlanes] = {};
};

// What the loop below keeps in registers between calls.
struct State {
  __m512i value[kMr], exact[kMr];
};

// One product after the other for kMr rows; the loop that decides how fast saturation is. Assembler, because the order
// of its instructions is worth a fifth of the time: all of a kind for four rows, none waiting for the one before it, so
// that the multiplications, saturating additions and comparisons keep their two pipes busy (3 cycles a row and product
// of 32 columns); and because all 32 registers are taken, which compilers answer with spills.
//
// Registers of row r: value r, exact sum 8 + r, product 16 + r, wrapped sum 24 + r % 4; its masks are kr % 4 + 1.
#define GUARDBIT_MULTIPLY(ROW, PRODUCT)                     \
  "vpbroadcastd (%[left" #ROW "],%[i],4), %%zmm" #PRODUCT "\n" \
  "vpmullw %%zmm31, %%zmm" #PRODUCT ", %%zmm" #PRODUCT "\n"
#define GUARDBIT_ADD(NAME, FROM, PRODUCT, TO) NAME " %%zmm" #PRODUCT ", %%zmm" #FROM ", %%zmm" #TO "\n"
#define GUARDBIT_COMPARE(ROW, WRAPPED, MASK, AT)                  \
  "vpcmpneqw %%zmm" #WRAPPED ", %%zmm" #ROW ", %%k" #MASK "\n" \
  "kmovd %%k" #MASK ", " #AT "(%[masks])\n"
void products(const std::uint32_t* const* left, const std::int16_t* right, std::int64_t count, State& state,
              std::uint32_t* masks) {
  std::int64_t i = 0;
  asm volatile(
      "vmovdqu64 0(%[state]), %%zmm0\n"
      "vmovdqu64 64(%[state]), %%zmm1\n"
      "vmovdqu64 128(%[state]), %%zmm2\n"
      "vmovdqu64 192(%[state]), %%zmm3\n"
      "vmovdqu64 256(%[state]), %%zmm4\n"
      "vmovdqu64 320(%[state]), %%zmm5\n"
      "vmovdqu64 384(%[state]), %%zmm6\n"
      "vmovdqu64 448(%[state]), %%zmm7\n"
      "vmovdqu64 512(%[state]), %%zmm8\n"
      "vmovdqu64 576(%[state]), %%zmm9\n"
      "vmovdqu64 640(%[state]), %%zmm10\n"
      "vmovdqu64 704(%[state]), %%zmm11\n"
      "vmovdqu64 768(%[state]), %%zmm12\n"
      "vmovdqu64 832(%[state]), %%zmm13\n"
      "vmovdqu64 896(%[state]), %%zmm14\n"
      "vmovdqu64 960(%[state]), %%zmm15\n"
      ".p2align 6\n"
      "1:\n"
      "vmovdqu64 (%[right]), %%zmm31\n"
      GUARDBIT_MULTIPLY(0, 16)
      GUARDBIT_MULTIPLY(1, 17)
      GUARDBIT_MULTIPLY(2, 18)
      GUARDBIT_MULTIPLY(3, 19)
      GUARDBIT_ADD("vpaddw", 0, 16, 24)
      GUARDBIT_ADD("vpaddw", 1, 17, 25)
      GUARDBIT_ADD("vpaddw", 2, 18, 26)
      GUARDBIT_ADD("vpaddw", 3, 19, 27)
      GUARDBIT_ADD("vpaddsw", 0, 16, 0)
      GUARDBIT_ADD("vpaddsw", 1, 17, 1)
      GUARDBIT_ADD("vpaddsw", 2, 18, 2)
      GUARDBIT_ADD("vpaddsw", 3, 19, 3)
      GUARDBIT_MULTIPLY(4, 20)
      GUARDBIT_MULTIPLY(5, 21)
      GUARDBIT_MULTIPLY(6, 22)
      GUARDBIT_MULTIPLY(7, 23)
      GUARDBIT_COMPARE(0, 24, 1, 0)
      GUARDBIT_COMPARE(1, 25, 2, 4)
      GUARDBIT_COMPARE(2, 26, 3, 8)
      GUARDBIT_COMPARE(3, 27, 4, 12)
      GUARDBIT_ADD("vpaddw", 8, 16, 8)
      GUARDBIT_ADD("vpaddw", 9, 17, 9)
      GUARDBIT_ADD("vpaddw", 10, 18, 10)
      GUARDBIT_ADD("vpaddw", 11, 19, 11)
      GUARDBIT_ADD("vpaddw", 4, 20, 24)
      GUARDBIT_ADD("vpaddw", 5, 21, 25)
      GUARDBIT_ADD("vpaddw", 6, 22, 26)
      GUARDBIT_ADD("vpaddw", 7, 23, 27)
      GUARDBIT_ADD("vpaddsw", 4, 20, 4)
      GUARDBIT_ADD("vpaddsw", 5, 21, 5)
      GUARDBIT_ADD("vpaddsw", 6, 22, 6)
      GUARDBIT_ADD("vpaddsw", 7, 23, 7)
      GUARDBIT_COMPARE(4, 24, 1, 16)
      GUARDBIT_COMPARE(5, 25, 2, 20)
      GUARDBIT_COMPARE(6, 26, 3, 24)
      GUARDBIT_COMPARE(7, 27, 4, 28)
      GUARDBIT_ADD("vpaddw", 12, 20, 12)
      GUARDBIT_ADD("vpaddw", 13, 21, 13)
      GUARDBIT_ADD("vpaddw", 14, 22, 14)
      GUARDBIT_ADD("vpaddw", 15, 23, 15)
      "add $64, %[right]\n"
      "add $32, %[masks]\n"
      "inc %[i]\n"
      "cmp %[count], %[i]\n"
      "jne 1b\n"
      "vmovdqu64 %%zmm0, 0(%[state])\n"
      "vmovdqu64 %%zmm1, 64(%[state])\n"
      "vmovdqu64 %%zmm2, 128(%[state])\n"
      "vmovdqu64 %%zmm3, 192(%[state])\n"
      "vmovdqu64 %%zmm4, 256(%[state])\n"
      "vmovdqu64 %%zmm5, 320(%[state])\n"
      "vmovdqu64 %%zmm6, 384(%[state])\n"
      "vmovdqu64 %%zmm7, 448(%[state])\n"
      "vmovdqu64 %%zmm8, 512(%[state])\n"
      "vmovdqu64 %%zmm9, 576(%[state])\n"
      "vmovdqu64 %%zmm10, 640(%[state])\n"
      "vmovdqu64 %%zmm11, 704(%[state])\n"
      "vmovdqu64 %%zmm12, 768(%[state])\n"
      "vmovdqu64 %%zmm13, 832(%[state])\n"
      "vmovdqu64 %%zmm14, 896(%[state])\n"
      "vmovdqu64 %%zmm15, 960(%[state])\n"
      : [i] "+r"(i), [right] "+r"(right), [masks] "+r"(masks)
      : [count] "r"(count), [state] "r"(&state), [left0] "r"(left[0]), [left1] "r"(left[1]), [left2] "r"(left[2]),
        [left3] "r"(left[3]), [left4] "r"(left[4]), [left5] "r"(left[5]), [left6] "r"(left[6]), [left7] "r"(left[7])
      : "cc", "memory", "k1", "k2", "k3", "k4", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",
        "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm31");
}
#undef GUARDBIT_MULTIPLY
#undef GUARDBIT_ADD
#undef GUARDBIT_COMPARE

// kMr rows, 32 columns each.
class SaturateRows {
 public:
  explicit SaturateRows(const SingleBlock& in) : in_(in) {}

  void run() {
    for (int r = 0; r < kMr; ++r) {
      const std::int32_t* acc = in_.acc + r * kNr;
      state_.value[r] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(load(acc))),
                                           _mm512_cvtepi32_epi16(load(acc + kHalf)), 1);
      state_.exact[r] = state_.value[r];
    }
    for (int k = 0; k < in_.depth; k += kPiece) piece(k, in_.depth - k < kPiece ? in_.depth : k + kPiece);
    for (int r = 0; r < kMr; ++r) {
      put(in_.acc + r * kNr, state_.value[r]);
      add(in_.loss + r * kNr, _mm512_sub_epi16(state_.exact[r], state_.value[r]));
    }
  }

 private:
  static void put(std::int32_t* to, __m512i words) {
    store(to, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(words)));
    store(to + kHalf, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words, 1)));
  }
  static void add(std::int32_t* to, __m512i words) {
    const __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(words));
    const __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words, 1));
    store(to, _mm512_add_epi32(load(to), low));
    store(to + kHalf, _mm512_add_epi32(load(to + kHalf), high));
  }

  void piece(int k, int end) {
    // Masks are added up while the next ones are being stored: reading back what was just stored would wait for it.
    alignas(64) std::uint32_t masks[2][kTile][kMr];
    Planes planes;
    const auto add_masks = [&](int which) {
      for (int i = 0; i < kTile; i += 16) planes.add(masks[which][i]);
    };
    for (int tile = 0; k < end; k += kTile, ++tile) {
      const int here = end - k < kTile ? end - k : kTile;
      std::uint32_t* to = masks[tile % 2][0];
      if (here < kTile) std::memset(to, 0, sizeof masks[0]);
      const std::uint32_t* left[kMr];
      for (int r = 0; r < kMr; ++r) left[r] = in_.lhs[r] + k;
      products(left, in_.rhs + k * kNr, here, state_, to);
      if (tile > 0) add_masks((tile - 1) % 2);
      if (k + kTile >= end) add_masks(tile % 2);
    }
    std::uint32_t folded[kPlanes + 1][kMr];
    planes.fold(folded);
    asm volatile("" : : "r"(folded) : "memory");  // masks come from memory: not by way of vectors taken apart
    for (int r = 0; r < kMr; ++r) {
      __m512i count = _mm512_setzero_si512();
      for (int p = 0; p <= kPlanes; ++p) {
        count = _mm512_mask_add_epi16(count, folded[p][r], count, _mm512_set1_epi16(static_cast<short>(1 << p)));
      }
      add(in_.count + r * kNr, count);
    }
  }

  const SingleBlock& in_;
  State state_;
};

}  // namespace

void lanes16(const SingleBlock& in) {
  if (in.rows == kMr && in.step == 1 && in.overflow == Overflow::SAT) return SaturateRows(in).run();
  lanes16_of_rows<GemmIsa::Avx512, 4>(in);
}

}  // namespace guardbit::arith::detail::avx512
