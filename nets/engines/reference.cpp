// The reference engine: layer after layer, one thread, nothing clever.
#include "nets/engines/evidence.hpp"
#include "nets/engines/reference_ops.hpp"

namespace guardbit::nets {

void reference::run_layer(const Context& context, LayerResult& result) {
  switch (context.layer.op) {
    case IntegerOp::Input:
      return;
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected:
      return reference::convolution(context, result);
    case IntegerOp::Add:
      return reference::add(context, result);
    case IntegerOp::Concat:
      return reference::concat(context, result);
    case IntegerOp::MaxPool:
      return reference::max_pool(context, result);
    case IntegerOp::AveragePool:
      return reference::average_pool(context, result);
    case IntegerOp::Requantize:
      return reference::requantize(context, result);
    case IntegerOp::Pad:
      return reference::pad(context, result);
    case IntegerOp::Softmax:
      return reference::softmax(context, result);
    case IntegerOp::Flatten:
      result.codes.data = context.input().data;
      return;
  }
}

namespace {

class ReferenceEngine final : public Engine {
 public:
  std::string name() const override { return "reference"; }

  RunResult run(const IntegerNetwork& network, const std::vector<arith::Accumulation>& accumulations,
                const IntTensor& input, const RunOptions& options) override {
    check_run(network, accumulations, input);
    RunResult run;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const IntegerLayer& layer = network.layers[i];
      LayerResult result = empty_result(layer, input.shape[0]);
      if (layer.op == IntegerOp::Input) result.codes = input;
      reference::run_layer({network, layer, run, accumulations[i], options}, result);
      run.layers.push_back(std::move(result));
    }
    return run;
  }
};

}  // namespace

std::unique_ptr<Engine> make_reference_engine() { return std::make_unique<ReferenceEngine>(); }

}  // namespace guardbit::nets
