// The expressions of `!arith`: Python's arithmetic, without names other than the functions below.
//
//   or  and  not   < <= > >= == !=  (chained)   ^ (bitwise xor)   + -   * / // %   unary + -   ** (right to left)
//   A if C else B (both are evaluated), parentheses, integers (decimal, 0x, 0b), decimals, true, false
//   abs min max int float round, math.sqrt ceil floor log log2 log10 exp, math.pi
// Integers stay integers (64 bits; beyond is an error), except that `/` always gives a decimal. `//` and `%` floor.
// `round` takes ties to even. log, exp and fractional powers are computed in 80-bit precision and rounded once.
#pragma once

#include <string>

#include "nets/config/config.hpp"

namespace guardbit::nets {

/// A Boolean, Integer or Number. `where` begins the text of the Error on a bad expression.
Value evaluate_arith(const std::string& expression, const std::string& where);

}  // namespace guardbit::nets
