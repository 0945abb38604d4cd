#include "cli/keys.hpp"

#include <algorithm>

namespace guardbit::cli {
namespace {

constexpr KeyKind kScalar = KeyKind::Scalar;
constexpr KeyKind kFlag = KeyKind::Flag;
constexpr KeyKind kList = KeyKind::List;
constexpr KeyKind kSection = KeyKind::Section;

constexpr Key kKeys[] = {
    {"model", kSection, "", "", "the network: name, input, layers, graph", false},
    {"weights", kScalar, "FILE", "the folder's own", "parameters: .safetensors, .npz of PyTorch, or random (from the seed)",
        false},
    {"dataset", kSection, "", "", "images and labels: name, path, preprocess, ...", false},
    {"trainer", kSection, "", "", "training: epochs, batch, optimizer, schedule, augmentation", false},
    {"quantizer", kSection, "", "none: float", "training on integers: rules of weights, activations, gradients", false},
    {"load", kScalar, "N|FILE", "train: none; others: latest", "checkpoint to start from: latest, a number or a file",
        true},
    {"save", kSection, "", "", "checkpoints: interval, keep", false},
    {"scheme", kScalar, "NAME", "int8", "conversion to integers: int8, fixed or dfp", false},
    {"activation_bits", kScalar, "N", "8", "width of activation codes, 2 to 16", false},
    {"weight_bits", kScalar, "N", "8", "width of weight codes, 2 to 16", false},
    {"calibration", kSection, "", "", "ranges of tensors: method, percentile, overflow_rate, images", false},
    {"output_policy", kScalar, "NAME", "tflite_double", "int8: tflite_double, tflite_single or onnx_float", false},
    {"rounding", kScalar, "MODE", "RND_CONV", "fixed, dfp: rounding of the accumulator's shift", false},
    {"keep_softmax", kFlag, "", "false", "a softmax at the output stays, by table; else it is removed", false},
    {"topology", kSection, "", "", "layers by their shapes alone, written by import", false},
    {"machine", kSection, "", "", "the accelerator: array, numerics, scratchpads, dram, ...", false},
    {"info", kSection, "", "", "widths of the cost columns: width, activation_width", false},
    {"seed", kScalar, "N", "1", "of every random choice", false},
    {"output", kScalar, "DIR", "", "where the command writes", true},
    {"json", kScalar, "FILE", "none", "full result for scripts", true},
    {"threads", kScalar, "N", "0", "cores to use, 0 for all; never changes a result", true},
    {"samples", kScalar, "N", "eval: all; verify: 100; export-values, update: a batch; others: 1",
        "number of images", true},
    {"batches", kScalar, "N", "1", "export-values, update: batches of `samples` images (trainer.batch_size)", true},
    {"plumbing", kFlag, "", "false", "info: write info.yaml, in the run folder or where output says", true},
    {"system", kSection, "", "", "info.plumbing, another name of `plumbing`", true},
    {"first", kScalar, "N", "0", "index of the first image", true},
    {"split", kScalar, "NAME", "test; export-values, update: train", "test, holdout or train", true},
    {"engine", kScalar, "NAME", "tile; fast without a machine", "reference, fast, tile, array or pe", true},
    {"engines", kList, "A,B", "all but pe that can run", "engines to compare with reference", true},
    {"inject", kScalar, "E:F[:L]", "none", "break engine E with fault F (rounding, skip_step) in layer L", true},
    {"input", kScalar, "FILE.npy", "the data set", "input codes, or uint8 pixels, [N, H, W, C]", true},
    {"all_layers", kFlag, "", "false", "write the codes of every layer, not only the last", true},
    {"config", kScalar, "FILE.cfg", "none", "import: SCALE-Sim configuration, becomes machine.yaml", true},
    {"layer", kScalar, "NAME", "", "a weighted layer of the network; simulate: the one in the waveform", true},
    {"stall_seed", kScalar, "N", "none", "random stalls in every unit; only cycles may change", true},
    {"timeline", kScalar, "FILE.json", "none", "what every unit did when, for ui.perfetto.dev", true},
    {"waveform", kScalar, "FILE.vcd", "none", "engine pe: registers and wires of the PE array", true},
    {"waveform_cycles", kScalar, "N", "1000", "clock edges of the array in the waveform, 1 to 100000", true},
    {"stream", kScalar, "NAME", "output", "which expected stream a dump is: output or accumulator", true},
    {"numerics", kScalar, "FILE.yaml", "", "compute: formats, accumulator and output stages", true},
    {"lhs", kScalar, "FILE.npy", "", "left operand", true},
    {"rhs", kScalar, "FILE.npy", "", "right operand", true},
    {"weight", kScalar, "FILE.npy", "", "weights of a convolution", true},
    {"bias", kScalar, "FILE.npy", "none", "initial value of the accumulators, one per output channel", true},
    {"stride", kList, "H,W", "1,1", "of a window", true},
    {"padding", kList, "T,B,L,R", "0,0,0,0", "of a window: top, bottom, left, right", true},
    {"pad_value", kScalar, "N", "the zero point", "code in the padding", true},
    {"dilation", kList, "H,W", "1,1", "of a window", true},
    {"groups", kScalar, "N", "1", "of a convolution", true},
    {"kernel", kList, "H,W", "", "size of a pooling window", true},
    {"pool", kScalar, "NAME", "", "max or average", true},
    {"out", kScalar, "FILE.npy", "", "where the results are written", true},
    {"accumulators", kScalar, "FILE.npy", "none", "where the accumulators are written, before the stages", true},
};

}  // namespace

std::span<const Key> all_keys() { return kKeys; }

const Key* find_key(std::string_view name) {
  const auto* found = std::find_if(std::begin(kKeys), std::end(kKeys),
      [&](const Key& key) { return key.name == name; });
  return found == std::end(kKeys) ? nullptr : found;
}

std::string option_name(std::string_view key) {
  std::string name(key);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace guardbit::cli
