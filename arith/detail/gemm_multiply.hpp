// What gemm() and conv2d() share: a matrix product whose left rows lie in memory or are gathered.
#pragma once

#include "arith/detail/gemm_plan.hpp"

namespace guardbit::arith::detail {

// gemm(), with rows from `source` unless it is null; lhs then says only their type and zero point.
void multiply(const GemmLhs& lhs, const RowSource* source, std::int64_t rows, const PackedWeights& weights,
              std::span<const std::int64_t> initial, const Accumulation& accumulation, const GemmOut& out,
              AccumulationEvidence& evidence, const GemmOptions& options, GemmWork* work);

// The same for a left operand of 16 bits by way of WideConv; false, and nothing is done, where that cannot, or would
// not be faster: few rows, columns too long to be made ready in little memory, sums that wrap everywhere.
[[nodiscard]] bool multiply_wide(const GemmLhs& lhs, std::int64_t rows, const PackedWeights& weights,
                                 std::span<const std::int64_t> initial, const Accumulation& accumulation,
                                 const GemmOut& out, AccumulationEvidence& evidence, const GemmOptions& options,
                                 GemmWork* work);

}  // namespace guardbit::arith::detail
