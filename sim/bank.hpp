// Banks of the scratchpads and of the accumulator memory: how long the array waits for them.
//
//   bank = (address / word) % banks       address and word in elements
//
// Every bank reads `ports` words and writes `ports` words per cycle. Accesses to the same word in the same cycle are
// one: its elements go wherever they are needed. A cycle of the array in which the busiest bank of any memory has n
// words to read (or to write) takes ceil(n / ports) cycles; the array stands still meanwhile, and the reads and writes
// of the memories go on beside each other. ports = 0: every access is served at once.
//
// Only the array waits. DMA and vector unit move whole words at their own pace and are taken to find a free slot: they
// neither wait nor make others wait.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/machine.hpp"

namespace guardbit::sim {

enum class Memory : unsigned char { Activation, Weight, Accumulator };
inline constexpr int kMemories = 3;

// The accesses of one cycle after the other, as the array makes them. All of it does nothing when ports = 0.
class BankClock {
 public:
  BankClock() = default;
  explicit BankClock(const Machine::Scratchpads& scratchpads)
      : banks_(scratchpads.banks), word_(scratchpads.word), ports_(scratchpads.ports) {}

  [[nodiscard]] bool ideal() const { return ports_ == 0; }
  void read(Memory memory, std::int64_t address) { access(2 * static_cast<std::size_t>(memory), address); }
  void write(Memory memory, std::int64_t address) { access(2 * static_cast<std::size_t>(memory) + 1, address); }
  // Ends the cycle: how many more cycles the array has to wait before its next one.
  [[nodiscard]] std::int64_t end_cycle();

 private:
  void access(std::size_t side, std::int64_t address) {
    if (ports_ != 0) {
      words_[side].push_back(address / word_);
    }
  }

  std::int64_t banks_ = 1, word_ = 1, ports_ = 0;
  std::array<std::vector<std::int64_t>, 2 * kMemories> words_;  // read and written of each memory
  std::vector<std::int64_t> of_bank_;
};

}  // namespace guardbit::sim
