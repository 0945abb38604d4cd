// Requantize stages prepared for blocks of 64-bit values: every stage is one loop over a row of channels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arith/detail/lane_kernel.hpp"
#include "arith/round.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith::detail {

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
  std::vector<std::int64_t> parameter;  // [channels]
  Rounding rounding = Rounding::TRN;
  std::int64_t low = INT64_MIN;
  std::int64_t high = INT64_MAX;
  std::size_t stage = 0;  // whose count it adds to
};

struct StageProgram {
  std::vector<StageOp> ops;
  std::int64_t input_low = 0;  // inputs for which no intermediate value leaves 64 bits
  std::int64_t input_high = -1;
};

// Null when a stage has no 64-bit form (scale, SAT_ZERO, WRAP_SM, saturated bits, unsigned 64-bit formats). Throws
// Error for parameters that check_stages refuses.
[[nodiscard]] std::optional<StageProgram> compile_stages(const StageList& stages, std::int64_t channels);

// Runs all ops on values of the channels first_channel ... + count; adds to changed[stage].
void run_program(const StageProgram& program, std::int64_t* values, std::int64_t first_channel, std::int64_t count,
                 std::uint64_t* changed, Isa isa);

// The most bits an input may have so that every intermediate value fits 64 bits; 0 if none. Throws Error for
// parameters that check_stages refuses.
[[nodiscard]] int safe_input_bits(const StageList& stages, std::int64_t channels);

}  // namespace guardbit::arith::detail
