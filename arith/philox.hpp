// Philox4x32-10, a counter-based random generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC'11). A pure function of counter and key, so that a random number can be named by what it is for (step, tensor,
// element) instead of by how many were drawn before it: the same on every thread, machine and device.
#pragma once

#include <array>
#include <cstdint>

namespace guardbit::arith {

[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                                std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key = {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};  // golden ratio and sqrt(3) - 1
  }
  return counter;
}

// Known answers published with Random123 (kat_vectors).
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) ==
              std::array<std::uint32_t, 4>{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});

// A sequence of random numbers. Key = seed; counter = (index of the block of four words, stream). Streams of one seed
// never overlap. All draws are defined to the bit.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  // The words of block 0, then of block 1, ...
  constexpr std::uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox4x32({low(index_), high(index_), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
      ++index_;
      used_ = 0;
    }
    return block_[used_++];
  }

  // Two words, the low half first.
  constexpr std::uint64_t next_u64() {
    const std::uint64_t low_half = next_u32();
    return low_half | (std::uint64_t{next_u32()} << 32);
  }

  // Uniform in [0, n), without bias: 64-bit draws below 2^64 mod n are refused, the rest taken modulo n. n >= 1.
  constexpr std::uint64_t below(std::uint64_t n) {
    const std::uint64_t refused = (0 - n) % n;
    std::uint64_t draw = next_u64();
    while (draw < refused) {
      draw = next_u64();
    }
    return draw % n;
  }

  // Uniform in [0, 1): the top 53 bits of a 64-bit draw times 2^-53.
  constexpr double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

  // Standard normal by Marsaglia's polar method (both numbers of a pair are used). The logarithm is a fixed series and
  // the square root is IEEE's, so that the bits do not depend on the C library.
  double normal();

 private:
  static constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
  static constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t index_ = 0;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

}  // namespace guardbit::arith
