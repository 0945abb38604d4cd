// README.txt of a package: what the files are and how a bench loads them.
#pragma once

#include <string>

#include "traces/manifest.hpp"

namespace guardbit::traces {

[[nodiscard]] std::string readme_text(const Manifest& manifest);

}  // namespace guardbit::traces
