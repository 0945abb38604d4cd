#include "cli/sections.hpp"

#include "sim/machine.hpp"

namespace guardbit::cli {
namespace {

const std::vector<SectionKey> kDataset{
    {"dataset.name", "", "mnist, cifar10, cifar100, folder, glyphs or random"},
    {"dataset.path", "", "folder of the files; not for glyphs and random"},
    {"dataset.seed", "1", "glyphs, random: what is drawn"},
    {"dataset.train_size", "", "the first so many training images (glyphs draws 12000, random 500, files: all)"},
    {"dataset.test_size", "", "the first so many test images (glyphs draws 2000, random 100, files: all)"},
    {"dataset.shape", "", "random: [height, width, channels]"},
    {"dataset.classes", "10", "random: how many classes the labels name"},
    {"dataset.holdout", "0", "so many of the last training images become the split holdout"},
    {"dataset.cache", "", "folder where decoded pixels of files are kept; later runs map them instead of decoding"},
    {"dataset.preprocess.scale", "0.00392156862745098", "real input = (pixel * scale - mean) / std"},
    {"dataset.preprocess.mean", "[0]", "one, or one per channel"},
    {"dataset.preprocess.std", "[1]", "one, or one per channel"},
    {"dataset.preprocess.standardize", "none", "none, or image: each to mean 0 and deviation 1; float networks only"},
};

const std::vector<SectionKey> kTopology{
    {"topology.name", "", "of the workload"},
    {"topology.source", "", "file it was made from"},
    {"topology.sha256", "", "of that file"},
    {"topology.layers", "", "list of {name, input: [h, w, c], kernel, stride: [1, 1], filters, groups: 1}"},
};

const std::vector<SectionKey> kCalibration{
    {"calibration.method", "min_max", "range of a tensor: min_max, percentile or mse"},
    {"calibration.percentile", "99.99", "of method percentile; 50 to 100"},
    {"calibration.overflow_rate", "0", "of scheme dfp: share of values that may overflow"},
    {"calibration.images", "500", "training images used"},
};

const std::vector<SectionKey> kSave{
    {"save.interval", "1", "epochs between checkpoints"},
    {"save.keep", "2", "how many checkpoints are kept"},
    {"save.best", "false", "checkpoints/best.safetensors: the first of the highest accuracy in the second half"},
};

const std::vector<SectionKey> kTrainer{
    {"trainer.epochs", "", "how often the training set is seen"},
    {"trainer.batch_size", "128", "images of one step"},
    {"trainer.eval_batch", "256", "images of one evaluation step"},
    {"trainer.eval_every", "1", "epochs between evaluations; the last is always evaluated"},
    {"trainer.device", "auto", "auto: a GPU where there is one; cpu, cuda, or cuda_tf32 (products of 11 bits)"},
    {"trainer.optimizer.type", "sgd", "sgd, adam, adamw or rmsprop (TensorFlow's form)"},
    {"trainer.optimizer.momentum", "0.9", "sgd; rmsprop [0]"},
    {"trainer.optimizer.nesterov", "false", "sgd"},
    {"trainer.optimizer.beta1", "0.9", "adam, adamw"},
    {"trainer.optimizer.beta2", "0.999", "adam, adamw"},
    {"trainer.optimizer.epsilon", "1e-8", "adam, adamw; rmsprop [1e-10]"},
    {"trainer.optimizer.decay", "0.9", "rmsprop: share of the mean square that is kept"},
    {"trainer.learning_rate", "0.01", "a number, or a map of the keys below"},
    {"trainer.learning_rate.policy", "constant",
     "constant, step, multi_step, exponential, polynomial, cosine, one_cycle, sgdr or sgdr_step"},
    {"trainer.learning_rate.rate", "0.01", "after the warm-up; one_cycle: the highest"},
    {"trainer.learning_rate.warm_up", "0", "epochs of linear rise"},
    {"trainer.learning_rate.warm_up_factor", "0.1", "first rate, as a share of rate"},
    {"trainer.learning_rate.factor", "0.1", "step, multi_step, exponential: per step down"},
    {"trainer.learning_rate.epochs", "1", "step, exponential: between steps; sgdr: of the first cycle"},
    {"trainer.learning_rate.growth", "1", "sgdr: each cycle is so many times as long as the one before"},
    {"trainer.learning_rate.milestones", "", "multi_step: epochs of the steps down; sgdr_step: where cycles begin"},
    {"trainer.learning_rate.power", "1", "polynomial"},
    {"trainer.learning_rate.final", "0", "polynomial, cosine, one_cycle, sgdr: last rate, as a share of rate"},
    {"trainer.learning_rate.rise", "0.3", "one_cycle: share of rising"},
    {"trainer.learning_rate.start", "0.04", "one_cycle: first rate, as a share of rate"},
    {"trainer.weight_decay", "0", "L2, not on biases and batch norm"},
    {"trainer.decay_small", "false", "weight decay on biases and batch norm too"},
    {"trainer.custom_decay_list", "[]", "parts of names of parameters that have a weight decay of their own"},
    {"trainer.custom_decay", "", "that weight decay"},
    {"trainer.custom_lr_list", "[]", "parts of names of parameters that have a learning rate of their own"},
    {"trainer.custom_lr", "", "that learning rate, instead of learning_rate.rate"},
    {"trainer.custom_lr_constant", "false", "it does not follow the policy"},
    {"trainer.accumulate", "1", "batches per update"},
    {"trainer.mixup", "0", "alpha of Beta(alpha, alpha), from which the shares of two images are drawn; 0: none"},
    {"trainer.tensorboard", "false", "log.jsonl and timing.jsonl as a TensorBoard event file too"},
    {"trainer.label_smoothing", "0", "share of the target spread over all classes"},
    {"trainer.augment.shift", "0", "pixels each way, zeros from outside"},
    {"trainer.augment.flip", "false", "mirrored left to right, every second time"},
    {"trainer.augment.rotate", "0", "degrees each way"},
    {"trainer.augment.scale", "0", "from 1 - scale to 1 + scale"},
    {"trainer.augment.cutout", "0", "side of a square of zeros"},
    {"trainer.augment.brightness", "0", "added to pixels in [0, 1], up to so much each way"},
    {"trainer.augment.saturation", "0", "factor from 1 - saturation to 1 + saturation; three channels"},
    {"trainer.augment.hue", "0", "turned up to so much of the circle each way; three channels"},
    {"trainer.augment.contrast", "0", "factor from 1 - contrast to 1 + contrast"},
    {"trainer.clip_norm", "0", "largest 2-norm of all gradients together; 0: any"},
    {"trainer.average", "0", "moving average of the weights: share kept per step; 0: none"},
    {"trainer.seed", "1", "seed, when the key seed is absent"},
    {"trainer.threads", "0", "threads, when the key threads is absent"},
};

const std::vector<SectionKey> kQuantizer{
    {"quantizer.weights", "", "rule {type, width, ...}; trainer/quant/quant_options.hpp lists types and keys"},
    {"quantizer.biases", "", "rule; without it they are rounded to the accumulator alone"},
    {"quantizer.activation", "", "rule"},
    {"quantizer.gradient.weights", "", "rule, or a list of rules sorted by priority"},
    {"quantizer.gradient.error", "", "rule, or a list of rules sorted by priority"},
    {"quantizer.input.type", "like the activations", "affine or fixed"},
    {"quantizer.input.width", "like the activations, at least 8", "bits of the network's input"},
    {"quantizer.layers", "", "map of LAYER: rules of one layer, merged onto those above; null removes one"},
    {"quantizer.update.interval", "100", "steps between new estimates of points"},
    {"quantizer.quant_delay", "0", "steps in float before anything is quantized"},
    {"quantizer.freeze_bn_delay", "", "steps until running statistics stand still; never without it"},
    {"quantizer.output_policy", "tflite_double", "tflite_double, tflite_single or onnx_float"},
    {"quantizer.rounding", "RND_CONV", "fixed point: rounding of the accumulator's shift"},
};

const std::vector<SectionKey> kInfo{
    {"info.width", "", "bits of weights, for the columns bitops_mayo and memory_mayo"},
    {"info.activation_width", "", "bits of activations, for bitops_wa, mem_weights, mem_activation"},
};

const std::vector<SectionKey> kSystem{
    {"system.info.plumbing", "false", "info writes info.yaml, as Mayo does; the same as --plumbing"},
};

const std::vector<SectionKey> kModel{
    {"model.name", "", "of the network"},
    {"model.input", "", "[height, width, channels]"},
    {"model.layers", "", "map of NAME: {type: TYPE, ...}; nets/graph/build.hpp lists types and keys"},
    {"model.graph", "", "{from: input, with: [NAME, ...], to: output}, or a list of such paths"},
};

// "  rows: 16   # meaning" of the machine's own document -> "16".
std::string default_of(const std::string& document, const std::string& meaning) {
  const std::size_t comment = document.find("# " + meaning + "\n");
  if (comment == std::string::npos) return "";
  const std::size_t line = document.rfind('\n', comment) + 1;
  const std::string text = document.substr(line, comment - line);
  const std::size_t first = text.find(": ");
  if (first == std::string::npos) return "";
  const std::size_t last = text.find_last_not_of(' ');
  return last < first + 2 ? "" : text.substr(first + 2, last - first - 1);
}

std::vector<SectionKey> machine_section() {
  const std::string document = sim::print_default_machine();
  std::vector<SectionKey> keys;
  for (const sim::MachineKey& key : sim::machine_keys()) {
    keys.push_back({key.path, default_of(document, key.meaning), key.meaning});
  }
  return keys;
}

}  // namespace

std::vector<SectionKey> section_keys() {
  std::vector<SectionKey> all;
  for (const auto& part : {kModel, kTopology, kDataset, kTrainer, kQuantizer, kSave, kCalibration,
                           machine_section(), kInfo, kSystem}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace guardbit::cli
