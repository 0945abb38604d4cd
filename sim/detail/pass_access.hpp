// The accesses of one pass to the on-chip memories, in the cycle in which they are made: told to the banks, which may
// make the array wait, and to the record of what is read at all.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sim/bank.hpp"
#include "sim/live_bytes.hpp"

namespace guardbit::sim {

// Elements of one cycle, a lane of the array each: the first, the distance to the next, how many.
struct Lanes {
  std::int64_t first = 0, step = 0, count = 0;
};

// Indices count from the beginning of the pass: operands [m, k], weights [k, n], sums [m, n], flat. A cycle has one call
// with Lanes for each kind, or single accesses.
struct PassAccess {
  const Fold* fold = nullptr;
  BankClock* banks = nullptr;
  LiveBytes* live = nullptr;
  std::span<const std::int64_t> activations;  // addresses [m, k]; -1: a padded tap, supplied without an access

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

  void read_activations(const Lanes& lanes) const {
    Addresses buffer;
    std::size_t count = 0;
    std::int64_t at = lanes.first;
    for (std::int64_t i = 0; i < lanes.count; ++i, at += lanes.step) {
      const std::int64_t address = activations[static_cast<std::size_t>(at)];
      buffer[count] = address;
      count += address >= 0 ? 1 : 0;
    }
    read(Memory::Activation, std::span(buffer.data(), count));
  }
  void read_weights(const Lanes& lanes) const {
    Addresses buffer;
    read(Memory::Weight, spread(fold->weights, lanes, buffer));
  }
  void read_sums(const Lanes& lanes) const {
    Addresses buffer;
    read(Memory::Accumulator, spread(fold->accumulators, lanes, buffer));
  }
  void write_sums(const Lanes& lanes) const {
    Addresses buffer;
    const std::span<const std::int64_t> addresses = spread(fold->accumulators, lanes, buffer);
    banks->write(Memory::Accumulator, addresses);
    live->write(Memory::Accumulator, addresses);
  }

 private:
  using Addresses = std::array<std::int64_t, kMaxArraySide>;  // of a cycle; only the lanes in use are written

  static std::span<const std::int64_t> spread(std::int64_t base, const Lanes& lanes, Addresses& buffer) {
    for (std::int64_t i = 0; i < lanes.count; ++i) {
      buffer[static_cast<std::size_t>(i)] = base + lanes.first + i * lanes.step;
    }
    return {buffer.data(), static_cast<std::size_t>(lanes.count)};
  }
  template <class At>  // one address or all of a cycle
  void read(Memory memory, At at) const {
    banks->read(memory, at);
    live->read(memory, at);
  }
};

}  // namespace guardbit::sim
