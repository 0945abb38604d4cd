#include "trainer/options.hpp"

#include <algorithm>
#include <thread>

namespace guardbit::trainer {

namespace {

OptimizerSpec read_optimizer(const nets::Section& trainer) {
  const nets::Section s = trainer.section_or_empty("optimizer");
  OptimizerSpec o;
  o.rule = s.one_of<Rule>("type", {{"sgd", Rule::Sgd}, {"adam", Rule::Adam}, {"adamw", Rule::AdamW}}, Rule::Sgd);
  if (o.rule == Rule::Sgd) {
    o.momentum = s.number("momentum", 0, 0.99999, o.momentum);
    o.nesterov = s.boolean("nesterov", o.nesterov);
    return o;
  }
  o.beta1 = s.number("beta1", 0, 0.99999, o.beta1);
  o.beta2 = s.number("beta2", 0, 0.9999999, o.beta2);
  o.epsilon = s.number("epsilon", 1e-20, 1, o.epsilon);
  return o;
}

}  // namespace

int read_threads(const nets::Section& section, int absent) {
  const auto threads = static_cast<int>(section.integer("threads", 0, 1024, absent));
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

TrainOptions read_train_options(const nets::Section& config) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  TrainOptions o;
  o.output = config.text("output", {}, "a folder");
  o.load = config.text("load", "");
  const nets::Section save = config.section_or_empty("save");
  o.save_interval = save.integer("interval", 1, kMany, o.save_interval);
  o.save_keep = save.integer("keep", 1, kMany, o.save_keep);
  const nets::Section t = config.section("trainer");
  o.seed = static_cast<std::uint64_t>(config.integer("seed", 0, INT64_MAX, t.integer("seed", 0, INT64_MAX, 1)));
  o.threads = read_threads(config, static_cast<int>(t.integer("threads", 0, 1024, 0)));
  o.epochs = t.integer("epochs", 1, kMany);
  o.batch_size = t.integer("batch_size", 1, 65536, o.batch_size);
  o.eval_batch = t.integer("eval_batch", 1, 65536, o.eval_batch);
  o.eval_every = t.integer("eval_every", 1, kMany, o.eval_every);
  o.optimizer = read_optimizer(t);
  o.learning_rate = read_learning_rate(t);
  o.weight_decay = t.number("weight_decay", 0, 1, o.weight_decay);
  o.decay_small = t.boolean("decay_small", o.decay_small);
  o.label_smoothing = t.number("label_smoothing", 0, 0.99, o.label_smoothing);
  o.augment = read_augment(t);
  o.clip_norm = t.number("clip_norm", 0, 1e9, o.clip_norm);
  o.average = t.number("average", 0, 0.999999, o.average);
  return o;
}

}  // namespace guardbit::trainer
