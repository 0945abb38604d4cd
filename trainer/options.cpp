#include "trainer/options.hpp"

#include <algorithm>
#include <thread>

namespace guardbit::trainer {

namespace {

OptimizerSpec read_optimizer(const nets::Section& trainer) {
  const nets::Section s = trainer.section_or_empty("optimizer");
  OptimizerSpec o;
  o.rule = s.one_of<Rule>("type", {{"sgd", Rule::Sgd}, {"adam", Rule::Adam}, {"adamw", Rule::AdamW},
                                 {"rmsprop", Rule::RmsProp}}, Rule::Sgd);
  if (o.rule == Rule::Sgd) {
    o.momentum = s.number("momentum", 0, 0.99999, o.momentum);
    o.nesterov = s.boolean("nesterov", o.nesterov);
    return o;
  }
  if (o.rule == Rule::RmsProp) {
    o.decay = s.number("decay", 0, 0.9999999, o.decay);
    o.momentum = s.number("momentum", 0, 0.99999, 0.0);
    o.epsilon = s.number("epsilon", 1e-20, 1e6, 1e-10);
    return o;
  }
  o.beta1 = s.number("beta1", 0, 0.99999, o.beta1);
  o.beta2 = s.number("beta2", 0, 0.9999999, o.beta2);
  o.epsilon = s.number("epsilon", 1e-20, 1, o.epsilon);
  return o;
}

// A list and the value for the parameters that it names: both or none.
bool read_custom(const nets::Section& t, const char* list_key, const char* key, double max,
                 std::vector<std::string>& list, double& value) {
  list = t.texts(list_key, std::vector<std::string>{});
  if (list.empty()) return false;  // the value is then an unknown key
  for (const std::string& part : list)
    if (part.empty()) t.fail(list_key, "an empty text", "parts of the names of parameters");
  value = t.number(key, 0, max);
  return true;
}

}  // namespace

int read_threads(const nets::Section& section, int absent) {
  const auto threads = static_cast<int>(section.integer("threads", 0, 1024, absent));
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::string read_device(const nets::Section& trainer) {
  return trainer.choice("device", {"auto", "cpu", "cuda", "cuda_tf32"}, "auto");
}

TrainOptions read_train_options(const nets::Section& config) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  TrainOptions o;
  o.output = config.text("output", {}, "a folder");
  o.load = config.text("load", "");
  if (o.load == "false") o.load.clear();
  const nets::Section save = config.section_or_empty("save");
  o.save_interval = save.integer("interval", 1, kMany, o.save_interval);
  o.save_keep = save.integer("keep", 1, kMany, o.save_keep);
  o.save_best = save.boolean("best", o.save_best);
  const nets::Section t = config.section("trainer");
  o.seed = static_cast<std::uint64_t>(config.integer("seed", 0, INT64_MAX, t.integer("seed", 0, INT64_MAX, 1)));
  o.threads = read_threads(config, static_cast<int>(t.integer("threads", 0, 1024, 0)));
  o.device = read_device(t);
  o.epochs = t.integer("epochs", 1, kMany);
  o.batch_size = t.integer("batch_size", 1, 65536, o.batch_size);
  o.eval_batch = t.integer("eval_batch", 1, 65536, o.eval_batch);
  o.eval_every = t.integer("eval_every", 1, kMany, o.eval_every);
  o.optimizer = read_optimizer(t);
  o.learning_rate = read_learning_rate(t);
  o.weight_decay = t.number("weight_decay", 0, 1, o.weight_decay);
  o.decay_small = t.boolean("decay_small", o.decay_small);
  read_custom(t, "custom_decay_list", "custom_decay", 1, o.custom_decay_list, o.custom_decay);
  if (read_custom(t, "custom_lr_list", "custom_lr", 1e6, o.custom_lr_list, o.custom_lr)) {
    o.custom_lr_constant = t.boolean("custom_lr_constant", o.custom_lr_constant);
    if (o.learning_rate.rate <= 0) t.fail("learning_rate", "0", "more than 0 beside custom_lr");
  }
  o.accumulate = t.integer("accumulate", 1, 65536, o.accumulate);
  o.mixup = t.number("mixup", 0, 1000, o.mixup);
  o.tensorboard = t.boolean("tensorboard", o.tensorboard);
  o.label_smoothing = t.number("label_smoothing", 0, 0.99, o.label_smoothing);
  o.augment = read_augment(t);
  o.clip_norm = t.number("clip_norm", 0, 1e9, o.clip_norm);
  o.average = t.number("average", 0, 0.999999, o.average);
  return o;
}

}  // namespace guardbit::trainer
