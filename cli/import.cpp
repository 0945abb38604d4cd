// guardbit import: files of other tools become what guardbit reads. SCALE-Sim: topology CSV and configuration.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/graph/text.hpp"
#include "nets/import/scale_sim.hpp"
#include "nets/io/file.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"
#include "sim/machine.hpp"

namespace guardbit::cli {
namespace {

using nets::Value;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxTextBytes = 16 << 20;

std::string read_text(const fs::path& file) {
  const nets::Bytes bytes = nets::read_file(file, kMaxTextBytes);
  return {bytes.begin(), bytes.end()};
}

std::string_view dataflow_of(const std::string& scale_sim) {
  if (scale_sim == "os") return "output_stationary";
  return scale_sim == "is" ? "input_stationary" : "weight_stationary";
}

// SCALE-Sim's IFMAP, filter and OFMAP memories become the activation, weight and accumulator memories; what it does
// not model (vector unit, energy, formats) is the default machine's, with a lane for each column.
Value machine_of(const nets::ScaleSimConfig& config) {
  const auto kib = [](std::int64_t size) { return Value(fmt::format("{}KiB", size)); };
  // CALC: SCALE-Sim asks which bandwidth would be enough; the largest there is, without latency.
  const std::int64_t bandwidth = config.bandwidth.value_or(std::int64_t{1} << 20);
  return Value::map(
      {{"array", Value::map({{"rows", config.array_height},
                             {"columns", config.array_width},
                             {"dataflow", Value(std::string(dataflow_of(config.dataflow)))}})},
       {"scratchpads", Value::map({{"activation", kib(config.ifmap_kib)},
                                   {"weight", kib(config.filter_kib)},
                                   {"accumulator", kib(config.ofmap_kib)},
                                   {"double_buffered", true}})},
       {"dram", Value::map({{"bytes_per_cycle", bandwidth}, {"latency_cycles", config.bandwidth ? 1 : 0}})},
       {"vector_unit", Value::map({{"lanes", config.array_width}})}});
}

std::vector<std::string> names_of(const nets::Topology& topology) {
  std::vector<std::string> names;
  for (const nets::TopologyLayer& layer : topology.layers) names.push_back(layer.name);
  return names;
}

std::size_t layer_named(const nets::Topology& topology, const std::string& name) {
  const std::vector<std::string> names = names_of(topology);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw Error(fmt::format("layer: found {}{}, allowed {}", name, did_you_mean(name, names), join(names)));
  }
  if (std::count(names.begin(), names.end(), name) > 1) {
    throw Error(fmt::format("layer: found {} layers named {}, allowed a name that stands for one",
                            std::count(names.begin(), names.end(), name), name));
  }
  return static_cast<std::size_t>(found - names.begin());
}

// One layer as a bundle, for the commands that need stored weights; images are drawn by the data set `random`.
void save_layer(const fs::path& folder, const nets::Topology& topology, std::size_t index, std::uint64_t seed) {
  const nets::IntegerNetwork network = nets::layer_network(topology, index, seed);
  const nets::Shape& shape = network.layers[0].shape;
  nets::Network folded;  // there is no float network: nothing refers to this one
  folded.name = network.name;
  nets::Node& node = folded.nodes.emplace_back();
  node.name = "input";
  node.shape = shape;
  const Value dataset = Value::map({{"name", "random"}, {"shape", Value::list({shape.h, shape.w, shape.c})}});
  nets::save_bundle(folder, network, folded, Value::map({{"dataset", dataset}}));
}

std::string layers_text(const nets::Topology& topology) {
  Table table({{"layer", Align::Left}, {"input"}, {"filter"}, {"filters"}, {"stride"}, {"groups"}});
  for (const nets::TopologyLayer& layer : topology.layers) {
    table.row({layer.name, nets::to_text(layer.input), fmt::format("{} x {}", layer.kernel_h, layer.kernel_w),
               grouped(std::int64_t{layer.filters}), fmt::format("{} x {}", layer.stride_h, layer.stride_w),
               grouped(std::int64_t{layer.groups})});
  }
  return table.text();
}

int run(const Invocation& invocation) {
  if (invocation.operands.empty()) throw Error("command line: import: found no file, allowed TOPOLOGY.csv");
  const fs::path file = invocation.operands[0];
  if (file.extension() != ".csv") {
    throw Error(fmt::format("{}: found the extension '{}', allowed .csv (a SCALE-Sim topology)", file.string(),
                            file.extension().string()));
  }
  const Session session(invocation);
  const fs::path output = session.required_output();
  const std::string layer = session.root().text("layer", "");
  const std::string config_file = session.root().text("config", "");
  session.finish();

  const std::string text = read_text(file);
  nets::Topology topology = nets::parse_scale_sim_topology(text, file.string());
  topology.sha256 = nets::sha256_hex(text);
  json result{{"name", topology.name}, {"layers", names_of(topology)}, {"seed", session.seed()}, {"machine", nullptr}};
  std::optional<Value> machine;
  std::string machine_text;
  if (!config_file.empty()) {
    const nets::ScaleSimConfig config = nets::parse_scale_sim_config(read_text(config_file), config_file);
    machine = Value::map({{"machine", machine_of(config)}});
    const nets::Section root(*machine);
    (void)sim::read_machine(root.section("machine"));
    result["machine"] = nets::to_json(*machine->find("machine"));
    result["not_taken"] = config.not_taken;
    machine_text = fmt::format("machine {}: {}x{} {}, {} bandwidth; not taken over: {}\n", config.run_name,
                               config.array_height, config.array_width, dataflow_of(config.dataflow),
                               config.bandwidth ? fmt::format("{} bytes per cycle", *config.bandwidth) : "unlimited",
                               config.not_taken.empty() ? "nothing" : join(config.not_taken));
  }
  if (layer.empty()) {
    nets::atomic_write(output / "topology.yaml",
                       nets::to_yaml(Value::map({{"topology", nets::to_value(topology)},
                                                 {"seed", static_cast<std::int64_t>(session.seed())}})));
  } else {
    const std::size_t index = layer_named(topology, layer);
    save_layer(output, topology, index, session.seed());
    topology.layers = {topology.layers[index]};
  }
  if (machine) nets::atomic_write(output / "machine.yaml", nets::to_yaml(*machine));
  fmt::print("import {}: {} layers of shapes; weights and inputs are random int8 of seed {}\n{}{}written to {}\n",
             file.string(), topology.layers.size(), session.seed(), layers_text(topology), machine_text,
             output.string());
  session.write_json(result);
  return 0;
}

}  // namespace

Command import_command() {
  return {.name = "import",
          .summary = "Read another tool's files: SCALE-Sim topologies (CSV) and configurations",
          .operands = "TOPOLOGY.csv -o DIR [config=scale.cfg] [layer=NAME] [key=value...]",
          .leading_operands = 1,
          .keys = {"config", "layer", "output", "seed", "threads", "json"},
          .details =
              "Writes DIR/topology.yaml (shapes and a seed) and, with config, DIR/machine.yaml; then\n"
              "`guardbit simulate DIR` replays every layer on its own, with random int8 weights and inputs drawn from\n"
              "the seed. layer=NAME writes that layer as a bundle instead, for run, verify and trace.",
          .run = run};
}

}  // namespace guardbit::cli
