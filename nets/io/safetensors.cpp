#include "nets/io/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "nets/io/byte_reader.hpp"

namespace guardbit::nets {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as in the reference implementation
constexpr const char* kMetadata = "__metadata__";
constexpr int kMaxDepth = 3;  // header, tensor, shape

struct Entry {
  std::string name;
  DType dtype = DType::U8;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// JSON text to a tree; the same name twice in one object is an error, which JSON libraries let pass.
Json parse_json(const std::string& text, const std::string& where) {
  std::vector<std::set<std::string>> names;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) throw Error(where + ": header: found values nested too deeply");
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
      throw Error(fmt::format("{}: header: found {} twice", where, parsed.get<std::string>()));
    }
    return true;
  };
  // The library takes this byte for the end of the text, whatever follows.
  if (text.find('\0') != std::string::npos) throw Error(where + ": header: found a byte 0");
  try {
    return Json::parse(text, check);
  } catch (const Json::exception&) {
    throw Error(where + ": header: found text that is not JSON");
  }
}

std::optional<DType> parse_dtype(const Json& value) {
  if (!value.is_string()) return {};
  for (int i = 0; i <= static_cast<int>(DType::F64); ++i) {
    if (value.get<std::string>() == name_of(static_cast<DType>(i))) return static_cast<DType>(i);
  }
  return {};
}

std::int64_t parse_count(const Json& value, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX) {
    throw Error(fmt::format("{}: found {}, allowed 0 or more", where, value.dump(-1, ' ', true)));
  }
  return value.get<std::int64_t>();
}

Entry parse_entry(const std::string& name, const Json& json, const std::string& where) {
  Entry entry;
  entry.name = name;
  const bool shaped = json.is_object() && json.size() == 3 && json.contains("dtype") && json.contains("shape") &&
                      json.contains("data_offsets") && json["shape"].is_array() && json["data_offsets"].is_array() &&
                      json["data_offsets"].size() == 2;
  if (!shaped) throw Error(where + ": found an entry other than {dtype, shape, data_offsets: [begin, end]}");
  const auto dtype = parse_dtype(json["dtype"]);
  if (!dtype)
    throw Error(fmt::format("{}: found dtype {}, which is not supported", where, json["dtype"].dump(-1, ' ', true)));
  entry.dtype = *dtype;
  for (const Json& dimension : json["shape"]) entry.shape.push_back(parse_count(dimension, where + ": shape"));
  entry.begin = static_cast<std::uint64_t>(parse_count(json["data_offsets"][0], where + ": data_offsets"));
  entry.end = static_cast<std::uint64_t>(parse_count(json["data_offsets"][1], where + ": data_offsets"));
  const auto wanted = static_cast<std::uint64_t>(element_count(entry.shape, entry.dtype, where) * size_of(entry.dtype));
  if (entry.begin > entry.end || entry.end - entry.begin != wanted) {
    throw Error(
        fmt::format("{}: found bytes {} to {}, allowed {} bytes for its shape", where, entry.begin, entry.end, wanted));
  }
  return entry;
}

}  // namespace

TensorFile parse_safetensors(ByteView bytes, const std::string& where) {
  ByteReader reader(bytes, where);
  const std::uint64_t header_bytes = reader.u64();
  if (header_bytes > kMaxHeaderBytes) {
    reader.fail(fmt::format("found a header of {} bytes, allowed {}", header_bytes, kMaxHeaderBytes));
  }
  const std::string text = reader.text(header_bytes);
  if (!text.starts_with('{')) reader.fail("found a header that does not begin with '{'");
  const Json header = parse_json(text, where);
  TensorFile file;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != kMetadata) {
      entries.push_back(parse_entry(name, value, where + ": " + name));
      continue;
    }
    if (!value.is_object()) reader.fail("found __metadata__ that is not a map of texts");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) reader.fail("found __metadata__ that is not a map of texts");
      file.metadata[key] = item.get<std::string>();
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      reader.fail(
          fmt::format("{}: found begin {}, allowed {}: no holes and no overlaps", entry.name, entry.begin, position));
    }
    const ByteView data = reader.take(entry.end - entry.begin);
    file.tensors.emplace_back(entry.name, Array{entry.shape, entry.dtype, Bytes(data.begin(), data.end())});
    position = entry.end;
  }
  if (reader.left() != 0) reader.fail(fmt::format("found {} bytes after the last tensor", reader.left()));
  return file;
}

Bytes safetensors_bytes(const TensorFile& file) {
  std::vector<const NamedArray*> order;
  for (const NamedArray& tensor : file.tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedArray* a, const NamedArray* b) {
    const std::int64_t size_a = size_of(a->second.dtype);
    const std::int64_t size_b = size_of(b->second.dtype);
    return size_a != size_b ? size_a > size_b : a->first < b->first;
  });
  Json header = Json::object();
  for (const auto& [key, value] : file.metadata) header[kMetadata][key] = value;
  std::uint64_t position = 0;
  for (const NamedArray* tensor : order) {
    const auto& [name, array] = *tensor;
    if (name == kMetadata || header.contains(name)) throw Error(fmt::format("safetensors: found {} twice", name));
    const std::uint64_t end = position + array.bytes.size();
    header[name] = {{"dtype", name_of(array.dtype)}, {"shape", array.shape}, {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  Bytes out;
  append_little(out, text.size(), 8);
  out.insert(out.end(), text.begin(), text.end());
  for (const NamedArray* tensor : order)
    out.insert(out.end(), tensor->second.bytes.begin(), tensor->second.bytes.end());
  return out;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path.string());
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  atomic_write(path, safetensors_bytes(file));
}

}  // namespace guardbit::nets
