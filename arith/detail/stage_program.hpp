// Requantize stages prepared for blocks of 64-bit values: every stage is one loop over a block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arith/detail/lane_kernel.hpp"
#include "arith/detail/rounding_terms.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith::detail {

inline constexpr std::int64_t kProgramBlock = 256;  // values per block: 2 KiB, which stays in the first-level cache

struct StageOp {
  enum class Kind : unsigned char {
    Add,         // v + parameter
    Multiply,    // v * parameter
    ShiftRight,  // v / 2^parameter, rounded
    Clamp,       // into [low, high], not counted
    Saturate,    // into [low, high], counted
    Wrap,        // modulo high - low + 1 into [low, high], counted
  };
  Kind kind = Kind::Add;
  // [channels + kProgramBlock], repeating, so that a block may hold several rows of channels.
  std::vector<std::int64_t> parameter = {};
  std::vector<std::int64_t> base = {}, extra = {};  // ShiftRight: rounding_terms.hpp
  RoundingSelect select = RoundingSelect::None;
  std::int64_t low = INT64_MIN;
  std::int64_t high = INT64_MAX;
  std::size_t stage = 0;  // whose count it adds to
};

struct StageProgram {
  std::vector<StageOp> ops;
  std::int64_t input_low = 0;  // inputs for which no intermediate value leaves 64 bits
  std::int64_t input_high = -1;
};

// Null when a stage has no 64-bit form (scale, SAT_ZERO, WRAP_SM, saturated bits, unsigned 64-bit formats, shifts right
// by 63). Throws Error for parameters that check_stages refuses.
[[nodiscard]] std::optional<StageProgram> compile_stages(const StageList& stages, std::int64_t channels);

// Runs all ops on up to kProgramBlock values of the channels first_channel, first_channel + 1, ...; after the last
// channel comes channel 0. Adds to changed[stage]. False, and nothing done, when a value is outside the inputs.
[[nodiscard]] bool run_program(const StageProgram& program, std::int64_t* values, std::int64_t first_channel,
                               std::int64_t count, std::uint64_t* changed, Isa isa);

// The most bits an input may have so that every intermediate value fits 64 bits; 0 if none. Throws Error for
// parameters that check_stages refuses.
[[nodiscard]] int safe_input_bits(const StageList& stages, std::int64_t channels);

}  // namespace guardbit::arith::detail
