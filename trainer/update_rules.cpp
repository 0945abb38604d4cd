#include "trainer/update_rules.hpp"

namespace guardbit::trainer {

void RuleUpdate::see(const RuleValues& values) {
  if (values.quantizer == nullptr || !values.quantizer->wants_update(true)) return;
  const auto [at, is_new] = index_.emplace(values.quantizer, seen_.size());
  if (is_new)
    seen_.push_back({values.layer + "/" + std::string(name(values.place)), values.quantizer,
                     values.quantizer->observation()});
  Observation batch = values.quantizer->observation();
  batch.observe(values.before);
  seen_[at->second].values.merge(batch);
}

std::vector<std::string> RuleUpdate::apply() {
  std::vector<std::string> changed;
  for (Seen& seen : seen_) {
    const std::vector<Quantizer::State> state = seen.rule->state();
    std::vector<double> old;
    for (const Quantizer::State& one : state) old.push_back(*one.value);
    for (const Quantizer::State& one : state)
      if (one.name == "ready") *one.value = 0;  // a range is then taken as it is, not averaged with the old one
    seen.rule->update(seen.values);
    const bool nothing_seen = !seen.rule->is_ready();
    bool differs = false;
    for (std::size_t i = 0; i < state.size(); ++i) {
      if (nothing_seen) *state[i].value = old[i];
      differs |= *state[i].value != old[i];
    }
    if (differs) changed.push_back(seen.name);
  }
  return changed;
}

}  // namespace guardbit::trainer
