// Shared by the engines: input checks, empty results, merging.
#include "nets/engines/evidence.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

template <class T>
void append(Tensor<T>& into, Tensor<T>&& other) {
  if (into.shape.empty() || other.shape.empty()) {
    into = {};
    return;
  }
  into.shape[0] += other.shape[0];
  into.data.insert(into.data.end(), other.data.begin(), other.data.end());
}

}  // namespace

void LayerCost::merge(const LayerCost& other) {
#define X(field) field += other.field;
  GUARDBIT_COST_COUNTERS(X)
#undef X
  energy_pj += other.energy_pj;
}

std::vector<arith::Accumulation> uniform(const IntegerNetwork& network, const arith::Accumulation& accumulation) {
  return std::vector<arith::Accumulation>(network.layers.size(), accumulation);
}

void check_run(const IntegerNetwork& network, const std::vector<arith::Accumulation>& accumulations,
               const IntTensor& input) {
  if (accumulations.size() != network.layers.size()) {
    throw Error(fmt::format("network {}: {} accumulations, allowed {} (one per layer)", network.name,
                            accumulations.size(), network.layers.size()));
  }
  for (std::size_t i = 0; i < accumulations.size(); ++i) {
    if (network.layers[i].weighted()) {
      arith::check_accumulation(accumulations[i], fmt::format("layer {}", network.layers[i].name));
    }
  }
  const IntegerLayer& layer = network.layer(0);
  const Shape s = layer.shape;
  if (input.shape.size() != 4 || input.shape[0] < 0 || input.shape[1] != s.h || input.shape[2] != s.w ||
      input.shape[3] != s.c || input.data.size() != static_cast<std::size_t>(input.count())) {
    throw Error(fmt::format("network {}: input of shape [{}], allowed [N, {}, {}, {}]", network.name,
                            fmt::join(input.shape, ", "), s.h, s.w, s.c));
  }
  for (std::size_t i = 0; i < input.data.size(); ++i) {
    if (!layer.output.format.contains(input.data[i])) {
      throw Error(fmt::format("network {}: input element {}: found {}, allowed codes of {}", network.name, i,
                              input.data[i], arith::to_string(layer.output.format)));
    }
  }
}

LayerResult empty_result(const IntegerLayer& layer, std::int64_t images) {
  LayerResult result;
  result.codes = IntTensor({images, layer.shape.h, layer.shape.w, layer.shape.c});
  result.stages.changed.resize(layer.stages.size());
  return result;
}

void merge(RunResult& into, RunResult&& other) {
  if (into.layers.empty()) {
    into = std::move(other);
    return;
  }
  for (std::size_t i = 0; i < into.layers.size(); ++i) {
    LayerResult& a = into.layers[i];
    LayerResult& b = other.layers.at(i);
    append(a.codes, std::move(b.codes));
    append(a.accumulators, std::move(b.accumulators));
    a.accumulation.merge(b.accumulation);
    a.stages.merge(b.stages);
    if (a.cost && b.cost) a.cost->merge(*b.cost);
  }
}

}  // namespace guardbit::nets
