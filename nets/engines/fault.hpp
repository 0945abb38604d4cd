// Broken devices as data, to prove that a check can fail: an engine that runs an injected network while the others run
// the true one must be caught, with the layer and the first differing coordinate named.
#pragma once

#include <string>
#include <string_view>

#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

enum class Fault : unsigned char {
  None,
  SwapRounding,  // the last shift_right that shifts rounds toward minus infinity (one that already does: ties away)
  SkipStep,      // one product of the reduction is never added: the first non-zero weight is taken as 0
};

// `none`, `rounding` or `skip_step`; anything else is an Error.
[[nodiscard]] Fault parse_fault(std::string_view text);
[[nodiscard]] std::string_view name(Fault fault);

// A copy of `network` whose layer `layer` (empty: the first weighted layer) has the fault. Error when there is no such
// layer or nothing in it to break.
[[nodiscard]] IntegerNetwork inject(const IntegerNetwork& network, Fault fault, const std::string& layer = {});

}  // namespace guardbit::nets
