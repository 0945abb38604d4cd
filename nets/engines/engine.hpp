// The contract of all engines: the same codes, the same overflow evidence, and (simulators) the same cycles.
//
// `reference` is the executable specification; the others are compared with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

// What one layer cost for all images of a run. Only simulators fill it. Invariants: useful <= issued = useful + padded;
// busy <= cycles; no stall is negative.
struct LayerCost {
  std::uint64_t cycles = 0;             // from the layer's first command to its last
  std::uint64_t array_busy_cycles = 0;  // streaming, fill, drain and weight load
  std::uint64_t weight_load_cycles = 0;
  std::uint64_t fill_drain_cycles = 0;
  std::uint64_t stream_cycles = 0;      // one per row of the streamed operand
  std::uint64_t bank_conflict_cycles = 0;  // the array stands still in a pass until the banks have served it
  std::uint64_t dram_stall_cycles = 0;    // array idle, waiting for data from or to DRAM
  std::uint64_t vector_stall_cycles = 0;  // array idle, waiting for the vector unit
  std::uint64_t injected_stall_cycles = 0;  // cycles that random stalls, asked for, added; else 0
  std::uint64_t vector_busy_cycles = 0;
  std::uint64_t useful_macs = 0;  // of the network
  std::uint64_t padded_macs = 0;  // issued by PEs that hold no useful operand
  std::uint64_t issued_macs = 0;  // rows x columns x stream cycles
  std::uint64_t dram_read_bytes = 0, dram_write_bytes = 0;
  std::uint64_t activation_read_bytes = 0, activation_write_bytes = 0;    // scratchpads
  std::uint64_t weight_read_bytes = 0, weight_write_bytes = 0;
  std::uint64_t accumulator_read_bytes = 0, accumulator_write_bytes = 0;
  // Written and overwritten or left over without having been read: halo and stride loaded in vain.
  std::uint64_t activation_dead_bytes = 0, weight_dead_bytes = 0, accumulator_dead_bytes = 0;
  double energy_pj = 0.0;
  void merge(const LayerCost& other);
  friend bool operator==(const LayerCost&, const LayerCost&) = default;
};

// Every counter above, X(field): what is added, compared and written to JSON, beside energy_pj.
#define GUARDBIT_COST_COUNTERS(X)                                                                              \
  X(cycles) X(array_busy_cycles) X(weight_load_cycles) X(fill_drain_cycles) X(stream_cycles)                   \
  X(bank_conflict_cycles) X(dram_stall_cycles) X(vector_stall_cycles) X(injected_stall_cycles)                  \
  X(vector_busy_cycles) X(useful_macs)                                                                         \
  X(padded_macs) X(issued_macs) X(dram_read_bytes) X(dram_write_bytes) X(activation_read_bytes)                \
  X(activation_write_bytes) X(weight_read_bytes) X(weight_write_bytes) X(accumulator_read_bytes)               \
  X(accumulator_write_bytes) X(activation_dead_bytes) X(weight_dead_bytes) X(accumulator_dead_bytes)

struct LayerResult {
  IntTensor codes;          // [N, H, W, C]
  WideTensor accumulators;  // [N, P, Q, K] of weighted layers, when asked for
  arith::AccumulationEvidence accumulation;  // weighted layers
  arith::StageCounts stages;                 // of `stages` (not of input_stages)
  std::optional<LayerCost> cost;
};

struct RunResult {
  std::vector<LayerResult> layers;  // one per layer of the network
};

struct RunOptions {
  int threads = 1;                 // never changes a result
  bool keep_accumulators = false;
  std::int64_t first_image = 0;    // index of input image 0, so that `first` overflows name images of the whole set
};

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // input: codes [N, H, W, C] of the network's input format. accumulations: one per layer (ignored where not weighted).
  // The `output` index of an overflow is ((image * P + p) * Q + q) * K + k.
  [[nodiscard]] virtual RunResult run(const IntegerNetwork& network,
                                      const std::vector<arith::Accumulation>& accumulations, const IntTensor& input,
                                      const RunOptions& options) = 0;
};

[[nodiscard]] std::unique_ptr<Engine> make_reference_engine();
[[nodiscard]] std::unique_ptr<Engine> make_fast_engine();

// The same accumulation for every layer.
[[nodiscard]] std::vector<arith::Accumulation> uniform(const IntegerNetwork& network,
                                                       const arith::Accumulation& accumulation);

}  // namespace guardbit::nets
