// The simulated machine behind the contract of all engines.
//
// tile:  one event per command; values through the arithmetic kernels, durations by formula. The default.
// array: the PE array stepped cycle by cycle, every PE register a number; durations are counted, not computed.
// pe:    one module per PE, one clocked process each, signals between neighbours: for waveforms, on arrays of up to
//        16 x 16 PEs.
// All give the same codes, accumulators, evidence and costs.
//
// SystemC elaborates once per process, so the modules exist once and are set up again for every job: engines of many
// machines may live side by side, but run() calls must not overlap. RunOptions::threads has no effect.
// run() checks that the machine and the network fit (check_compatible, map_network) and that the accumulations are
// those of the machine; Error if not. The copyright line of SystemC is not printed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "nets/engines/engine.hpp"
#include "sim/machine.hpp"
#include "sim/observer.hpp"

namespace guardbit::sim {

// `observer` may be null and must outlive the engine. With `stall_seed`, random stalls in every unit (sim/stall.hpp):
// only LayerCost::cycles and injected_stall_cycles differ from a run without.
[[nodiscard]] std::unique_ptr<nets::Engine> make_tile_engine(const Machine& machine, Observer* observer = nullptr,
                                                             std::optional<std::uint64_t> stall_seed = {});
[[nodiscard]] std::unique_ptr<nets::Engine> make_array_engine(const Machine& machine, Observer* observer = nullptr,
                                                              std::optional<std::uint64_t> stall_seed = {});
// Error if the array is larger than 16 x 16.
[[nodiscard]] std::unique_ptr<nets::Engine> make_pe_engine(const Machine& machine, Observer* observer = nullptr,
                                                           std::optional<std::uint64_t> stall_seed = {});
// The check alone.
void check_pe_machine(const Machine& machine);

}  // namespace guardbit::sim
