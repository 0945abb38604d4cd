// What every engine does around its operators: checks of what it is given, empty results, merging of evidence.
#pragma once

#include "nets/engines/engine.hpp"

namespace guardbit::nets {

// One accumulation per layer; input [N, H, W, C] of the network's input, every code within the input format.
// Assumes that check(network) has passed.
void check_run(const IntegerNetwork& network, const std::vector<arith::Accumulation>& accumulations,
               const IntTensor& input);

// Codes of the layer's shape (zero) and stage counts of the right size.
[[nodiscard]] LayerResult empty_result(const IntegerLayer& layer, std::int64_t images);

// Adds the evidence and cost of another run over other images of the same set. Codes and accumulators are appended
// when both have them, else dropped, so that batches can be run one after the other.
void merge(RunResult& into, RunResult&& other);

}  // namespace guardbit::nets
