// What travels between neighbouring PEs, one value per clock cycle. Everything carries the number of the operand it
// belongs to, so that a PE can refuse to combine values that do not belong together.
#pragma once

#include <cstdint>
#include <ostream>
#include <systemc>

namespace guardbit::sim {

inline constexpr std::int64_t kBubble = -1;  // nothing in this slot

// An activation or a weight. index: which streamed operand it is.
struct Operand {
  std::int64_t value = 0;
  std::int64_t index = kBubble;
  friend bool operator==(const Operand&, const Operand&) = default;
};

// A running sum: what the register holds, the exact sum, the part of an adder-tree group that is not added yet, and the
// narrowing at which it first overflowed (kNoOverflow: it did not). The hardware stores `sum` and `tree` alone.
struct PartialSum {
  std::int64_t sum = 0, exact = 0, tree = 0, first = 0;
  std::int64_t index = kBubble;
  friend bool operator==(const PartialSum&, const PartialSum&) = default;
};

inline std::ostream& operator<<(std::ostream& out, const Operand& operand) {
  return out << operand.value << '@' << operand.index;
}
inline std::ostream& operator<<(std::ostream& out, const PartialSum& sum) { return out << sum.sum << '@' << sum.index; }

// What all PEs do in this cycle.
enum class PePhase : unsigned char {
  Load,    // operands that stay move down by one row, sums are cleared
  Stream,  // multiply and add
  Drain,   // finished sums move down by one row
};
inline std::ostream& operator<<(std::ostream& out, PePhase phase) { return out << static_cast<int>(phase); }

// Every signal has one writer by construction; SystemC need not look for a second one at each write.
template <class T>
using PeWire = sc_core::sc_signal<T, sc_core::SC_UNCHECKED_WRITERS>;

}  // namespace guardbit::sim
