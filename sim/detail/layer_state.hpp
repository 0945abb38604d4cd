// One layer of a run as the modules see it: constants prepared once, used for every image.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"
#include "nets/quantize/softmax_table.hpp"
#include "sim/gemm_view.hpp"
#include "sim/machine.hpp"
#include "sim/program.hpp"

namespace guardbit::sim {

// The input stages of add and concat. Their counts are not evidence of the layer, and operands have few codes, so a
// table answers where no parameter depends on the channel.
class InputStages {
 public:
  InputStages(const arith::StageList& stages, const arith::Format& codes);
  [[nodiscard]] std::int64_t operator()(std::int32_t code, std::int64_t channel) const {
    return table_.empty() ? compute(code, channel) : table_[static_cast<std::size_t>(code - lowest_)];
  }

 private:
  [[nodiscard]] std::int64_t compute(std::int32_t code, std::int64_t channel) const;
  const arith::StageList* stages_;
  std::int32_t lowest_ = 0;
  std::vector<std::int64_t> table_;
};

struct LayerState {
  const Machine* machine = nullptr;
  const nets::IntegerNetwork* network = nullptr;
  const nets::IntegerLayer* layer = nullptr;
  LayerProgram program;
  std::vector<nets::Shape> inputs;  // shapes of the inputs as the layer's boxes see them

  // Weighted layers only.
  GemmView view;
  arith::Accumulation accumulation;
  std::int64_t zero_point = 0;       // of the input
  std::vector<std::int32_t> weights;  // DRAM image [group][k][n]
  std::vector<std::int64_t> bias;     // [K]; zeros when the layer has none
  std::int64_t magnitude = 0;         // no exact running sum, bias included, exceeds it
  std::int64_t group_magnitude = 0;   // no exact sum without bias exceeds it

  std::vector<std::int64_t> bank_waits;  // of each command, for the engine that does not play the array; may be empty

  std::unique_ptr<arith::Requantizer> requantizer;  // of `stages`
  std::vector<InputStages> rescale;                 // add and concat: one per input
  std::optional<nets::TableSoftmax> softmax;
};

[[nodiscard]] LayerState prepare_layer(const Machine& machine, const nets::IntegerNetwork& network, int layer);

}  // namespace guardbit::sim
