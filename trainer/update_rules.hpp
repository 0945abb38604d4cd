// The state of rules estimated again from values that were seen, over any number of batches together: points from all
// overflows, ranges from the smallest and largest value of all (no average). SPEC 2.1's action `update`.
#pragma once

#include <map>

#include "trainer/quant/rule_values.hpp"

namespace guardbit::trainer {

class RuleUpdate {
 public:
  void see(const RuleValues& values);
  /// Rules without state that data estimate, with numbers that the optimizer trains, or with should_update: false stay
  /// as they are; so do those that saw nothing but zeros. Returns the names, LAYER/PLACE, of those whose state changed.
  std::vector<std::string> apply();

 private:
  struct Seen {
    std::string name;
    Quantizer* rule = nullptr;
    Observation values;
  };
  std::vector<Seen> seen_;  // in the order in which they were first shown
  std::map<const Quantizer*, std::size_t> index_;
};

}  // namespace guardbit::trainer
