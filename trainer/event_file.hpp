// TensorBoard event files: TFRecords of Event messages, the few fields that scalars need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace guardbit::trainer {

struct ScalarEvent {
  double wall_time = 0;  // seconds
  std::int64_t step = 0;
  std::vector<std::pair<std::string, float>> scalars;  // tag, value
};

/// CRC-32C (Castagnoli) of RFC 3720.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);
/// A whole file: the version record, then one record per event.
[[nodiscard]] std::string event_file(const std::vector<ScalarEvent>& events);

}  // namespace guardbit::trainer
