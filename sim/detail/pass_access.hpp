// The accesses of one pass to the on-chip memories, in the cycle in which they are made: told to the banks, which may
// make the array wait, and to the record of what is read at all.
#pragma once

#include <cstdint>
#include <span>

#include "sim/bank.hpp"
#include "sim/live_bytes.hpp"

namespace guardbit::sim {

struct PassAccess {
  const Fold* fold = nullptr;
  BankClock* banks = nullptr;
  LiveBytes* live = nullptr;
  std::span<const std::int64_t> activations;  // addresses [m, k]; -1: a padded tap, supplied without an access

  // Indices count from the beginning of the pass.
  void read_activation(std::int64_t m, std::int64_t k) const {
    const std::int64_t address = activations[static_cast<std::size_t>(m * fold->k.size() + k)];
    if (address >= 0) {
      read(Memory::Activation, address);
    }
  }
  void read_weight(std::int64_t k, std::int64_t n) const {
    read(Memory::Weight, fold->weights + k * fold->n.size() + n);
  }
  // at: m * channels + n.
  void read_sum(std::int64_t at) const { read(Memory::Accumulator, fold->accumulators + at); }
  void write_sum(std::int64_t at) const {
    banks->write(Memory::Accumulator, fold->accumulators + at);
    live->write(Memory::Accumulator, fold->accumulators + at, 1);
  }

 private:
  void read(Memory memory, std::int64_t address) const {
    banks->read(memory, address);
    live->read(memory, address);
  }
};

}  // namespace guardbit::sim
