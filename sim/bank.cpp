#include "sim/bank.hpp"

#include <algorithm>
#include <bit>

namespace guardbit::sim {

void BankClock::configure(const Machine::Scratchpads& scratchpads) {
  const auto banks = static_cast<std::uint32_t>(scratchpads.banks), word = static_cast<std::uint32_t>(scratchpads.word);
  ports_ = static_cast<std::uint64_t>(scratchpads.ports);
  ++stamp_;
  for (Side& side : sides_) {
    side.most = 0;
    side.whole = false;
  }
  if (banks == banks_ && word == word_ && !sides_[0].bank.empty()) {
    return;
  }
  banks_ = banks;
  word_ = word;
  mask_ = (banks & (banks - 1)) == 0 ? banks - 1 : 0;
  one_bit_per_bank_ = std::has_single_bit(banks) && banks <= 64 && std::has_single_bit(word);
  word_shift_ = std::countr_zero(word);
  for (Side& side : sides_) {
    side = {};
    side.bank.assign(banks, 0);
  }
}

std::int64_t BankClock::end_cycle() {
  std::uint64_t most = 0;
  for (Side& side : sides_) {
    most = std::max(most, side.most);
    side.most = 0;
    side.whole = false;
  }
  ++stamp_;
  return most <= ports_ || ports_ == 0 ? 0 : static_cast<std::int64_t>((most + ports_ - 1) / ports_ - 1);
}

}  // namespace guardbit::sim
