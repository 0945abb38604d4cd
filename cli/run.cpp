// guardbit run: a network on given inputs with one engine; codes as .npy.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/integer_source.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/engines/evidence.hpp"
#include "nets/io/npy.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

constexpr std::int64_t kBatch = 16;  // bounds memory; results do not depend on it

struct Input {
  nets::IntTensor codes;  // [N, H, W, C]
  std::string text;       // where they come from
};

// uint8 arrays are pixels; any other integer type holds codes of the input format.
Input read_input(const std::string& file, const nets::IntegerNetwork& network) {
  const nets::Array array = nets::read_npy(file);
  const nets::Shape& shape = network.layers.at(0).shape;
  const std::vector<std::int64_t>& dims = array.shape;
  const bool fits = dims.size() == 4 && dims[1] == shape.h && dims[2] == shape.w && dims[3] == shape.c && dims[0] > 0;
  if (!fits) {
    throw Error(fmt::format("{}: found shape {}, allowed [N, {}, {}, {}]", file, array.shape_text(), shape.h, shape.w,
                            shape.c));
  }
  if (array.dtype == nets::DType::U8) {
    return {nets::quantize_input(network, array.bytes.data(), dims[0]), fmt::format("{} pixels", file)};
  }
  const arith::Format& format = network.layers[0].output.format;
  nets::IntTensor codes(dims);
  codes.data = array.to_int32(file);
  const auto outside = std::find_if(codes.data.begin(), codes.data.end(), [&](auto c) { return !format.contains(c); });
  if (outside != codes.data.end()) {
    throw Error(fmt::format("{}: element {}: found {}, allowed {}", file, outside - codes.data.begin(), *outside,
                            arith::to_string(format)));
  }
  return {std::move(codes), fmt::format("{} codes", file)};
}

nets::RunResult run_batches(nets::Engine& engine, const nets::IntegerNetwork& network,
                            const std::vector<arith::Accumulation>& accumulations, const nets::IntTensor& input,
                            int threads) {
  nets::RunResult result;
  const std::int64_t images = input.shape[0], size = input.count() / images;
  for (std::int64_t begin = 0; begin < images; begin += kBatch) {
    const std::int64_t count = std::min(kBatch, images - begin);
    nets::IntTensor batch({count, input.shape[1], input.shape[2], input.shape[3]});
    std::copy_n(input.data.begin() + begin * size, count * size, batch.data.begin());
    nets::RunResult part =
        engine.run(network, accumulations, batch, {.threads = threads, .keep_accumulators = false,
            .first_image = begin});
    if (begin == 0) {
      result = std::move(part);
    } else {
      nets::merge(result, std::move(part));
    }
  }
  return result;
}

// [N, H, W, C], or [N, C] for vectors; int8, int16 or int32 (uint8, uint16 for unsigned formats).
nets::Array codes_array(const nets::IntegerLayer& layer, const nets::IntTensor& codes) {
  std::vector<std::int64_t> shape = codes.shape;
  if (shape.size() == 4 && shape[1] == 1 && shape[2] == 1) shape = {shape[0], shape[3]};
  const auto as = [&]<class T>(T) {
    return nets::Array::from(shape, std::vector<T>(codes.data.begin(), codes.data.end()));
  };
  const arith::Format& format = layer.output.format;
  if (format.width <= 8) return format.is_signed ? as(std::int8_t{}) : as(std::uint8_t{});
  if (format.width <= 16) return format.is_signed ? as(std::int16_t{}) : as(std::uint16_t{});
  return as(std::int32_t{});
}

// Layer names may contain '/'.
std::string file_name(const std::string& layer) {
  std::string name = layer;
  std::replace(name.begin(), name.end(), '/', '.');
  return name + ".npy";
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const nets::Section& root = session.root();
  const nets::IntegerNetwork network = load_integer(session).network;
  const std::optional<sim::Machine> machine = optional_machine(session);
  const std::string engine_name = root.text("engine", machine ? "tile" : "fast");
  check_engine(engine_name, machine, "engine");
  if (machine) sim::check_compatible(*machine, network);
  const bool all_layers = root.boolean("all_layers", false);
  const std::filesystem::path folder = session.required_output();
  Input input;
  if (root.has("input")) {
    input = read_input(root.text("input"), network);
  } else {
    const Samples samples = load_samples(session, 1);
    check_shape(samples, network.layers.at(0).shape);
    input = {nets::quantize_input(network, samples.data.images.data(), samples.count()), samples.text()};
  }
  session.finish();

  const auto engine = make_engine(engine_name, machine);
  const nets::RunResult result =
      run_batches(*engine, network, accumulations(machine, network), input.codes, session.threads());
  Table table({{"layer", Align::Left}, {"op", Align::Left}, {"format", Align::Left}, {"file", Align::Left}});
  json written = json::array();
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    if (!all_layers && static_cast<int>(i) != network.output) continue;
    const nets::IntegerLayer& layer = network.layers[i];
    nets::write_npy(folder / file_name(layer.name), codes_array(layer, result.layers[i].codes));
    table.row({layer.name, std::string(nets::name(layer.op)), arith::to_string(layer.output.format),
               file_name(layer.name)});
    written.push_back({{"name", layer.name}, {"op", nets::name(layer.op)}, {"file", file_name(layer.name)},
                       {"format", arith::to_string(layer.output.format)}, {"scale", layer.output.scale},
                       {"zero_point", layer.output.zero_point}});
  }
  fmt::print("run {}: {}; engine {}; {}\n{}", network.name, input.text, engine_name, describe(machine), table.text());
  session.write_json({{"network", network.name}, {"engine", engine_name}, {"samples", input.codes.shape[0]},
                      {"layers", std::move(written)}});
  return 0;
}

}  // namespace

Command run_command() {
  return {.name = "run",
          .summary = "Run a network on given inputs with one engine and write its codes",
          .operands = "BUNDLE [MACHINE.yaml] [key=value...]",
          .leading_operands = 0,
          .keys = {"dataset", "machine", "input", "engine", "all_layers", "output", "samples", "first", "split", "json",
                   "threads", "seed"},
          .details =
              "--input takes [N, H, W, C] integers: uint8 is pixels, which the network's own preprocessing turns into\n"
              "codes; any other type is codes. Without it, samples of the data set. Writes LAYER.npy per layer, '/' in\n"
              "names as '.': [N, H, W, C], or [N, C] for vectors. The engine is tile with a machine, fast without.",
          .run = run};
}

}  // namespace guardbit::cli
