// The rounding and overflow modes. Meaning and spelling are SystemC's (IEEE 1666, 7.10.9.1 and 7.10.9.9), except for
// RND_CONV_ODD, which SystemC does not have. Their text is in arith/mode_names.hpp.
#pragma once

namespace guardbit::arith {

// X(name, meaning)
#define GUARDBIT_ROUNDING_MODES(X)                          \
  X(RND, "nearest, ties toward plus infinity")              \
  X(RND_ZERO, "nearest, ties toward zero")                  \
  X(RND_MIN_INF, "nearest, ties toward minus infinity")     \
  X(RND_INF, "nearest, ties away from zero")                \
  X(RND_CONV, "nearest, ties to even")                      \
  X(TRN, "toward minus infinity")                           \
  X(TRN_ZERO, "toward zero")                                \
  X(RND_CONV_ODD, "nearest, ties to odd")

#define GUARDBIT_OVERFLOW_MODES(X)                                     \
  X(SAT, "saturate to the nearest bound")                              \
  X(SAT_ZERO, "replace by zero")                                       \
  X(SAT_SYM, "saturate to plus or minus the maximum")                  \
  X(WRAP, "drop high bits; n_bits of them stay saturated")             \
  X(WRAP_SM, "sign-magnitude wrap; signed formats only")

enum class Rounding : unsigned char {
#define X(name, meaning) name,
  GUARDBIT_ROUNDING_MODES(X)
#undef X
};

enum class Overflow : unsigned char {
#define X(name, meaning) name,
  GUARDBIT_OVERFLOW_MODES(X)
#undef X
};

}  // namespace guardbit::arith
