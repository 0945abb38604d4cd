// Observer: what a simulation tells the outside while it runs. Traces and timelines implement it; the simulator knows
// nothing of files. Cycles count from the start of the run. Spans are valid during the call only.
#pragma once

#include <cstdint>
#include <span>

#include "sim/program.hpp"

namespace guardbit::sim {

// Values of one pass of the array.
struct FoldValues {
  const Fold& fold;
  std::span<const std::int32_t> activations;   // [m, k], zero points subtracted, padded taps 0
  std::span<const std::int32_t> weights;       // [k, n]
  std::span<const std::int64_t> accumulators;  // [m, n] after the pass that ends a reduction; else empty
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void begin_layer(std::int64_t /*image*/, int /*layer*/, std::uint64_t /*cycle*/) {}
  virtual void end_layer(std::int64_t /*image*/, int /*layer*/, std::uint64_t /*cycle*/) {}
  virtual void begin_command(const Command& /*command*/, int /*index*/, std::uint64_t /*cycle*/) {}
  virtual void end_command(const Command& /*command*/, int /*index*/, std::uint64_t /*cycle*/) {}
  virtual void fold(const FoldValues& /*values*/) {}
};

}  // namespace guardbit::sim
