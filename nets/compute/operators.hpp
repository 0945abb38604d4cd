// One operator on given integer tensors, for block-level verification. Pure functions: operands in, accumulators and
// evidence out. Every accumulator is narrowed as arith/accumulate.hpp says; the products arrive in this order:
//
//   gemm       acc[m, n] = bias[n] + sum over k of lhs[m, k] * rhs[k, n]
//   conv2d     acc[n, p, q, k] = bias[k] + sum over r, s, c of x * weight[k, r, s, c]; padded taps hold the pad code
//   depthwise  conv2d with one input channel per group; weight [K, R, S, 1], K a multiple of C
//   add        two terms, lhs[i] then rhs[i], to an initial 0
//   multiply   one term, lhs[i] * rhs[i], to an initial 0
//   max        one term, the largest value of the window's valid elements, to an initial 0
//   average    one term per valid element of the window, r then s, to an initial 0; see pool() for the division
//
// An operand's value is code - zero_point. The bias is the accumulator's initial value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"
#include "nets/compute/operand.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets::compute {

struct Accumulated {
  WideTensor accumulators;
  arith::AccumulationEvidence evidence;  // `output` of an overflow is the index in `accumulators`
};

// lhs [M, K], rhs [K, N], bias [N] or empty -> [M, N]
[[nodiscard]] Accumulated gemm(const Operand& lhs, const Operand& rhs, const std::vector<std::int64_t>& bias,
                               const arith::Accumulation& accumulation, int threads);

struct ConvOptions {
  std::array<std::int64_t, 2> stride{1, 1}, dilation{1, 1};  // along H, W
  std::array<std::int64_t, 4> padding{0, 0, 0, 0};           // top, bottom, left, right
  std::optional<std::int64_t> pad_value;  // a code of the input; none: its zero point, so that padding adds nothing
  std::int64_t groups = 1;
};

// input [N, H, W, C], weight [K, R, S, C / groups], bias [K] or empty -> [N, P, Q, K]
[[nodiscard]] Accumulated conv2d(const Operand& input, const Operand& weight, const std::vector<std::int64_t>& bias,
                                 const ConvOptions& options, const arith::Accumulation& accumulation, int threads);

// input [N, H, W, C], weight [K, R, S, 1] or [1, R, S, K], K a multiple of C; output channel k reads input channel
// k / (K / C). options.groups is not used.
[[nodiscard]] Accumulated depthwise(const Operand& input, const Operand& weight, const std::vector<std::int64_t>& bias,
                                    const ConvOptions& options, const arith::Accumulation& accumulation, int threads);

// Shapes broadcast as NumPy's. Each operand's own stages (may be empty) are applied to its value, per element of its
// last axis, before the sum.
struct AddTerm {
  const Operand& operand;
  const arith::StageList& stages;
  arith::StageCounts& counts;
};
[[nodiscard]] Accumulated add(const AddTerm& lhs, const AddTerm& rhs, const arith::Accumulation& accumulation,
                              int threads);
[[nodiscard]] Accumulated multiply(const Operand& lhs, const Operand& rhs, const arith::Accumulation& accumulation,
                                   int threads);

enum class PoolKind : unsigned char { Max, Average };

struct Pooled {
  Accumulated accumulated;  // the sums (average) or the maxima
  // What enters the stages: the maxima, or the narrowed sums divided by the number of valid elements, ties away from 0.
  WideTensor values;
};
// input [N, H, W, C] -> [N, P, Q, C]; padded positions are not elements of a window, and every window has at least one.
[[nodiscard]] Pooled pool(const Operand& input, PoolKind kind, const Window& window,
                          const arith::Accumulation& accumulation, int threads);

// Stages whose parameters hold one number, one per element of the last axis, or one per element, for values of `shape`:
// brought to one length. Element e takes parameter e % channels.
struct PreparedStages {
  arith::StageList stages;
  std::int64_t channels = 1;  // the last axis, or all elements
};
[[nodiscard]] PreparedStages prepare(const arith::StageList& stages, const std::vector<std::int64_t>& shape);

struct Staged {
  WideTensor values;
  arith::StageCounts counts;
};
// Throws Error beginning with `where` if a parameter is not allowed or an intermediate value may exceed 127 bits.
[[nodiscard]] Staged apply(const PreparedStages& prepared, const WideTensor& values, const std::string& where,
                           int threads);

// The format of what leaves the stages, for the element type of a file: that of the last narrowing, if nothing after it
// can leave it; of `accumulator`, if nothing narrows and nothing can leave that; else int64.
[[nodiscard]] arith::Format result_format(const PreparedStages& prepared, const arith::Format& accumulator);

}  // namespace guardbit::nets::compute
