#include "trainer/graph/host_codes.hpp"

#include <algorithm>

#include "nets/engines/evidence.hpp"
#include "nets/engines/fast_ops.hpp"
#include "nets/engines/reference_ops.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

arith::Accumulation exact_accumulation(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer) {
  if (!layer.weighted()) return {};
  const int widest = std::max(layer.weight_format.width, network.layer(layer.inputs[0]).output.format.width);
  arith::Accumulation result;
  if (widest > 8) result.accumulator.format = arith::integer_format(64, true, arith::Overflow::WRAP);
  return result;
}

std::unique_ptr<CodeOperators> HostBackend::make_code_operators(const nets::IntegerNetwork& network,
                                                                const InputCodes& input, std::int64_t) {
  return std::make_unique<HostCodes>(HostLoops{threads(), element_bytes(Element::Real) == sizeof(double)}, network,
                                     input);
}

void HostCodes::input(const TensorView& x) {
  run_.layers.clear();
  run_.layers.push_back(nets::empty_result(network_.layer(0), x.n));
  codes_of_input(loops_, input_, network_.layer(0).output, x, run_.layers[0].codes);
}

void HostCodes::run(int layer, bool keep) {
  run_.layers.back().accumulators = {};
  const nets::IntegerLayer& one = network_.layer(layer);
  const nets::RunOptions options{.threads = loops_.threads, .keep_accumulators = keep, .first_image = 0};
  const arith::Accumulation accumulation = exact_accumulation(network_, one);
  nets::LayerResult result = nets::empty_result(one, run_.layers[0].codes.shape[0]);
  if (loops_.wide) nets::reference::run_layer({network_, one, run_, accumulation, options}, result);
  else nets::fast::run_layer({network_, one, run_, accumulation, options}, result);
  run_.layers.push_back(std::move(result));
}

void HostCodes::accumulators_to_real(int layer, const std::vector<double>& scales, const TensorView& y) {
  trainer::accumulators_to_real(loops_, of(layer).accumulators, scales, y);
}

void HostCodes::requantize(int layer) {
  const nets::IntegerLayer& one = network_.layer(layer);
  nets::LayerResult& result = of(layer);
  arith::StageCounts counts;
  counts.changed.resize(one.stages.size());
  const std::int64_t k = one.shape.c;
  const arith::Requantizer requantizer(one.stages, k);
  requantizer.apply(result.accumulators.data.data(), k, result.codes.data.data(), k, result.codes.count() / k, 0, k,
                    counts);
}

void HostCodes::dequantize(int layer, const TensorView& y) {
  trainer::dequantize(loops_, of(layer).codes, network_.layer(layer).output, y);
}

Observation HostCodes::observe(const Quantizer& quantizer, Activation activation, const TensorView& x) {
  return trainer::observe(loops_, quantizer, activation, x);
}
ChannelMoments HostCodes::channel_moments(const TensorView& x) { return trainer::channel_moments(loops_, x); }
double HostCodes::activation_backward(const Quantizer& quantizer, Activation activation, const TensorView& x,
                                      const TensorView& y, const TensorView& dy) {
  return trainer::activation_backward(loops_, quantizer, activation, x, y, dy);
}
void HostCodes::round(const Quantizer& quantizer, const RandomKey& key, const TensorView& x) {
  trainer::round(loops_, quantizer, key, x);
}

}  // namespace guardbit::trainer
