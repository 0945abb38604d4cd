// Requantize stages over a tensor, with parameters per tensor, per element of the last axis, or per element.
#include <algorithm>
#include <type_traits>

#include "arith/error.hpp"
#include "arith/parallel.hpp"
#include "nets/compute/operators.hpp"
#include "nets/quantize/stage_range.hpp"

namespace guardbit::nets::compute {
namespace {

// Calls visit(vector of numbers) for the parameter of every stage that has one.
template <class List, class Visit>
void for_parameters(List& stages, const Visit& visit) {
  for (auto& any : stages) {
    std::visit(
        [&](auto& stage) {
          using T = std::decay_t<decltype(stage)>;
          if constexpr (std::is_same_v<T, arith::ShiftLeft> || std::is_same_v<T, arith::ShiftRight>) {
            visit(stage.bits.values);
          } else if constexpr (std::is_same_v<T, arith::Scale>) {
            visit(stage.values);
          } else if constexpr (requires { stage.value.values; }) {
            visit(stage.value.values);
          }
        },
        any);
  }
}

// Repeats every list of `channels` numbers to `count` numbers.
void repeat_lists(arith::StageList& stages, std::size_t channels, std::size_t count) {
  for_parameters(stages, [&](auto& values) {
    if (values.size() != channels || channels == 1) return;
    values.resize(count);
    for (std::size_t e = channels; e < count; ++e) values[e] = values[e - channels];
  });
}

}  // namespace

PreparedStages prepare(const arith::StageList& stages, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  PreparedStages prepared{.stages = stages, .channels = shape.back()};
  bool per_element = false;
  for_parameters(prepared.stages, [&](const auto& numbers) {
    const auto size = static_cast<std::int64_t>(numbers.size());
    per_element = per_element || (size == count && size != 1 && size != prepared.channels);
  });
  if (per_element) {
    repeat_lists(prepared.stages, static_cast<std::size_t>(prepared.channels), static_cast<std::size_t>(count));
    prepared.channels = count;
  }
  return prepared;
}

Staged apply(const PreparedStages& prepared, const WideTensor& values, const std::string& where, int threads) {
  arith::Range range;
  for (const std::int64_t value : values.data) range.include(value);
  arith::check_stages(prepared.stages, prepared.channels, arith::signed_bits(range), where);

  Staged result{.values = WideTensor(values.shape), .counts = {}};
  result.counts.changed.resize(prepared.stages.size());
  const std::int64_t count = values.count();
  const int parts = arith::part_count(threads, count);
  std::vector<arith::StageCounts> counts(static_cast<std::size_t>(parts), result.counts);
  arith::parallel_parts(parts, count, [&](int part, std::int64_t first, std::int64_t last) {
    arith::StageCounts& mine = counts[static_cast<std::size_t>(part)];
    for (std::int64_t e = first; e < last; ++e) {
      const auto element = static_cast<std::size_t>(e);
      result.values.data[element] =
          arith::apply_stages(prepared.stages, values.data[element], e % prepared.channels, mine);
    }
  });
  for (const arith::StageCounts& part : counts) result.counts.merge(part);
  return result;
}

arith::Format result_format(const PreparedStages& prepared, const arith::Format& accumulator) {
  const arith::StageList& stages = prepared.stages;
  arith::Format format = accumulator;
  std::size_t next = 0;  // stage after the last narrowing
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (const auto* narrow = std::get_if<arith::Narrow>(&stages[i])) {
      format = narrow->format;
      next = i + 1;
    } else if (const auto* multiply = std::get_if<arith::Multiply>(&stages[i]); multiply && multiply->format) {
      format = *multiply->format;
      next = i + 1;
    }
  }
  const arith::StageList rest(stages.begin() + static_cast<std::ptrdiff_t>(next), stages.end());
  const Interval range = format_interval(format);
  return within(stage_interval_all(rest, range, prepared.channels), range) ? format : arith::integer_format(64);
}

}  // namespace guardbit::nets::compute
