#include "nets/io/npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "nets/io/byte_reader.hpp"
#include "nets/io/zip.hpp"

namespace guardbit::nets {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxHeaderBytes = 1 << 16;
constexpr std::size_t kMaxDimensions = 64;

constexpr std::pair<std::string_view, DType> kCodes[] = {{"b1", DType::Bool}, {"i1", DType::I8},  {"u1", DType::U8},
                                                         {"i2", DType::I16},  {"u2", DType::U16}, {"i4", DType::I32},
                                                         {"u4", DType::U32},  {"i8", DType::I64}, {"u8", DType::U64},
                                                         {"f2", DType::F16},  {"f4", DType::F32}, {"f8", DType::F64}};

struct Header {
  std::optional<DType> dtype;
  std::optional<bool> fortran;
  std::optional<std::vector<std::int64_t>> shape;
};

/// The header is a Python dictionary literal of three known keys.
class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  Header run() {
    Header header;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !header.dtype) {
        header.dtype = dtype(quoted());
      } else if (key == "fortran_order" && !header.fortran) {
        header.fortran = boolean();
      } else if (key == "shape" && !header.shape) {
        header.shape = tuple();
      } else {
        fail(fmt::format("found key '{}', allowed descr, fortran_order and shape, once each", key));
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("found text after the header");
    if (!header.dtype || !header.fortran || !header.shape) fail("found a header without descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(where_ + ": npy header: " + what); }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char symbol) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != symbol) return false;
    ++at_;
    return true;
  }
  void expect(char symbol) {
    if (!take(symbol)) fail(fmt::format("found no '{}' at offset {}", symbol, at_));
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') fail(fmt::format("found no quoted text at offset {}", at_));
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) fail("found a quote that does not end");
    const std::string value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.compare(at_, word.size(), word) != 0) continue;
      at_ += word.size();
      return value;
    }
    fail("found fortran_order that is neither True nor False");
  }
  DType dtype(const std::string& descr) const {
    const char order = descr.empty() ? ' ' : descr[0];
    for (const auto& [code, dtype] : kCodes) {
      const bool order_is_fine = order == '<' || (order == '|' && size_of(dtype) == 1);
      if (order_is_fine && descr.substr(1) == code) return dtype;
    }
    fail(fmt::format("found descr '{}', allowed little-endian b1, i1 to i8, u1 to u8, f2, f4, f8", descr));
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> shape;
    expect('(');
    while (!take(')')) {
      shape.push_back(dimension());
      if (shape.size() > kMaxDimensions) fail(fmt::format("found more than {} dimensions", kMaxDimensions));
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }
  std::int64_t dimension() {
    skip_space();
    std::int64_t value = 0;
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (value > (INT64_MAX - 9) / 10) fail("found a dimension beyond 64 bits");
      value = value * 10 + (text_[at_++] - '0');
    }
    if (at_ == start) fail(fmt::format("found no dimension at offset {}", start));
    return value;
  }

  const std::string& text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

/// Elements from Fortran order (first index fastest) to C order (last index fastest).
Bytes to_c_order(ByteView source, const std::vector<std::int64_t>& shape, std::int64_t element_bytes) {
  const std::size_t size = static_cast<std::size_t>(element_bytes);
  Bytes result(source.size());
  std::vector<std::int64_t> index(shape.size(), 0);
  for (std::size_t at = 0; at < result.size(); at += size) {
    std::int64_t from = 0;
    for (std::size_t d = shape.size(); d-- > 0;) from = from * shape[d] + index[d];
    std::memcpy(result.data() + at, source.data() + static_cast<std::size_t>(from) * size, size);
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return result;
}

std::string code_of(DType dtype) {
  for (const auto& [code, candidate] : kCodes) {
    if (candidate == dtype) return fmt::format("{}{}", size_of(dtype) == 1 ? '|' : '<', code);
  }
  throw Error(fmt::format("npy: found elements of type {}, which NumPy lacks", name_of(dtype)));
}

}  // namespace

Array parse_npy(ByteView bytes, const std::string& where) {
  ByteReader reader(bytes, where);
  if (bytes.size() < 10 || reader.text(kMagic.size()) != kMagic) reader.fail("found data that is not an .npy file");
  const int major = reader.u8();
  const int minor = reader.u8();
  if (major < 1 || major > 3 || minor != 0)
    reader.fail(fmt::format("found npy version {}.{}, allowed 1.0 to 3.0", major, minor));
  const std::uint64_t header_bytes = major == 1 ? reader.u16() : reader.u32();
  if (header_bytes > kMaxHeaderBytes)
    reader.fail(fmt::format("found a header of {} bytes, allowed {}", header_bytes, kMaxHeaderBytes));
  const Header header = HeaderParser(reader.text(header_bytes), where).run();
  const std::int64_t data_bytes = element_count(*header.shape, *header.dtype, where) * size_of(*header.dtype);
  if (static_cast<std::uint64_t>(data_bytes) != reader.left()) {
    reader.fail(fmt::format("found {} bytes of data, allowed {}", reader.left(), data_bytes));
  }
  const ByteView data = reader.take(reader.left());
  Array array{*header.shape, *header.dtype, {}};
  array.bytes = *header.fortran ? to_c_order(data, array.shape, size_of(array.dtype)) : Bytes(data.begin(), data.end());
  if (array.dtype == DType::Bool && std::any_of(array.bytes.begin(), array.bytes.end(), [](auto b) { return b > 1; })) {
    reader.fail("found a boolean that is neither 0 nor 1");
  }
  return array;
}

Bytes npy_bytes(const Array& array) {
  std::string shape;
  for (const std::int64_t dimension : array.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(dimension);
  if (array.shape.size() == 1) shape += ",";
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", code_of(array.dtype), shape);
  const std::size_t unpadded = kMagic.size() + 4 + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  header += '\n';
  Bytes out(kMagic.begin(), kMagic.end());
  out.push_back(1);
  out.push_back(0);
  append_little(out, header.size(), 2);
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), array.bytes.begin(), array.bytes.end());
  return out;
}

Array read_npy(const std::filesystem::path& path) { return parse_npy(read_file(path), path.string()); }

void write_npy(const std::filesystem::path& path, const Array& array) { atomic_write(path, npy_bytes(array)); }

NamedArrays parse_npz(ByteView bytes, const std::string& where) {
  NamedArrays arrays;
  for (const ZipEntry& entry : parse_zip(bytes, where)) {
    const bool is_array = entry.name.ends_with(".npy");
    if (!is_array) throw Error(fmt::format("{}: found {}, allowed .npy entries", where, entry.name));
    arrays.emplace_back(entry.name.substr(0, entry.name.size() - 4), parse_npy(entry.bytes, where + ": " + entry.name));
  }
  return arrays;
}

NamedArrays read_npz(const std::filesystem::path& path) { return parse_npz(read_file(path), path.string()); }

void write_npz(const std::filesystem::path& path, const NamedArrays& arrays) {
  std::vector<ZipEntry> entries;
  for (const auto& [name, array] : arrays) entries.push_back({name + ".npy", npy_bytes(array)});
  atomic_write(path, zip_bytes(entries));
}

}  // namespace guardbit::nets
