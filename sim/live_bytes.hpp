// Which elements of the on-chip memories were written and not read since. What is overwritten before anyone read it, or
// is left over at the end of a layer, was moved in vain: dead.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "nets/engines/engine.hpp"
#include "sim/bank.hpp"
#include "sim/detail/layer_state.hpp"

namespace guardbit::sim {

class LiveBytes {
 public:
  void read(Memory memory, std::int64_t address, std::int64_t count) {
    std::vector<std::uint8_t>& unread = part(memory, address + count);
    std::fill_n(unread.begin() + address, count, std::uint8_t{0});
  }
  void read(Memory memory, std::int64_t address) {
    std::vector<std::uint8_t>& unread = unread_[static_cast<std::size_t>(memory)];
    if (static_cast<std::size_t>(address) < unread.size()) {
      unread[static_cast<std::size_t>(address)] = 0;
    }
  }
  void write(Memory memory, std::int64_t address, std::int64_t count) {
    std::vector<std::uint8_t>& unread = part(memory, address + count);
    const auto begin = unread.begin() + address;
    dead_[static_cast<std::size_t>(memory)] += static_cast<std::uint64_t>(std::count(begin, begin + count, 1));
    std::fill_n(begin, count, std::uint8_t{1});
  }
  void read(Memory memory, std::span<const std::int64_t> addresses) {
    std::vector<std::uint8_t>& unread = unread_[static_cast<std::size_t>(memory)];
    const std::span<std::uint8_t> marks(unread);
    for (const std::int64_t address : addresses) {
      if (static_cast<std::size_t>(address) < marks.size()) {
        marks[static_cast<std::size_t>(address)] = 0;
      }
    }
  }
  void write(Memory memory, std::span<const std::int64_t> addresses) {
    std::int64_t end = 0;
    for (const std::int64_t address : addresses) {
      end = std::max(end, address + 1);
    }
    const std::span<std::uint8_t> marks(part(memory, end));
    std::uint64_t dead = 0;
    for (const std::int64_t address : addresses) {
      std::uint8_t& mark = marks[static_cast<std::size_t>(address)];
      dead += mark;
      mark = 1;
    }
    dead_[static_cast<std::size_t>(memory)] += dead;
  }
  // The layer has ended: adds what is dead to `cost`, and forgets everything.
  void finish(const Machine& machine, nets::LayerCost& cost);

 private:
  std::vector<std::uint8_t>& part(Memory memory, std::int64_t end) {
    std::vector<std::uint8_t>& unread = unread_[static_cast<std::size_t>(memory)];
    if (static_cast<std::int64_t>(unread.size()) < end) {
      unread.resize(static_cast<std::size_t>(end), 0);
    }
    return unread;
  }

  std::array<std::vector<std::uint8_t>, kMemories> unread_;
  std::array<std::uint64_t, kMemories> dead_{};
};

// What a command reads and writes, as its program says. (The engine that plays the array tells the accesses of a pass
// one by one instead.)
void touch(LiveBytes& live, const LayerState& state, const Operation& operation);

}  // namespace guardbit::sim
