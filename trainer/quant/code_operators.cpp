#include "trainer/quant/code_operators.hpp"

namespace guardbit::trainer {

InputCodes input_codes(const nets::IntegerNetwork& network) {
  const nets::Preprocess& preprocess = network.preprocess;
  InputCodes input{.pixel_scale = preprocess.scale, .mean = {}, .deviation = {},
                   .codes = nets::input_code_table(network), .reals = {}};
  for (int c = 0; c < network.layer(0).shape.c; ++c) {
    const auto of = [c](const std::vector<double>& list) {
      return list[list.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    };
    input.mean.push_back(of(preprocess.mean));
    input.deviation.push_back(of(preprocess.std));
    for (int pixel = 0; pixel < 256; ++pixel)
      input.reals.push_back((pixel * preprocess.scale - input.mean.back()) / input.deviation.back());
  }
  return input;
}

void quantize_gradient(Backend& backend, CodeOperators& operators, const QuantizerChain& chain, bool due,
                       const RandomKey& key, const TensorView& x, const ChainWatch& watch) {
  for (const auto& quantizer : chain.all()) {
    if (!quantizer->enabled()) continue;
    if (quantizer->wants_update(due)) quantizer->update(operators.observe(*quantizer, Activation::None, x));
    std::vector<double> before;
    if (watch) before = download_double(backend, x);
    operators.round(*quantizer, key, x);
    if (watch) watch(*quantizer, std::move(before), download_double(backend, x));
  }
}

void quantize_gradient(const QuantizerChain& chain, bool due, const RandomKey& key, std::vector<double>& x,
                       const ChainWatch& watch) {
  for (const auto& quantizer : chain.all()) {
    if (!quantizer->enabled()) continue;
    if (quantizer->wants_update(due)) {
      Observation seen = quantizer->observation();
      seen.observe(x);
      quantizer->update(seen);
    }
    std::vector<double> before;
    if (watch) before = x;
    quantizer->forward(x, x, key, 0);
    if (watch) watch(*quantizer, std::move(before), x);
  }
}

}  // namespace guardbit::trainer
