// 128-bit integers for exact intermediate results. The alias keeps -Wpedantic quiet in one place.
#pragma once

#include <cstdint>

namespace guardbit::arith {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

}  // namespace guardbit::arith
