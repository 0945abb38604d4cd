// Learning rate over the course of training. Time is counted in epochs and is a real number: step / steps per epoch.
//
//   learning_rate: 0.1                    # constant, or a map:
//   learning_rate:
//     policy: constant | step | multi_step | exponential | polynomial | cosine | one_cycle | sgdr | sgdr_step
//     rate: 0.1                           # after the warm-up; one_cycle: the highest
//     warm_up: 0                          # epochs; linear from warm_up_factor (0.1) * rate. Not for one_cycle
//     factor: 0.1                         # step, multi_step: per step down; exponential: per `epochs`
//     epochs: 30                          # step: between steps; exponential (1); sgdr: length of the first cycle
//     growth: 1                           # sgdr: each cycle is so many times as long as the one before
//     milestones: [60, 80]                # multi_step: steps down; sgdr_step, polynomial: where cycles begin; rising
//     power: 1                            # polynomial; without milestones one cycle, to the end of all
//     final: 0                            # polynomial, cosine, sgdr: final * rate at the end of all, or of a cycle
//     rise: 0.3, start: 0.04, final: 1e-4 # one_cycle: share of rising; first and last rate, as a share of `rate`
//
// Cycles of sgdr (Loshchilov and Hutter, arXiv:1608.03983) are half a cosine from rate to final * rate; those of
// sgdr_step and polynomial begin at factor (1) times the rate of the one before. Other names for the same: fix =
// constant, decay = step with epochs: 1, fix_step = step, custom_step = multi_step, poly = polynomial, cos = cosine.
#pragma once

#include <vector>

#include "nets/config/section.hpp"

namespace guardbit::trainer {

enum class Policy : unsigned char {
  Constant, Step, MultiStep, Exponential, Polynomial, Cosine, OneCycle, Sgdr, SgdrStep
};

struct LearningRate {
  Policy policy = Policy::Constant;
  double rate = 0.01;
  double warm_up = 0, warm_up_factor = 0.1;
  double factor = 0.1, epochs = 1, growth = 1;
  std::vector<double> milestones;
  double power = 1, final = 0;
  double rise = 0.3, start = 0.04;

  /// Rate at `epoch` of a training of `total` epochs.
  [[nodiscard]] double at(double epoch, double total) const;
};

/// Reads key `learning_rate` of `section`.
[[nodiscard]] LearningRate read_learning_rate(const nets::Section& section);

}  // namespace guardbit::trainer
