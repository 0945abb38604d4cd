// Matrix products of narrow integers with exact overflow evidence, as fast as the evidence allows.
//
// out[r, c] = accumulate(products of lhs row r and rhs column c, initial[c]) as arith/accumulate.hpp defines it, and the
// same counts. Left out is only `exact` (the range of the running sums), unless GemmOptions::range asks for it.
//
// Paths, all with the same result (arith/README.md, "Paths"):
//   Proven   the weights and the left format cannot overflow: the plain product
//   Guarded  per block of rows and of the reduction, prove from the data that nothing overflows and use the plain
//            product, else redo only the failing rows in lanes
//   Lanes16  16-bit lanes: an overflow is where the saturating and the wrapping sum differ
//   Lanes32  32-bit lanes: clamp and compare; WRAP counts how often bit W of the shifted prefix sum toggles
//   General  AccumulatorTile: any format, psum, any step, ranges
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arith/accumulate.hpp"

namespace guardbit::arith {

enum class GemmPath : unsigned char { Auto, Proven, Guarded, Lanes16, Lanes32, General };
enum class GemmIsa : unsigned char { Scalar, Avx2, Avx512 };  // Avx512: F, BW, VL and VNNI

[[nodiscard]] bool isa_supported(GemmIsa isa);  // by this processor
[[nodiscard]] GemmIsa best_gemm_isa();

// The right operand [depth, cols], packed once: 1 byte per weight when all fit int8, else 4; and the column sums that
// proofs need.
class PackedWeights {
 public:
  // Values are operands with their zero point subtracted, |value| < 2^16. Throws Error for any other.
  PackedWeights(const std::int32_t* rhs, std::int64_t rhs_stride, std::int64_t depth, std::int64_t cols);
  ~PackedWeights();
  PackedWeights(PackedWeights&&) noexcept;
  PackedWeights& operator=(PackedWeights&&) noexcept;

  [[nodiscard]] std::int64_t depth() const;
  [[nodiscard]] std::int64_t cols() const;

  struct State;  // arith/detail/packed_weights.hpp
  [[nodiscard]] const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// The left operand [rows, depth]: codes, whose values are code - zero_point. zero_point is a code of the type.
struct GemmLhs {
  enum class Type : unsigned char { U8, S8, S16 };
  const void* data = nullptr;
  Type type = Type::S8;
  std::int64_t stride = 0;  // elements from row to row
  std::int32_t zero_point = 0;

  static GemmLhs of(const std::uint8_t* data, std::int64_t stride, std::int32_t zero_point) {
    return {data, Type::U8, stride, zero_point};
  }
  static GemmLhs of(const std::int8_t* data, std::int64_t stride, std::int32_t zero_point) {
    return {data, Type::S8, stride, zero_point};
  }
  static GemmLhs of(const std::int16_t* data, std::int64_t stride, std::int32_t zero_point) {
    return {data, Type::S16, stride, zero_point};
  }
  [[nodiscard]] std::int32_t value(std::int64_t row, std::int64_t k) const {
    const std::int64_t i = row * stride + k;
    switch (type) {
      case Type::U8:
        return static_cast<const std::uint8_t*>(data)[i] - zero_point;
      case Type::S8:
        return static_cast<const std::int8_t*>(data)[i] - zero_point;
      case Type::S16:
        break;
    }
    return static_cast<const std::int16_t*>(data)[i] - zero_point;
  }
};

// Where accumulators go: exactly one of the two. 32 bits need an accumulator format of at most 32 (unsigned: 31) bits.
struct GemmOut {
  std::int32_t* out32 = nullptr;
  std::int64_t* out64 = nullptr;
  std::int64_t stride = 0;
  std::int64_t first_output = 0;  // output (r, c) has the index first_output + r * row_step + c
  std::int64_t row_step = 0;      // >= cols
};

struct GemmOptions {
  GemmPath path = GemmPath::Auto;
  GemmIsa isa = best_gemm_isa();
  int threads = 1;
  bool range = false;  // evidence.exact too
};

// How many outputs x depth each way of computing took; tells that a test went where it meant to go. Depends on the
// path, the ISA and the number of threads, unlike everything else.
struct GemmWork {
  std::uint64_t proven = 0;
  std::uint64_t guarded = 0;  // proven from the data
  std::uint64_t lanes = 0;    // computed or redone in lanes
  std::uint64_t general = 0;
  void merge(const GemmWork& other);
};

// Whether `path` can compute this (Proven: whether the proof holds). Auto, and General, always can.
[[nodiscard]] bool gemm_path_available(GemmPath path, const GemmLhs& lhs, const PackedWeights& weights,
                                       std::span<const std::int64_t> initial, const Accumulation& accumulation);

// initial: [cols] or empty (0). Adds to `evidence`. Throws Error for an accumulation that check_accumulation refuses, a
// zero point outside the codes, an ISA this processor lacks, or a path that is not available.
void gemm(const GemmLhs& lhs, std::int64_t rows, const PackedWeights& weights, std::span<const std::int64_t> initial,
          const Accumulation& accumulation, const GemmOut& out, AccumulationEvidence& evidence,
          const GemmOptions& options = {}, GemmWork* work = nullptr);

}  // namespace guardbit::arith
