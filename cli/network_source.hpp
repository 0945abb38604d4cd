// The float network of a command, from YAML files or a run folder.
#pragma once

#include "cli/session.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::cli {

// Error when no network was named; parameters are empty when the configuration has no weights.
[[nodiscard]] nets::Network load_float(const Session& session);

// The same; Error when there are no weights.
[[nodiscard]] nets::Network load_trained(const Session& session);

}  // namespace guardbit::cli
