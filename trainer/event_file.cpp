// Record (tensorflow/core/lib/io/record_writer.h): length u64, masked CRC of those 8 bytes u32, bytes, masked CRC of
// the bytes u32; little endian. Event (tensorflow/core/util/event.proto): wall_time = 1 (double), step = 2 (int64),
// file_version = 3 (string), summary = 5. Summary: value = 1; Value: tag = 1 (string), simple_value = 2 (float).
#include "trainer/event_file.hpp"

#include <array>
#include <bit>

namespace guardbit::trainer {

namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1U ^ ((value & 1U) != 0 ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = crc_table();

void put_fixed(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 255U);
}
void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 128; value >>= 7U) to += static_cast<char>((value & 127U) | 128U);
  to += static_cast<char>(value);
}

// Wire types of protocol buffers.
enum Wire : unsigned { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
void put_key(std::string& to, unsigned field, Wire wire) { put_varint(to, field << 3U | wire); }
void put_bytes(std::string& to, unsigned field, std::string_view bytes) {
  put_key(to, field, Bytes);
  put_varint(to, bytes.size());
  to += bytes;
}

std::string event_head(double wall_time, std::int64_t step) {
  std::string event;
  put_key(event, 1, Fixed64);
  put_fixed(event, std::bit_cast<std::uint64_t>(wall_time), 8);
  put_key(event, 2, Varint);
  put_varint(event, static_cast<std::uint64_t>(step));
  return event;
}

std::uint32_t masked(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15U | crc << 17U) + 0xA282EAD8U;
}

void put_record(std::string& to, std::string_view event) {
  std::string length;
  put_fixed(length, event.size(), 8);
  to += length;
  put_fixed(to, masked(length), 4);
  to += event;
  put_fixed(to, masked(event), 4);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) crc = crc >> 8U ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 255U];
  return ~crc;
}

std::string event_file(const std::vector<ScalarEvent>& events) {
  std::string file;
  std::string version = event_head(0, 0);
  put_bytes(version, 3, "brain.Event:2");
  put_record(file, version);
  for (const ScalarEvent& one : events) {
    std::string summary;
    for (const auto& [tag, number] : one.scalars) {
      std::string value;
      put_bytes(value, 1, tag);
      put_key(value, 2, Fixed32);
      put_fixed(value, std::bit_cast<std::uint32_t>(number), 4);
      put_bytes(summary, 1, value);
    }
    std::string event = event_head(one.wall_time, one.step);
    put_bytes(event, 5, summary);
    put_record(file, event);
  }
  return file;
}

}  // namespace guardbit::trainer
