// Observer: what a simulation tells the outside while it runs. Traces and timelines implement it; the simulator knows
// nothing of files. Cycles count from the start of the engine's first run, over all its runs. Spans are valid during
// the call only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/program.hpp"

namespace guardbit::sim {

// Values of one pass of the array.
struct FoldValues {
  const Fold& fold;
  std::span<const std::int32_t> activations;   // [m, k], zero points subtracted, padded taps 0
  std::span<const std::int32_t> weights;       // [k, n]
  std::span<const std::int64_t> accumulators;  // [m, n] after the pass that ends a reduction; else empty
};

// Engine pe: every register and edge wire of the array, from this cycle's clock edge until the next one.
struct ArrayState {
  // What a register or wire holds, and the number of the streamed operand it belongs to; index -1: nothing.
  struct Value {
    std::int64_t value = 0, index = -1;
  };
  int rows = 0, columns = 0;
  bool edge = false;                   // false: a pass begins, the wires of its first edge are there
  int phase = 0;                       // what the next edge does: 0 load, 1 stream, 2 drain, 3 nothing, the pass ended
  std::vector<Value> west;             // [rows]: operands that enter at the left
  std::vector<Value> north;            // [columns]: operands that enter at the top
  std::vector<Value> north_sums;       // [columns]: running sums that enter at the top
  std::vector<Value> operands;         // [rows, columns]: register behind the left input
  std::vector<Value> weights;          // [rows, columns]: register behind the upper input
  std::vector<Value> sums;             // [rows, columns]
  std::vector<bool> overflowed;        // [rows, columns]: the sum in the register has overflowed on its way
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void begin_layer(std::int64_t /*image*/, const LayerProgram& /*program*/, std::uint64_t /*cycle*/) {}
  virtual void end_layer(std::int64_t /*image*/, const LayerProgram& /*program*/, std::uint64_t /*cycle*/) {}
  virtual void begin_command(const Command& /*command*/, int /*index*/, std::uint64_t /*cycle*/) {}
  virtual void end_command(const Command& /*command*/, int /*index*/, std::uint64_t /*cycle*/) {}
  virtual void fold(const FoldValues& /*values*/) {}
  // Asked at every cycle of engine pe: whether array_state() is wanted, which is slow.
  [[nodiscard]] virtual bool wants_array_state() const { return false; }
  virtual void array_state(const ArrayState& /*state*/, std::uint64_t /*cycle*/) {}
};

}  // namespace guardbit::sim
