#include "sim/bank.hpp"

#include <algorithm>

namespace guardbit::sim {

std::int64_t BankClock::end_cycle() {
  std::int64_t cycles = 1;
  for (std::vector<std::int64_t>& words : words_) {
    if (words.empty()) {
      continue;
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    of_bank_.assign(static_cast<std::size_t>(banks_), 0);
    for (const std::int64_t word : words) {
      const std::int64_t count = ++of_bank_[static_cast<std::size_t>(word % banks_)];
      cycles = std::max(cycles, (count + ports_ - 1) / ports_);
    }
    words.clear();
  }
  return cycles - 1;
}

}  // namespace guardbit::sim
