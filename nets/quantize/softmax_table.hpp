// Softmax over C by a table of exponentials, for hardware. The normative definition.
//
// One position of a tensor, codes x[c] of at most 8 bits, c = 0 .. C - 1, C at most 65536:
//
//   m    = largest x[c]                                     m - x[c] is 0 .. 255
//   e[c] = table[m - x[c]]                                  256 entries of 16 bits, unsigned
//   sum  = e[0] + ... + e[C - 1]                            exact, below 2^32
//   r    = floor(2^40 / sum)                                one division per position; 41 bits
//   p[c] = floor((e[c] * r + 2^(39 - F)) / 2^(40 - F))      e[c] * r is at most 2^40, so p[c] is at most 2^F
//   y[c] = smaller of p[c] + zero point and the output format's largest code
//
// F: the output's scale is 2^-F, 1 <= F <= 16. int8 with scale 1/256 and zero point -128, TFLite's convention, has
// F = 8 and holds probabilities up to 255/256.
//
//   table[k] = round(65535 * exp(-k * scale of x)), ties up; 65535 stands for 1, and the quotient does not see the unit
//
// The table is part of the network: it is made once, in integers, so that no C library takes part, and stored. Any
// table that does not rise and does not begin with 0 is allowed. Largest code, exponentials, sum and scaled
// exponentials are the passes of TFLite (reference_ops::Softmax; its exponential is a polynomial, see
// nets/compute/softmax.hpp, or in builds with TFLITE_SOFTMAX_USE_UINT16_LUT a table of 256 entries of 16 bits). The
// unit, the width of r and the roundings are those stated here.
//
// How far off. With p as above and the table made from the scale, before the format saturates:
//   |p[c] - 2^F * e[c] / sum|         <= 1/2 + 2^(F - 24)       r is cut, not rounded
//   |p[c] - 2^F * softmax(scale * x)| <= 1/2 + 2^(F - 24) + 2^(F - 1) * C / 65535     the table's own rounding
//   |sum of p - 2^F|                  <= C * (1/2 + 2^(F - 24))
// Larger codes never get smaller results, equal codes equal ones; adding a number to all codes changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

inline constexpr std::size_t kSoftmaxEntries = 256;
inline constexpr std::int32_t kSoftmaxOne = 65535;      // largest entry
inline constexpr int kSoftmaxCodeBits = 8;              // widest input
inline constexpr int kSoftmaxChannels = 1 << 16;        // most channels: their sum stays below 2^32
inline constexpr int kSoftmaxReciprocalBits = 40;       // r = floor(2^40 / sum)
inline constexpr int kSoftmaxMostFractionBits = 16;     // F

// The table for inputs of this scale, which must be finite and above 0.
[[nodiscard]] std::vector<std::int32_t> softmax_table(double scale);

// Format of the results for inputs of format `input`: as wide and of the same kind. Integers have all their codes for
// 0 .. 1 (int8: scale 1/256, zero point -128), fixed point one integer bit and zero point 0.
[[nodiscard]] TensorFormat softmax_output(const TensorFormat& input);

// F of an output scale; -1: not a power of two within 2^-16 .. 2^-1.
[[nodiscard]] int softmax_fraction_bits(double scale);

// Throws Error saying what is wrong: inputs wider than 8 bits, too many channels, an output scale without F, a table of
// another size, with entries outside 0 .. 65535, beginning with 0 or rising.
void check_softmax(const IntegerLayer& layer, const TensorFormat& input);

// Layers that passed the check. Reads the layer's table: it must outlive this.
class TableSoftmax {
 public:
  explicit TableSoftmax(const IntegerLayer& layer);
  // The codes of one position [C] into its results [C].
  void operator()(std::span<const std::int32_t> codes, std::span<std::int32_t> out) const;

 private:
  std::span<const std::int32_t> table_;
  int shift_;  // 40 - F
  std::int64_t zero_point_, largest_;
};

}  // namespace guardbit::nets
