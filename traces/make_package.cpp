#include "traces/make_package.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "arith/error.hpp"

namespace guardbit::traces {
namespace {

namespace fs = std::filesystem;
using nets::IntegerLayer;
using nets::IntegerNetwork;

template <class T>
std::vector<std::int64_t> widened(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

// Biases are two's complement of 32 bits, or 60 where that is not enough.
int bias_bits(const std::vector<std::int64_t>& bias) {
  arith::Range range;
  for (const std::int64_t value : bias) range.include(value);
  return arith::signed_bits(range) <= 32 ? 32 : 60;
}

std::vector<std::int64_t> input_shape(const IntegerNetwork& network, const IntegerLayer& layer, std::int64_t images) {
  const nets::Shape& shape = network.layer(layer.inputs.at(0)).shape;
  if (layer.op == nets::IntegerOp::FullyConnected) return {images, 1, 1, shape.count()};
  return {images, shape.h, shape.w, shape.c};
}

WordFormat words_of(const arith::Format& format) {
  return {.elem_bits = format.width, .is_signed = format.is_signed, .elems_per_word = 1};
}

// Removes a folder that was not renamed into place.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

fs::path beside(const fs::path& output, const char* what) {
  return output.parent_path() / fmt::format(".{}.{}-{}", output.filename().string(), what, ::getpid());
}

void check_replaceable(const fs::path& output) {
  if (!fs::exists(output)) return;
  const bool replaceable = fs::is_directory(output) && (fs::is_empty(output) || is_package(output));
  if (!replaceable) {
    throw Error(fmt::format("{}: found something that is not a trace package, allowed a new folder or an old package",
                            output.string()));
  }
}

}  // namespace

Package make_package(const IntegerNetwork& network, int index, const sim::Machine& machine,
                     const arith::Accumulation& accumulation, const nets::RunResult& result,
                     const Provenance& provenance) {
  const IntegerLayer& layer = network.layer(index);
  if (!layer.weighted()) {
    throw Error(fmt::format("layer {}: found {}, allowed conv2d or fully_connected", layer.name, name(layer.op)));
  }
  const nets::LayerResult& values = result.layers.at(static_cast<std::size_t>(index));
  const nets::TensorFormat& activation = network.layer(layer.inputs.at(0)).output;
  Package package;
  Manifest& m = package.manifest;
  m.generator_version = provenance.generator_version;
  m.network = network.name;
  m.network_sha256 = provenance.network_sha256;
  m.layer = layer.name;
  m.op = name(layer.op);
  m.samples = provenance.samples;
  m.first_sample = provenance.first_sample;
  m.seed = provenance.seed;
  m.window = layer.window;
  m.groups = layer.groups;
  m.activation = activation;
  m.output = layer.output;
  m.weight = layer.weight_format;
  m.dataflow = sim::name(machine.array.dataflow);
  m.rows = machine.array.rows;
  m.columns = machine.array.columns;
  m.accumulation = accumulation;
  m.stages = layer.stages;
  m.evidence = values.accumulation;

  const std::int64_t images = values.codes.shape.at(0);
  const auto add = [&](Role role, WordFormat words, std::vector<std::int64_t> shape, std::vector<std::int64_t> data) {
    m.streams.push_back({.role = role, .words = words, .shape = std::move(shape)});
    package.of(role) = std::move(data);
  };
  add(Role::Activation, words_of(activation.format), input_shape(network, layer, images),
      widened(result.layers.at(static_cast<std::size_t>(layer.inputs.at(0))).codes.data));
  add(Role::Weight, words_of(layer.weight_format), layer.weight.shape, widened(layer.weight.data));
  add(Role::Bias, {.elem_bits = bias_bits(layer.bias), .is_signed = true, .elems_per_word = 1},
      {static_cast<std::int64_t>(layer.bias.size())}, layer.bias);
  add(Role::Accumulator, words_of(accumulation.accumulator.format), values.codes.shape, values.accumulators.data);
  add(Role::Output, words_of(layer.output.format), values.codes.shape, widened(values.codes.data));
  return package;
}

CheckReport publish(Package& package, const fs::path& given) {
  const fs::path output = fs::absolute(given).lexically_normal().has_filename()
                              ? fs::absolute(given).lexically_normal()
                              : fs::absolute(given).lexically_normal().parent_path();
  check_replaceable(output);
  fs::create_directories(output.parent_path());
  const TemporaryFolder temporary(beside(output, "new"));
  write_files(package, temporary.path());
  const CheckReport report = check_values(read_package(temporary.path()));
  if (!report.held()) return report;
  if (fs::exists(output)) {
    const TemporaryFolder old(beside(output, "old"));
    fs::rename(output, old.path());
    fs::rename(temporary.path(), output);
  } else {
    fs::rename(temporary.path(), output);
  }
  return report;
}

}  // namespace guardbit::traces
