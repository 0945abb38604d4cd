// safetensors: a literal file, every rule of its header, damage.
#include "io_support.hpp"
#include "nets/io/safetensors.hpp"

namespace guardbit::nets {
namespace {

Bytes file_of(const std::string& header, const Bytes& data) {
  Bytes bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::uint8_t>(header.size() >> (8 * i)));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

std::string header_error(const std::string& header, std::size_t data_bytes) {
  return error_of([&] { parse_safetensors(file_of(header, Bytes(data_bytes)), "w"); });
}

TEST(Safetensors, ReadsALiteralFile) {
  const TensorFile file = parse_safetensors(
      file_of(
          R"({"b":{"dtype":"I8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]},)"
          R"("__metadata__":{"format":"x"}}  )",
          from_hex("0100feff7f80ff")),
      "w");
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].first, "a");
  EXPECT_EQ(file.tensors[0].second.as<std::int16_t>("w"), (std::vector<std::int16_t>{1, -2}));
  EXPECT_EQ(file.tensors[1].second.as<std::int8_t>("w"), (std::vector<std::int8_t>{127, -128, -1}));
  EXPECT_EQ(file.metadata.at("format"), "x");
}

TEST(Safetensors, WritesDeterministicAlignedFiles) {
  TensorFile file;
  file.tensors.emplace_back("z", Array::from<std::int8_t>({3}, std::vector<std::int8_t>{1, 2, 3}));
  file.tensors.emplace_back("wide", Array::from<std::int64_t>({1}, std::vector<std::int64_t>{-5}));
  file.tensors.emplace_back("a", Array::from<std::int8_t>({}, std::vector<std::int8_t>{9}));
  const Bytes bytes = safetensors_bytes(file);
  EXPECT_EQ(
      std::string(bytes.begin() + 8, bytes.end() - 12),
      R"({"a":{"data_offsets":[8,9],"dtype":"I8","shape":[]},"wide":{"data_offsets":[0,8],"dtype":"I64","shape":[1]},)"
      R"("z":{"data_offsets":[9,12],"dtype":"I8","shape":[3]}}       )");
  EXPECT_EQ((bytes.size() - 12) % 8, 0u);
  std::swap(file.tensors[0], file.tensors[2]);
  EXPECT_EQ(safetensors_bytes(file), bytes);  // the order given does not matter
  const TensorFile again = parse_safetensors(bytes, "w");
  EXPECT_EQ(again.tensors[0].first, "wide");
  EXPECT_EQ(*find_array(again.tensors, "z"), *find_array(file.tensors, "z"));
}

TEST(Safetensors, EveryTypeReadsBack) {
  TensorFile file;
  file.metadata["k"] = "v";
  for (int i = 0; i <= static_cast<int>(DType::F64); ++i) {
    const auto dtype = static_cast<DType>(i);
    Array array = Array::zeros({2, 3}, dtype);
    for (std::size_t b = 0; b < array.bytes.size(); ++b) array.bytes[b] = static_cast<std::uint8_t>(b);
    file.tensors.emplace_back(name_of(dtype), array);
  }
  const TensorFile again = parse_safetensors(safetensors_bytes(file), "w");
  EXPECT_EQ(again.metadata, file.metadata);
  ASSERT_EQ(again.tensors.size(), file.tensors.size());
  for (const auto& [name, array] : file.tensors) EXPECT_EQ(*find_array(again.tensors, name), array);
}

TEST(Safetensors, HeaderRules) {
  EXPECT_EQ(
      header_error(
          R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
          1),
      "w: header: found a twice");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1),
            "w: header: found dtype twice");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})", 2),
            "w: a: found begin 1, allowed 0: no holes and no overlaps");
  EXPECT_EQ(
      header_error(
          R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
          3),
      "w: b: found begin 1, allowed 2: no holes and no overlaps");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,3]}})", 3),
            "w: a: found bytes 0 to 3, allowed 2 bytes for its shape");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}})", 1),
            "w: found 1 bytes at offset 61, where 2 are needed");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}})", 3),
            "w: found 1 bytes after the last tensor");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I7","shape":[2],"data_offsets":[0,2]}})", 2),
            "w: a: found dtype \"I7\", which is not supported");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[-2],"data_offsets":[0,2]}})", 2),
            "w: a: shape: found -2, allowed 0 or more");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[4611686018427387904,9],"data_offsets":[0,2]}})", 2),
            "w: a: shape: found [4611686018427387904, 9], which is beyond memory");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[2]}})", 2),
            "w: a: found an entry other than {dtype, shape, data_offsets: [begin, end]}");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1],"x":1}})", 1),
            "w: a: found an entry other than {dtype, shape, data_offsets: [begin, end]}");
  EXPECT_EQ(header_error(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}})", 1),
            "w: a: found bytes 1 to 0, allowed 1 bytes for its shape");
  EXPECT_EQ(header_error(R"({"__metadata__":{"a":1}})", 0), "w: found __metadata__ that is not a map of texts");
  EXPECT_EQ(header_error(R"({"__metadata__":["a"]})", 0), "w: found __metadata__ that is not a map of texts");
  EXPECT_EQ(header_error(" {}", 0), "w: found a header that does not begin with '{'");
  EXPECT_EQ(header_error("{", 0), "w: header: found text that is not JSON");
  EXPECT_EQ(header_error("{\"a\":" + std::string(100000, '[') + "}", 0), "w: header: found values nested too deeply");
  EXPECT_EQ(error_of([] { parse_safetensors(from_hex("ffffffffffffff7f7b7d"), "w"); }),
            "w: found a header of 9223372036854775807 bytes, allowed 100000000");
}

TEST(Safetensors, DamagedFilesAreRefusedOrRead) {
  TensorFile file;
  file.metadata["a"] = "b";
  file.tensors.emplace_back("w", Array::from<std::int16_t>({2}, std::vector<std::int16_t>{1, 2}));
  file.tensors.emplace_back("b", Array::from<std::int8_t>({1}, std::vector<std::int8_t>{1}));
  EXPECT_GT(damage(safetensors_bytes(file), [](ByteView bytes) { parse_safetensors(bytes, "x"); }), 300);
}

}  // namespace
}  // namespace guardbit::nets
