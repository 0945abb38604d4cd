// The fast engine: layer after layer over the whole batch.
#include "nets/engines/evidence.hpp"
#include "nets/engines/fast_ops.hpp"

namespace guardbit::nets {

void fast::run_layer(const Context& context, LayerResult& result) {
  switch (context.layer.op) {
    case IntegerOp::Input:
      return;
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected:
      return fast::convolution(context, result);
    case IntegerOp::Add:
      return fast::add(context, result);
    case IntegerOp::Concat:
      return fast::concat(context, result);
    case IntegerOp::MaxPool:
      return fast::max_pool(context, result);
    case IntegerOp::AveragePool:
      return fast::average_pool(context, result);
    case IntegerOp::Requantize:
      return fast::requantize(context, result);
    case IntegerOp::Pad:
      return fast::pad(context, result);
    case IntegerOp::Softmax:
      return fast::softmax(context, result);
    case IntegerOp::Flatten:
      result.codes.data = context.input().data;
      return;
  }
}

namespace {

class FastEngine final : public Engine {
 public:
  std::string name() const override { return "fast"; }

  RunResult run(const IntegerNetwork& network, const std::vector<arith::Accumulation>& accumulations,
                const IntTensor& input, const RunOptions& options) override {
    check_run(network, accumulations, input);
    RunResult run;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const IntegerLayer& layer = network.layers[i];
      LayerResult result = empty_result(layer, input.shape[0]);
      if (layer.op == IntegerOp::Input) {
        result.codes = input;
      } else if (input.shape[0] > 0) {
        fast::run_layer({network, layer, run, accumulations[i], options}, result);
      }
      run.layers.push_back(std::move(result));
    }
    return run;
  }
};

}  // namespace

std::unique_ptr<Engine> make_fast_engine() { return std::make_unique<FastEngine>(); }

}  // namespace guardbit::nets
