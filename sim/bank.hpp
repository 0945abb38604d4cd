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
#include <span>
#include <vector>

#include "sim/check.hpp"
#include "sim/machine.hpp"

namespace guardbit::sim {

enum class Memory : unsigned char { Activation, Weight, Accumulator };
inline constexpr int kMemories = 3;

// The accesses of one cycle after the other, as the array makes them. All of it does nothing when ports = 0.
class BankClock {
 public:
  // Sets up for a machine; cheap when it is the same as before.
  void configure(const Machine::Scratchpads& scratchpads);

  void read(Memory memory, std::int64_t address) { access(sides_[2 * static_cast<std::size_t>(memory)], address); }
  void write(Memory memory, std::int64_t address) { access(sides_[2 * static_cast<std::size_t>(memory) + 1], address); }
  // All accesses of the cycle to one side of a memory at once.
  void read(Memory memory, std::span<const std::int64_t> addresses) {
    access(sides_[2 * static_cast<std::size_t>(memory)], addresses);
  }
  void write(Memory memory, std::span<const std::int64_t> addresses) {
    access(sides_[2 * static_cast<std::size_t>(memory) + 1], addresses);
  }
  // Ends the cycle: how many more cycles the array has to wait before its next one.
  [[nodiscard]] std::int64_t end_cycle();

 private:
  // Of one memory, reading or writing. What belongs to the running cycle carries its stamp.
  struct Side {
    std::vector<std::uint64_t> seen;  // stamp of each word
    std::vector<std::uint64_t> bank;  // stamp of each bank, above the number of its words
    std::uint64_t most = 0;           // words of the busiest bank
    bool whole = false;               // all accesses of the cycle came at once
  };
  static constexpr int kCountBits = 16;  // more words than an array has rows and columns

  // Where no two accesses fall into one bank, no bank has more than one word, and none has to be remembered.
  void access(Side& side, std::span<const std::int64_t> addresses) {
    if (ports_ == 0 || addresses.empty()) {
      return;
    }
    GUARDBIT_SIM_CHECK(side.most == 0);
    if (one_bit_per_bank_) {
      std::uint64_t used = 0, twice = 0;
      for (const std::int64_t address : addresses) {
        const std::uint64_t bank = std::uint64_t{1} << (static_cast<std::uint64_t>(address) >> word_shift_ & mask_);
        twice |= used & bank;
        used |= bank;
      }
      if (twice == 0) {
        side.most = 1;
        side.whole = true;
        return;
      }
    }
    for (const std::int64_t address : addresses) {
      access(side, address);
    }
    side.whole = true;
  }
  void access(Side& side, std::int64_t address) {
    if (ports_ == 0) {
      return;
    }
    GUARDBIT_SIM_CHECK(!side.whole);
    const auto element = static_cast<std::uint32_t>(address);
    const std::uint32_t word = word_ == 1 ? element : element / word_;
    if (word >= side.seen.size()) {
      side.seen.resize(2 * std::size_t{word} + 1, 0);
    }
    if (side.seen[word] == stamp_) {
      return;
    }
    side.seen[word] = stamp_;
    std::uint64_t& bank = side.bank[mask_ != 0 ? word & mask_ : word % banks_];
    bank = (bank >> kCountBits == stamp_ ? bank : stamp_ << kCountBits) + 1;
    const std::uint64_t words = bank & ((1U << kCountBits) - 1);
    side.most = words > side.most ? words : side.most;
  }

  std::uint32_t banks_ = 1, word_ = 1;
  std::uint32_t mask_ = 0;  // banks - 1 where that takes the remainder, else 0
  bool one_bit_per_bank_ = false;  // words and banks are powers of two, and there are at most 64 banks
  int word_shift_ = 0;             // log2 of a word where that is so
  std::uint64_t ports_ = 0, stamp_ = 1;
  std::array<Side, 2 * kMemories> sides_;
};

}  // namespace guardbit::sim
