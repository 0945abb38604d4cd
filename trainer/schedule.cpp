#include "trainer/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace guardbit::trainer {

namespace {

// From `from` at 0 to `to` at 1 along half a cosine.
double half_cosine(double from, double to, double share) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0))) / 2;
}

double one_cycle(const LearningRate& l, double share) {
  if (share < l.rise) return l.rate * half_cosine(l.start, 1, share / l.rise);
  return l.rate * half_cosine(1, l.final, (share - l.rise) / (1 - l.rise));
}

// Cycles of epochs, epochs * growth, ...; `epoch` from the end of the warm-up.
double sgdr(const LearningRate& l, double epoch) {
  double length = l.epochs;
  while (epoch >= length) {
    epoch -= length;
    length *= l.growth;
  }
  return l.rate * half_cosine(1, l.final, epoch / length);
}

// What lies between two milestones.
struct Segment {
  double share;  // 0 to 1: how far into it
  double rate;   // at its begin
};

Segment segment_of(const LearningRate& l, double epoch, double total) {
  double begin = l.warm_up, end = total, rate = l.rate;
  for (const double milestone : l.milestones) {
    if (epoch < milestone) {
      end = milestone;
      break;
    }
    begin = milestone;
    rate *= l.factor;
  }
  return {end > begin ? std::min(1.0, (epoch - begin) / (end - begin)) : 1, rate};
}

}  // namespace

double LearningRate::at(double epoch, double total) const {
  if (policy == Policy::OneCycle) return one_cycle(*this, epoch / total);
  if (epoch < warm_up) return rate * (warm_up_factor + (1 - warm_up_factor) * epoch / warm_up);
  const double share = total > warm_up ? std::min(1.0, (epoch - warm_up) / (total - warm_up)) : 1;
  switch (policy) {
    case Policy::Constant:
    case Policy::OneCycle: return rate;
    case Policy::Step: return rate * std::pow(factor, std::floor(epoch / epochs));
    case Policy::MultiStep: {
      const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](double m) { return epoch >= m; });
      return rate * std::pow(factor, static_cast<double>(passed));
    }
    case Policy::Exponential: return rate * std::pow(factor, epoch / epochs);
    case Policy::Polynomial: {
      const Segment at = segment_of(*this, epoch, total);
      return at.rate * (final + (1 - final) * std::pow(1 - at.share, power));
    }
    case Policy::Cosine: return rate * half_cosine(1, final, share);
    case Policy::Sgdr: return sgdr(*this, epoch - warm_up);
    case Policy::SgdrStep: {
      const Segment at = segment_of(*this, epoch, total);
      return at.rate * half_cosine(1, final, at.share);
    }
  }
  return rate;
}

LearningRate read_learning_rate(const nets::Section& section) {
  LearningRate l;
  if (!section.has("learning_rate")) section.number("learning_rate", 0, 1e6);
  if (!section.raw("learning_rate").is_map()) {
    l.rate = section.number("learning_rate", 0, 1e6);
    return l;
  }
  const nets::Section s(section.section("learning_rate"));
  l.policy = s.one_of<Policy>("policy", {{"constant", Policy::Constant}, {"step", Policy::Step},
                                         {"multi_step", Policy::MultiStep}, {"exponential", Policy::Exponential},
                                         {"polynomial", Policy::Polynomial}, {"cosine", Policy::Cosine},
                                         {"one_cycle", Policy::OneCycle}, {"sgdr", Policy::Sgdr},
                                         {"sgdr_step", Policy::SgdrStep}, {"fix", Policy::Constant},
                                         {"decay", Policy::Step}, {"fix_step", Policy::Step},
                                         {"custom_step", Policy::MultiStep}, {"poly", Policy::Polynomial},
                                         {"cos", Policy::Cosine}}, Policy::Constant);
  const bool each_epoch = s.text("policy", "") == "decay";
  l.rate = s.number("rate", 0, 1e6);
  if (l.policy == Policy::OneCycle) {
    l.rise = s.number("rise", 0.001, 0.999, l.rise);
    l.start = s.number("start", 0, 1, l.start);
    l.final = s.number("final", 0, 1, 1e-4);
    return l;
  }
  l.warm_up = s.number("warm_up", 0, 1e6, l.warm_up);
  l.warm_up_factor = s.number("warm_up_factor", 0, 1, l.warm_up_factor);
  if (l.policy == Policy::Step || l.policy == Policy::MultiStep || l.policy == Policy::Exponential)
    l.factor = s.number("factor", 0, 1, l.factor);
  if (l.policy == Policy::SgdrStep || l.policy == Policy::Polynomial) l.factor = s.number("factor", 0, 1, 1.0);
  if (l.policy == Policy::Step && !each_epoch) l.epochs = s.number("epochs", 1e-6, 1e6);
  if (l.policy == Policy::Sgdr) {
    l.epochs = s.number("epochs", 1e-3, 1e6);
    l.growth = s.number("growth", 1, 100, l.growth);
  }
  if (l.policy == Policy::Exponential) l.epochs = s.number("epochs", 1e-6, 1e6, l.epochs);
  if (l.policy == Policy::Polynomial) l.milestones = s.numbers("milestones", 0, 1e6, l.milestones);
  if (l.policy == Policy::MultiStep || l.policy == Policy::SgdrStep) l.milestones = s.numbers("milestones", 0, 1e6);
  if (l.policy == Policy::MultiStep || l.policy == Policy::SgdrStep || l.policy == Policy::Polynomial) {
    if (!std::is_sorted(l.milestones.begin(), l.milestones.end()))
      s.fail("milestones", "epochs out of order", "rising epochs");
  }
  if (l.policy == Policy::Polynomial) l.power = s.number("power", 0, 100, l.power);
  if (l.policy == Policy::Polynomial || l.policy == Policy::Cosine || l.policy == Policy::Sgdr ||
      l.policy == Policy::SgdrStep)
    l.final = s.number("final", 0, 1, l.final);
  return l;
}

}  // namespace guardbit::trainer
