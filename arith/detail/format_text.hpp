// Pieces of the parser of format texts, shared by integer and fixed formats (format.cpp) and minifloats
// (minifloat_text.cpp). Every failure is an Error that quotes the whole text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arith/format.hpp"

namespace guardbit::arith::detail {

// `text` on one line and of bounded length, for messages.
[[nodiscard]] std::string quoted(std::string_view text);
[[noreturn]] void fail_format(std::string_view text, const std::string& why);

// The number in `field`, which must lie in low..high.
[[nodiscard]] int parse_number(std::string_view text, std::string_view field, const char* what, int low, int high);
// The names of all rounding modes, for messages.
[[nodiscard]] std::string rounding_names();
// The fields between < and >, at most `limit` of them.
[[nodiscard]] std::vector<std::string_view> split_fields(std::string_view text, std::string_view list,
                                                         std::size_t limit);

// `whole` is `text` without spaces. Nothing when it is not a minifloat's name.
[[nodiscard]] std::optional<Format> parse_minifloat(std::string_view text, std::string_view whole);
[[nodiscard]] std::string minifloat_text(const Format& format);

}  // namespace guardbit::arith::detail
