// An array as the file formats know it: shape, element type, raw bytes (C order, little-endian).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nets/io/file.hpp"

namespace guardbit::nets {

static_assert(std::endian::native == std::endian::little, "elements are stored as the processor holds them");

enum class DType { Bool, I8, U8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64 };

std::int64_t size_of(DType dtype);  ///< bytes per element
const char* name_of(DType dtype);   ///< "I8", as in safetensors
bool is_integer(DType dtype);       ///< Bool counts

/// Number of elements. Throws Error beginning with `where` on negative dimensions or a byte size beyond 2^62.
std::int64_t element_count(std::span<const std::int64_t> shape, DType dtype, const std::string& where);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::I8;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::U8;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::I16;
};
template <>
struct DTypeOf<std::uint16_t> {
  static constexpr DType value = DType::U16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::I32;
};
template <>
struct DTypeOf<std::uint32_t> {
  static constexpr DType value = DType::U32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::I64;
};
template <>
struct DTypeOf<std::uint64_t> {
  static constexpr DType value = DType::U64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::F32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::F64;
};

struct Array {
  std::vector<std::int64_t> shape;
  DType dtype = DType::F32;
  Bytes bytes;

  /// Elements in C order; aborts if their number does not fit the shape.
  template <class T>
  static Array from(std::vector<std::int64_t> shape, std::span<const T> elements) {
    Array array = zeros(std::move(shape), DTypeOf<T>::value);
    array.fill(std::as_bytes(elements));
    return array;
  }
  template <class T>
  static Array from(std::vector<std::int64_t> shape, const std::vector<T>& elements) {
    return from(std::move(shape), std::span<const T>(elements));
  }
  static Array zeros(std::vector<std::int64_t> shape, DType dtype);

  std::int64_t count() const;

  /// Elements of exactly this type. Each accessor throws Error, which begins with `where` (usually the file name).
  template <class T>
  std::vector<T> as(const std::string& where) const {
    expect(DTypeOf<T>::value, where);
    std::vector<T> elements(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(elements.data(), bytes.data(), bytes.size());
    return elements;
  }
  /// Integers and booleans of any width; floats only if `whole_floats` and every one is an integer.
  std::vector<std::int64_t> to_int64(const std::string& where, bool whole_floats = false) const;
  /// The same, each value within int32.
  std::vector<std::int32_t> to_int32(const std::string& where, bool whole_floats = false) const;
  /// Any type, F64 and wide integers rounded to nearest even.
  std::vector<float> to_float() const;
  std::vector<double> to_double() const;

  std::string shape_text() const;  ///< "[2, 3]"
  friend bool operator==(const Array&, const Array&) = default;

 private:
  void expect(DType wanted, const std::string& where) const;
  void fill(std::span<const std::byte> source);
};

using NamedArray = std::pair<std::string, Array>;
using NamedArrays = std::vector<NamedArray>;

/// Null if there is none.
const Array* find_array(const NamedArrays& arrays, const std::string& name);

}  // namespace guardbit::nets
