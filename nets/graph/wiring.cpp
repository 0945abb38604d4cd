// Graph paths -> topological order.
//
// All paths become edges between names. Points are then replaced by what feeds them, and the layers sorted so that of
// those whose inputs are there the one named first in the graph comes next.
#include "nets/graph/detail/wiring.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace guardbit::nets::detail {
namespace {

constexpr const char* kInput = "input";
constexpr const char* kOutput = "output";

class WiringReader {
 public:
  WiringReader(const Section& model, const std::vector<std::string>& layer_names)
      : model_(model), layer_names_(layer_names.begin(), layer_names.end()) {}

  Wiring read() {
    if (model_.raw("graph").is_map()) {
      read_path(model_.section("graph"));
    } else {
      for (const Section& path : model_.sections("graph")) read_path(path);
    }
    check_points();
    connect_layers();
    Wiring wiring;
    wiring.output = output_source();
    const std::set<std::string> live = live_layers(wiring.output);
    for (const std::string& name : sorted_layers()) {
      if (live.contains(name)) wiring.layers.push_back({name, inputs_.at(name)});
    }
    return wiring;
  }

 private:
  struct Edge {
    std::string from, to;
  };

  bool is_layer(const std::string& name) const { return layer_names_.contains(name); }
  bool is_point(const std::string& name) const { return name != kInput && name != kOutput && !is_layer(name); }

  void mention(const std::string& name) {
    if (is_layer(name) && std::find(mentioned_.begin(), mentioned_.end(), name) == mentioned_.end()) {
      mentioned_.push_back(name);
    }
  }

  void read_path(const Section& path) {
    const std::vector<std::string> from = path.texts("from");
    const std::vector<std::string> with = path.texts("with", std::vector<std::string>{});
    const std::vector<std::string> to = path.texts("to");
    path.done();
    if (from.empty()) path.fail("from", "an empty list", "a name or several");
    if (to.empty()) path.fail("to", "an empty list", "a name or several");
    for (const std::string& name : from) {
      if (name == kOutput) path.fail("from", name, "input, a layer or a point");
      mention(name);
    }
    for (const std::string& name : with) {
      if (!is_layer(name)) path.fail("with", name, fmt::format("the layers {}", fmt::join(layer_names_, ", ")));
      if (!placed_.insert(name).second) path.fail("with", name + " a second time", "each layer once");
      mention(name);
    }
    for (const std::string& name : to) {
      if (name == kInput) path.fail("to", name, "output, a layer or a point");
      mention(name);
    }
    add_edges(from, with, to);
  }

  void add_edges(std::vector<std::string> sources, const std::vector<std::string>& with,
                 const std::vector<std::string>& to) {
    for (const std::string& name : with) {
      for (const std::string& source : sources) edges_.push_back({source, name});
      sources = {name};
    }
    for (const std::string& target : to) {
      for (const std::string& source : sources) edges_.push_back({source, target});
    }
  }

  // Each point is fed once and used; fills feeder_.
  void check_points() {
    std::set<std::string> used;
    for (const Edge& edge : edges_) {
      used.insert(edge.from);
      if (is_point(edge.to) && !feeder_.emplace(edge.to, edge.from).second) {
        model_.fail("graph", fmt::format("the point {} fed twice", edge.to),
                    "one source; several are joined by a layer of type add or concat");
      }
    }
    for (const Edge& edge : edges_) {
      if (is_point(edge.from) && !feeder_.contains(edge.from)) {
        model_.fail("graph", fmt::format("from {}", edge.from),
                    fmt::format("input, a point that a `to` names, or the layers {}", fmt::join(layer_names_, ", ")));
      }
      if (is_point(edge.to) && !used.contains(edge.to)) {
        model_.fail("graph", fmt::format("to {}, which nothing reads", edge.to),
                    fmt::format("output, a point that a `from` names, or the layers {}",
                                fmt::join(layer_names_, ", ")));
      }
    }
  }

  // The layer, or the input, behind a name.
  std::string source_of(std::string name) const {
    for (std::size_t steps = 0; is_point(name); ++steps) {
      if (steps > feeder_.size()) model_.fail("graph", "a cycle through the point " + name, "no cycles");
      name = feeder_.at(name);
    }
    return name;
  }

  void connect_layers() {
    for (const Edge& edge : edges_) {
      if (is_layer(edge.to)) inputs_[edge.to].push_back(source_of(edge.from));
    }
    for (const std::string& name : mentioned_) {
      if (inputs_.contains(name)) continue;
      model_.fail("graph", "nothing that leads to layer " + name, "an input of each layer");
    }
  }

  std::string output_source() const {
    std::vector<std::string> sources;
    for (const Edge& edge : edges_) {
      if (edge.to == kOutput) sources.push_back(source_of(edge.from));
    }
    if (sources.size() != 1) {
      model_.fail("graph", fmt::format("{} paths to output", sources.size()), "exactly one");
    }
    return sources.front();
  }

  std::vector<std::string> sorted_layers() const {
    std::vector<std::string> sorted;
    std::set<std::string> done{kInput};
    std::vector<std::string> waiting = mentioned_;
    while (!waiting.empty()) {
      const auto ready = std::find_if(waiting.begin(), waiting.end(), [&](const std::string& name) {
        const auto& inputs = inputs_.at(name);
        return std::all_of(inputs.begin(), inputs.end(), [&](const std::string& i) { return done.contains(i); });
      });
      if (ready == waiting.end()) {
        model_.fail("graph", fmt::format("a cycle among or before the layers {}", fmt::join(waiting, ", ")),
                    "no cycles");
      }
      done.insert(*ready);
      sorted.push_back(*ready);
      waiting.erase(ready);
    }
    return sorted;
  }

  std::set<std::string> live_layers(const std::string& output) const {
    std::set<std::string> live;
    std::vector<std::string> open{output};
    while (!open.empty()) {
      const std::string name = open.back();
      open.pop_back();
      if (name == kInput || !live.insert(name).second) continue;
      for (const std::string& input : inputs_.at(name)) open.push_back(input);
    }
    return live;
  }

  const Section& model_;
  std::set<std::string> layer_names_;
  std::vector<std::string> mentioned_;  // layers, in the order in which the graph first names them
  std::set<std::string> placed_;        // layers that stand in a `with`
  std::vector<Edge> edges_;
  std::map<std::string, std::string> feeder_;               // of each point
  std::map<std::string, std::vector<std::string>> inputs_;  // of each layer
};

}  // namespace

Wiring read_wiring(const Section& model, const std::vector<std::string>& layer_names) {
  return WiringReader(model, layer_names).read();
}

}  // namespace guardbit::nets::detail
