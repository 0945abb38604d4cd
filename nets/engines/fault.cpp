// Fault injection.
#include "nets/engines/fault.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

void swap_rounding(IntegerLayer& layer) {
  for (auto stage = layer.stages.rbegin(); stage != layer.stages.rend(); ++stage) {
    auto* shift = std::get_if<arith::ShiftRight>(&*stage);
    if (shift == nullptr) continue;
    const auto& bits = shift->bits.values;
    if (std::all_of(bits.begin(), bits.end(), [](std::int64_t b) { return b == 0; })) continue;
    shift->rounding = shift->rounding == arith::Rounding::TRN ? arith::Rounding::RND_INF : arith::Rounding::TRN;
    return;
  }
  throw Error(fmt::format("layer {}: no shift_right stage whose rounding could be swapped", layer.name));
}

void skip_step(IntegerLayer& layer) {
  const auto weight = std::find_if(layer.weight.data.begin(), layer.weight.data.end(), [](auto w) { return w != 0; });
  if (weight == layer.weight.data.end()) throw Error(fmt::format("layer {}: no non-zero weight to skip", layer.name));
  *weight = 0;
}

}  // namespace

Fault parse_fault(std::string_view text) {
  for (const Fault fault : {Fault::None, Fault::SwapRounding, Fault::SkipStep}) {
    if (text == name(fault)) return fault;
  }
  throw Error(fmt::format("fault: found '{}', allowed none, rounding, skip_step", text));
}

std::string_view name(Fault fault) {
  switch (fault) {
    case Fault::None:
      return "none";
    case Fault::SwapRounding:
      return "rounding";
    case Fault::SkipStep:
      return "skip_step";
  }
  __builtin_unreachable();
}

IntegerNetwork inject(const IntegerNetwork& network, Fault fault, const std::string& layer_name) {
  IntegerNetwork broken = network;
  const auto layer = std::find_if(broken.layers.begin(), broken.layers.end(), [&](const IntegerLayer& l) {
    return layer_name.empty() ? l.weighted() : l.name == layer_name;
  });
  if (layer == broken.layers.end() || !layer->weighted()) {
    throw Error(fmt::format("fault {}: no weighted layer {} in network {}", name(fault), layer_name, network.name));
  }
  if (fault == Fault::SwapRounding) swap_rounding(*layer);
  if (fault == Fault::SkipStep) skip_step(*layer);
  return broken;
}

}  // namespace guardbit::nets
