// What `compute OPERATOR --help` says: usage lines and paragraphs.
#pragma once

#include <string_view>

namespace guardbit::cli {

extern const std::string_view kGemmUsage, kConvUsage, kPoolUsage, kPairUsage, kRequantizeUsage;
extern const std::string_view kGemmHelp, kConvHelp, kDepthwiseHelp, kPoolHelp, kAddHelp, kMultiplyHelp,
    kRequantizeHelp;

}  // namespace guardbit::cli
