// safetensors: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, raw bytes.
// https://github.com/huggingface/safetensors (README, "Format"). Reading enforces all of it: header at most 100 MB and
// free of duplicate names, offsets in range, no holes, no overlaps, byte sizes equal to dtype times shape.
#pragma once

#include <map>

#include "nets/io/array.hpp"

namespace guardbit::nets {

struct TensorFile {
  NamedArrays tensors;                          ///< by position in the file
  std::map<std::string, std::string> metadata;  ///< "__metadata__"
};

TensorFile read_safetensors(const std::filesystem::path& path);
TensorFile parse_safetensors(ByteView bytes, const std::string& where);
/// Wide elements first, then by name, so that every tensor is aligned and the order of the caller does not matter.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);
Bytes safetensors_bytes(const TensorFile& file);

}  // namespace guardbit::nets
