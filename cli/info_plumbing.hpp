// info.yaml of `guardbit info --plumbing`.
#pragma once

#include "cli/session.hpp"
#include "nets/graph/info.hpp"

namespace guardbit::cli {

// Does the call ask for it, by `plumbing` or by Mayo's system.info.plumbing?
[[nodiscard]] bool wants_plumbing(const Session& session);

// Writes it in the run folder, or where `output` says; returns its name. Error for plain YAML without `output`.
std::filesystem::path write_plumbing(const Session& session, const nets::Network& network,
                                     const nets::InfoWidths& widths);

}  // namespace guardbit::cli
