// Text form of number formats.
#pragma once

#include <string>
#include <string_view>

#include "arith/mode_names.hpp"
#include "arith/number_format.hpp"

namespace guardbit::arith {

// Canonical text form: `int8`, `uint4` (SAT is the default overflow mode of an integer), `int<20,WRAP>`,
// `fixed<W,I,RND_CONV,SAT>`, `ufixed<8,0,RND,SAT>`, `fixed<W,I,TRN,WRAP,2>` (n_bits), `float`, `float16`, `bfloat16`,
// `e4m3`, `e5m2`, `e4m3<TRN_ZERO,SAT>`, `minifloat<E,M>`, `minifloat<E,M,BIAS,IEEE,RND_ZERO,SAT>`, `pow2<E,BIAS>`,
// `bipolar`. Minifloats round by RND_CONV unless they say otherwise.
[[nodiscard]] std::string to_string(const Format& format);

// Inverse of to_string; also takes spaces, `int<8>` for `int8`, `fixed<W,I>` (SystemC's defaults TRN, WRAP), `ternary`
// for `int<2,SAT_SYM>` and `binary` for `bipolar`. Throws Error with the text, what is wrong in it and what is allowed
// (width 1..64, WRAP_SM for signed formats only, minifloats whose numbers are all exact in binary64).
[[nodiscard]] Format parse_format(std::string_view text);

}  // namespace guardbit::arith
