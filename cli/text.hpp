// Words and numbers for people: suggestions for misspelt words, grouped digits, one-line messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace guardbit::cli {

// Levenshtein distance, with a swap of two neighbours counted as one edit.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word` if it is near enough to be a slip of the hand, else "".
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

// ", did you mean NEAREST?" or "".
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> candidates,
                                       std::string_view prefix = "");

[[nodiscard]] std::string join(std::span<const std::string> words, std::string_view separator = ", ");

// 174301824 -> "174,301,824"
[[nodiscard]] std::string grouped(std::uint64_t value);
[[nodiscard]] std::string grouped(std::int64_t value);

// Fixed decimals; "inf" and "-" (not a number) for what has none.
[[nodiscard]] std::string decimals(double value, int digits);

// 0.0317 -> "3.17%"; exact zero prints "0", so that a rare overflow is never rounded away to nothing.
[[nodiscard]] std::string percent(double ratio);

// Line breaks and control characters become spaces.
[[nodiscard]] std::string one_line(std::string_view text);

}  // namespace guardbit::cli
