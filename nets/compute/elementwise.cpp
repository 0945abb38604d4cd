// Operators on two tensors, element by element.
#include <fmt/format.h>

#include "arith/error.hpp"
#include "arith/parallel.hpp"
#include "nets/compute/broadcast.hpp"
#include "nets/compute/operators.hpp"

namespace guardbit::nets::compute {
namespace {

constexpr std::int64_t kMaxTerm = std::int64_t{1} << 60;  // so that a sum of two stays far below 2^62

// Accumulates terms(element) for all elements of `shape`, each a short list.
template <std::size_t Count, class Terms>
Accumulated accumulate_elements(std::vector<std::int64_t> shape, const arith::Accumulation& accumulation, int threads,
                                const Terms& terms) {
  Accumulated result{.accumulators = WideTensor(std::move(shape)), .evidence = {}};
  const std::int64_t count = result.accumulators.count();
  const int parts = arith::part_count(threads, count);
  std::vector<arith::AccumulationEvidence> evidence(static_cast<std::size_t>(parts));
  arith::parallel_parts(parts, count, [&](int part, std::int64_t first, std::int64_t last) {
    for (std::int64_t e = first; e < last; ++e) {
      const std::array<std::int64_t, Count> list = terms(static_cast<std::size_t>(e));
      result.accumulators.data[static_cast<std::size_t>(e)] =
          arith::accumulate(list, 0, accumulation, e, evidence[static_cast<std::size_t>(part)]);
    }
  });
  for (const arith::AccumulationEvidence& part : evidence) result.evidence.merge(part);
  return result;
}

WideTensor values_of(const Operand& operand) {
  check_shape(operand.codes.shape, 0, "any shape", operand.name);
  WideTensor values;
  values.shape = operand.codes.shape;
  values.data.reserve(operand.codes.data.size());
  for (const std::int32_t code : operand.codes.data) values.data.push_back(code - operand.zero_point);
  return values;
}

WideTensor staged_values(const AddTerm& term, int threads) {
  const WideTensor values = values_of(term.operand);
  Staged staged = apply(prepare(term.stages, values.shape), values, term.operand.name, threads);
  for (const std::int64_t value : staged.values.data) {
    if (value < -kMaxTerm || value > kMaxTerm) {
      throw Error(
          fmt::format("{}: found {} after its stages, allowed magnitudes up to 2^60", term.operand.name, value));
    }
  }
  term.counts.merge(staged.counts);
  return std::move(staged.values);
}

struct Pair {
  std::vector<std::int64_t> shape, lhs, rhs;  // indices of the elements
};

Pair align(const Operand& lhs, const Operand& rhs) {
  Pair pair{.shape = common_shape(lhs.codes.shape, rhs.codes.shape, rhs.name), .lhs = {}, .rhs = {}};
  check_shape(pair.shape, 0, "any common shape", rhs.name);
  pair.lhs = broadcast_index(lhs.codes.shape, pair.shape);
  pair.rhs = broadcast_index(rhs.codes.shape, pair.shape);
  return pair;
}

}  // namespace

Accumulated add(const AddTerm& lhs, const AddTerm& rhs, const arith::Accumulation& accumulation, int threads) {
  const Pair pair = align(lhs.operand, rhs.operand);
  const WideTensor a = staged_values(lhs, threads), b = staged_values(rhs, threads);
  return accumulate_elements<2>(pair.shape, accumulation, threads, [&](std::size_t e) {
    return std::array{a.data[static_cast<std::size_t>(pair.lhs[e])], b.data[static_cast<std::size_t>(pair.rhs[e])]};
  });
}

Accumulated multiply(const Operand& lhs, const Operand& rhs, const arith::Accumulation& accumulation, int threads) {
  const Pair pair = align(lhs, rhs);
  const WideTensor a = values_of(lhs), b = values_of(rhs);
  if (arith::int128{largest_value(lhs)} * largest_value(rhs) >= arith::int128{1} << 62) {
    throw Error(fmt::format("{}: found products beyond 62 bits, allowed narrower operands", lhs.name));
  }
  return accumulate_elements<1>(pair.shape, accumulation, threads, [&](std::size_t e) {
    return std::array{a.data[static_cast<std::size_t>(pair.lhs[e])] * b.data[static_cast<std::size_t>(pair.rhs[e])]};
  });
}

}  // namespace guardbit::nets::compute
