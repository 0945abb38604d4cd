// Inside nets/config only: the YAML parser, before imports are followed.
#pragma once

#include "nets/config/config.hpp"

namespace guardbit::nets {

/// As parse_yaml, with `_import` left in the tree. Without `lines`, marks name the source only.
Value parse_document(const std::string& text, const std::string& file_name, bool lines = true);

}  // namespace guardbit::nets
