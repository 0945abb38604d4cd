#include "cli/network_source.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "nets/graph/load.hpp"

namespace guardbit::cli {

nets::Network load_float(const Session& session) {
  if (session.source() == Source::Bundle) {
    throw Error(fmt::format("{}: found a bundle (integers only), allowed a network YAML or a run folder",
                            session.folder().string()));
  }
  if (!session.root().has("model")) {
    throw Error("command line: model: found no network, allowed a YAML file such as nets/zoo/lenet5.yaml, or a folder");
  }
  return nets::load_network(session.root());
}

nets::Network load_trained(const Session& session) {
  nets::Network network = load_float(session);
  if (network.parameters.empty()) {
    throw Error("command line: weights: found nothing, allowed weights=FILE.safetensors, FILE.npz or a run folder");
  }
  return network;
}

}  // namespace guardbit::cli
