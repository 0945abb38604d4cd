// guardbit info: what a network costs, layer by layer; of a bundle also its formats and proven accumulator widths.
#include <fmt/format.h>

#include "arith/error.hpp"

#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/info_plumbing.hpp"
#include "cli/integer_source.hpp"
#include "cli/network_source.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/graph/info.hpp"
#include "nets/graph/text.hpp"
#include "nets/quantize/range_analysis.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

std::string cell(const std::optional<std::int64_t>& value) { return value ? grouped(*value) : ""; }

std::string network_text(const nets::NetworkInfo& info) {
  const bool widths = info.totals.bitops_mayo.has_value();
  const bool both = info.totals.bitops_wa.has_value();
  std::vector<Column> columns{{"layer", Align::Left}, {"op", Align::Left}, {"shape"}, {"MACs"}, {"weights"},
                              {"trainables"}};
  if (widths) columns.insert(columns.end(), {{"bitops_mayo"}, {"memory_mayo"}});
  if (both) columns.insert(columns.end(), {{"bitops_wa"}, {"mem_weights"}, {"mem_activation"}});
  const auto costs = [&](std::vector<std::string> cells, const auto& row) {
    if (widths) cells.insert(cells.end(), {cell(row.bitops_mayo), cell(row.memory_mayo)});
    if (both) cells.insert(cells.end(), {cell(row.bitops_wa), cell(row.mem_weights), cell(row.mem_activation)});
    return cells;
  };
  Table table(columns);
  for (const nets::LayerInfo& layer : info.layers) {
    table.row(costs({layer.name, std::string(name(layer.op)), to_text(layer.shape), grouped(layer.macs),
                     grouped(layer.weights), grouped(layer.trainables)}, layer));
  }
  table.rule();
  table.row(costs({"total", "", "", grouped(info.totals.macs), grouped(info.totals.weights),
                   grouped(info.totals.trainables)}, info.totals));
  return fmt::format("info {}: input {}, one image\n{}{} running statistics (not trained)\n", info.name,
                     to_text(info.input), table.text(), grouped(info.totals.nontrainables));
}

std::string tensor_text(const nets::TensorFormat& tensor) {
  return fmt::format("{} * {:.6g}{}", arith::to_string(tensor.format), tensor.scale,
                     tensor.zero_point == 0 ? "" : fmt::format(", zero {}", tensor.zero_point));
}

struct BundleInfo {
  std::string text;
  json document;
};

json bundle_row(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer, const nets::LayerProof& proof) {
  json row{{"name", layer.name},
           {"op", nets::name(layer.op)},
           {"shape", {layer.shape.h, layer.shape.w, layer.shape.c}},
           {"macs", nets::macs(network, layer)},
           {"weights", static_cast<std::int64_t>(layer.weight.data.size())},
           {"output", {{"format", arith::to_string(layer.output.format)}, {"scale", layer.output.scale},
                       {"zero_point", layer.output.zero_point}}}};
  if (layer.weighted()) {
    row["weight_format"] = arith::to_string(layer.weight_format);
    row["memory"] = static_cast<std::int64_t>(layer.weight.data.size()) * layer.weight_format.width;
    row["accumulator_bits"] = {{"proven", proof.accumulator_bits}};
    row["bitops_mayo"] = nets::macs(network, layer) * layer.weight_format.width;
    row["bitops_wa"] = nets::macs(network, layer) * layer.weight_format.width *
                       network.layer(layer.inputs.at(0)).output.format.width;
  }
  return row;
}

BundleInfo bundle_info(const nets::IntegerNetwork& network, const std::optional<sim::Machine>& machine) {
  const std::vector<nets::LayerProof> proofs = nets::prove(network, accumulations(machine, network));
  Table table({{"layer", Align::Left}, {"op", Align::Left}, {"shape"}, {"MACs"}, {"weights"}, {"weight", Align::Left},
               {"output", Align::Left}, {"accumulator bits"}});
  json layers = json::array();
  std::int64_t macs = 0, weights = 0;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = network.layers[i];
    const auto count = static_cast<std::int64_t>(layer.weight.data.size());
    table.row({layer.name, std::string(nets::name(layer.op)), to_text(layer.shape),
               grouped(nets::macs(network, layer)), grouped(count),
               layer.weighted() ? arith::to_string(layer.weight_format) : "", tensor_text(layer.output),
               layer.weighted() ? fmt::format("{}", proofs[i].accumulator_bits) : ""});
    layers.push_back(bundle_row(network, layer, proofs[i]));
    macs += nets::macs(network, layer);
    weights += count;
  }
  table.rule();
  table.row({"total", "", "", grouped(macs), grouped(weights)});
  return {fmt::format("info {}: integer network, output policy {}, one image\n{}accumulator bits: proven enough for "
                      "every input ({})\n", network.name, network.output_policy, table.text(), describe(machine)),
          {{"name", network.name}, {"output_policy", network.output_policy}, {"layers", std::move(layers)},
           {"totals", {{"macs", macs}, {"weights", weights}}}}};
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const bool plumbing = wants_plumbing(session);
  if (session.source() == Source::Bundle) {
    if (plumbing) throw Error("command line: plumbing: found a bundle, allowed a run folder or a network");
    const nets::IntegerNetwork network = load_integer(session).network;
    const std::optional<sim::Machine> machine = optional_machine(session);
    session.finish();
    const BundleInfo info = bundle_info(network, machine);
    fmt::print("{}", info.text);
    session.write_json(info.document);
    return 0;
  }
  const nets::Network network = load_float(session);
  const nets::InfoWidths widths = nets::read_info_widths(session.root().section_or_empty("info"));
  session.finish();
  const nets::NetworkInfo info = nets::network_info(network, widths);
  fmt::print("{}", network_text(info));
  if (plumbing) fmt::print("written to {}\n", write_plumbing(session, network, widths).string());
  session.write_json(nets::to_json(info));
  return 0;
}

}  // namespace

Command info_command() {
  return {.name = "info",
          .summary = "MACs, weights, bit operations, memory and formats per layer",
          .operands = "NETWORK.yaml|RUN_FOLDER|BUNDLE [key=value...]",
          .leading_operands = 0,
          .keys = {"model", "weights", "dataset", "machine", "info", "plumbing", "system", "load", "trainer",
                   "quantizer", "output", "json", "threads", "seed"},
          .details =
              "info.width=16 adds the columns of Mayo: bitops_mayo = MACs * width, memory_mayo = weights * width;\n"
              "info.activation_width adds bitops_wa, mem_weights and mem_activation. Of a bundle: number formats, and\n"
              "the accumulator width proven to be enough for every input in the machine's order of accumulation.\n"
              "--plumbing (or system.info.plumbing=true) writes info.yaml with the rows and columns of Mayo's: costs\n"
              "by the width of each layer's weights, variables, and of a quantized training all quantizers' points.",
          .run = run};
}

}  // namespace guardbit::cli
