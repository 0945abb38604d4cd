#include "sim/detail/bank_schedule.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <span>

#include "sim/detail/feeder.hpp"

namespace guardbit::sim {
namespace {

class BankSchedule {
 public:
  // Of one layer; the state must live as long.
  explicit BankSchedule(const LayerState& state);
  // Cycles by which bank conflicts lengthen this pass.
  [[nodiscard]] std::int64_t waits(const Fold& fold);

 private:
  using Demand = std::vector<std::int64_t>;  // of each cycle: how many cycles its words take
  using Key = std::vector<std::int64_t>;     // everything that addresses depend on
  // Address of element (time, lane), or -1: not accessed.
  using Address = std::function<std::int64_t(std::int64_t time, std::int64_t lane)>;

  // Lane l accesses its element of time t in cycle t + l (skewed) or t.
  [[nodiscard]] Demand demand(std::int64_t times, std::int64_t lanes, bool skewed, const Address& address);
  [[nodiscard]] std::int64_t count_cycle(std::span<const std::int64_t> addresses);

  [[nodiscard]] const Demand& activations(const Fold& fold);
  [[nodiscard]] const Demand& weights(const Fold& fold);
  [[nodiscard]] const Demand& sums(const Fold& fold);
  [[nodiscard]] std::int64_t relative(std::int64_t address) const { return address % (banks_ * word_); }

  const LayerState& state_;
  const Machine& machine_;
  std::int64_t banks_, word_, ports_;
  std::map<Key, Demand> activations_, weights_, sums_;

  // Of the cycle being counted, told from older ones by a stamp: words seen, and how many of each bank.
  struct Bank {
    std::uint64_t stamp = 0;
    std::int64_t words = 0;
  };
  std::uint64_t stamp_ = 0;
  std::vector<std::uint64_t> seen_;
  std::vector<Bank> of_bank_;
  std::vector<std::int64_t> cycle_addresses_;
};

BankSchedule::BankSchedule(const LayerState& state)
    : state_(state),
      machine_(*state.machine),
      banks_(machine_.scratchpads.banks),
      word_(machine_.scratchpads.word),
      ports_(machine_.scratchpads.ports),
      of_bank_(static_cast<std::size_t>(banks_)) {}

// Cycles that one cycle's words take: the fullest bank, ports at a time.
std::int64_t BankSchedule::count_cycle(std::span<const std::int64_t> addresses) {
  ++stamp_;
  std::int64_t most = 0;
  for (const std::int64_t address : addresses) {
    const auto word = static_cast<std::size_t>(address / word_);
    if (word >= seen_.size()) {
      seen_.resize(2 * word + 1, 0);
    }
    if (seen_[word] == stamp_) {
      continue;
    }
    seen_[word] = stamp_;
    Bank& bank = of_bank_[word % of_bank_.size()];
    bank = bank.stamp == stamp_ ? Bank{stamp_, bank.words + 1} : Bank{stamp_, 1};
    most = std::max(most, bank.words);
  }
  return (most + ports_ - 1) / ports_;
}

BankSchedule::Demand BankSchedule::demand(std::int64_t times, std::int64_t lanes, bool skewed, const Address& address) {
  Demand result;
  for (std::int64_t cycle = 0; cycle < times + (skewed ? lanes - 1 : 0); ++cycle) {
    cycle_addresses_.clear();
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const std::int64_t time = skewed ? cycle - lane : cycle;
      const std::int64_t at = time >= 0 && time < times ? address(time, lane) : -1;
      if (at >= 0) {
        cycle_addresses_.push_back(at);
      }
    }
    result.push_back(count_cycle(cycle_addresses_));
  }
  return result;
}

// Streamed: of a weight- or output-stationary pass, by time. Loaded: of an input-stationary pass, by array row.
const BankSchedule::Demand& BankSchedule::activations(const Fold& fold) {
  const Box &in = fold.input.box, &out = fold.outputs;
  const Key key{fold.input.address, in.h.begin, in.h.end, in.w.begin, in.w.end, in.c.begin, in.c.end,
                out.h.begin, out.h.end, out.w.begin, out.w.end, fold.m.begin, fold.m.end, fold.k.begin, fold.k.end};
  const auto [found, added] = activations_.try_emplace(key);
  if (!added) {
    return found->second;
  }
  std::vector<std::int64_t> addresses;
  gather_addresses(state_, fold, addresses);
  const std::int64_t pixels = fold.m.size(), depth = fold.k.size();
  const auto of = [&](std::int64_t m, std::int64_t k) { return addresses[static_cast<std::size_t>(m * depth + k)]; };
  switch (machine_.array.dataflow) {
    case Dataflow::WeightStationary:
      found->second = demand(pixels, depth, true, [&](auto time, auto row) { return of(time, row); });
      break;
    case Dataflow::OutputStationary:
      found->second = demand(depth, pixels, true, [&](auto time, auto row) { return of(row, time); });
      break;
    case Dataflow::InputStationary:
      found->second = demand(depth, pixels, false, [&](auto k, auto column) { return of(column, k); });
      break;
  }
  return found->second;
}

const BankSchedule::Demand& BankSchedule::weights(const Fold& fold) {
  const std::int64_t base = relative(fold.weights), depth = fold.k.size(), channels = fold.n.size();
  const auto [found, added] = weights_.try_emplace(Key{base, depth, channels});
  if (!added) {
    return found->second;
  }
  const auto of = [&](std::int64_t k, std::int64_t n) { return base + k * channels + n; };
  switch (machine_.array.dataflow) {
    case Dataflow::WeightStationary:
      found->second = demand(depth, channels, false, [&](auto k, auto column) { return of(k, column); });
      break;
    case Dataflow::OutputStationary:
      found->second = demand(depth, channels, true, [&](auto time, auto column) { return of(time, column); });
      break;
    case Dataflow::InputStationary:
      found->second = demand(channels, depth, true, [&](auto time, auto row) { return of(row, time); });
      break;
  }
  return found->second;
}

// Read at the top and, `rows` later, written at the bottom; output stationary: written row by row.
const BankSchedule::Demand& BankSchedule::sums(const Fold& fold) {
  const std::int64_t base = relative(fold.accumulators), pixels = fold.m.size(), channels = fold.n.size();
  const auto [found, added] = sums_.try_emplace(Key{base, pixels, channels});
  if (!added) {
    return found->second;
  }
  const auto of = [&](std::int64_t m, std::int64_t n) { return base + m * channels + n; };
  switch (machine_.array.dataflow) {
    case Dataflow::WeightStationary:
      found->second = demand(pixels, channels, true, [&](auto time, auto column) { return of(time, column); });
      break;
    case Dataflow::OutputStationary:
      found->second = demand(pixels, channels, false, [&](auto row, auto column) { return of(row, column); });
      break;
    case Dataflow::InputStationary:
      found->second = demand(channels, pixels, true, [&](auto time, auto column) { return of(column, time); });
      break;
  }
  return found->second;
}

std::int64_t BankSchedule::waits(const Fold& fold) {
  const bool in_pes = machine_.array.dataflow == Dataflow::OutputStationary;
  const bool inputs_stay = machine_.array.dataflow == Dataflow::InputStationary;
  const Demand &x = activations(fold), &w = weights(fold), &acc = sums(fold);
  const auto at = [](const Demand& demand, std::size_t cycle) { return cycle < demand.size() ? demand[cycle] : 0; };
  std::int64_t waits = 0;
  const auto alone = [&](const Demand& demand) {  // cycles that nothing else shares
    for (const std::int64_t cycles : demand) waits += std::max<std::int64_t>(cycles, 1) - 1;
  };
  if (in_pes) {
    for (std::size_t cycle = 0; cycle < std::max(x.size(), w.size()); ++cycle) {
      waits += std::max<std::int64_t>({at(x, cycle), at(w, cycle), 1}) - 1;
    }
    if (fold.last) {
      alone(acc);
    }
    return waits;
  }
  alone(inputs_stay ? x : w);
  const Demand& streamed = inputs_stay ? w : x;
  const auto rows = static_cast<std::size_t>(machine_.array.rows);
  // With a format of their own, partial sums meet the stored ones at the bottom: read and written in one cycle.
  const std::size_t read = machine_.numerics.psum ? rows : 0;
  for (std::size_t cycle = 0; cycle < std::max(streamed.size(), acc.size() + rows); ++cycle) {
    const std::int64_t reads = fold.first || cycle < read ? 0 : at(acc, cycle - read);
    const std::int64_t writes = cycle < rows ? 0 : at(acc, cycle - rows);
    waits += std::max<std::int64_t>({at(streamed, cycle), reads, writes, 1}) - 1;
  }
  return waits;
}

}  // namespace

std::vector<std::int64_t> bank_waits(const LayerState& state) {
  if (state.machine->scratchpads.ports == 0 || !state.layer->weighted()) {
    return {};
  }
  BankSchedule schedule(state);
  std::vector<std::int64_t> waits;
  for (const Command& command : state.program.commands) {
    const auto* fold = std::get_if<Fold>(&command.operation);
    waits.push_back(fold != nullptr ? schedule.waits(*fold) : 0);
  }
  return waits;
}

}  // namespace guardbit::sim
