#include "nets/io/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

/// IEEE binary16 and bfloat16 to double, exactly.
double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}
double bfloat_to_double(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

template <class T>
T load(const Bytes& bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

/// Calls visit(index, value) for every element, with its own type (bool as uint8, halves as double).
template <class Visit>
void visit_elements(const Array& array, Visit visit) {
  const std::size_t count = array.bytes.size() / static_cast<std::size_t>(size_of(array.dtype));
  const auto all = [&]<class T>(T) {
    for (std::size_t i = 0; i < count; ++i) visit(i, load<T>(array.bytes, i));
  };
  switch (array.dtype) {
    case DType::Bool:
    case DType::U8:
      return all(std::uint8_t{});
    case DType::I8:
      return all(std::int8_t{});
    case DType::I16:
      return all(std::int16_t{});
    case DType::U16:
      return all(std::uint16_t{});
    case DType::I32:
      return all(std::int32_t{});
    case DType::U32:
      return all(std::uint32_t{});
    case DType::I64:
      return all(std::int64_t{});
    case DType::U64:
      return all(std::uint64_t{});
    case DType::F32:
      return all(float{});
    case DType::F64:
      return all(double{});
    case DType::F16:
      for (std::size_t i = 0; i < count; ++i) visit(i, half_to_double(load<std::uint16_t>(array.bytes, i)));
      return;
    case DType::BF16:
      for (std::size_t i = 0; i < count; ++i) visit(i, bfloat_to_double(load<std::uint16_t>(array.bytes, i)));
      return;
  }
  std::abort();
}

template <class T>
std::int64_t checked_integer(T value, std::size_t index, const std::string& where, std::int64_t min, std::int64_t max) {
  bool fits = false;
  if constexpr (std::is_floating_point_v<T>) {
    const double real = static_cast<double>(value);
    fits = real == std::floor(real) && real >= -9223372036854775808.0 && real < 9223372036854775808.0;
  } else {
    fits = std::in_range<std::int64_t>(value);
  }
  const std::int64_t integer = fits ? static_cast<std::int64_t>(value) : 0;
  if (!fits || integer < min || integer > max) {
    throw Error(fmt::format("{}: element {}: found {}, allowed integers {} to {}", where, index, value, min, max));
  }
  return integer;
}

void expect_integers(const Array& array, bool whole_floats, const std::string& where) {
  if (is_integer(array.dtype) || whole_floats) return;
  throw Error(fmt::format("{}: found elements of type {}, allowed integers", where, name_of(array.dtype)));
}

}  // namespace

std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::Bool:
    case DType::I8:
    case DType::U8:
      return 1;
    case DType::I16:
    case DType::U16:
    case DType::F16:
    case DType::BF16:
      return 2;
    case DType::I32:
    case DType::U32:
    case DType::F32:
      return 4;
    case DType::I64:
    case DType::U64:
    case DType::F64:
      return 8;
  }
  std::abort();
}

const char* name_of(DType dtype) {
  static constexpr const char* kNames[] = {"BOOL", "I8",  "U8",  "I16",  "U16", "I32", "U32",
                                           "I64",  "U64", "F16", "BF16", "F32", "F64"};
  return kNames[static_cast<int>(dtype)];
}

bool is_integer(DType dtype) { return dtype < DType::F16; }

std::int64_t element_count(std::span<const std::int64_t> shape, DType dtype, const std::string& where) {
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 62;
  std::int64_t size_bytes = size_of(dtype);
  bool too_large = false;
  bool empty = false;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) throw Error(fmt::format("{}: shape: found {}, allowed 0 or more", where, dimension));
    empty = empty || dimension == 0;
    if (!empty)
      too_large = too_large || __builtin_mul_overflow(size_bytes, dimension, &size_bytes) || size_bytes > kMaxBytes;
  }
  if (empty) return 0;
  if (too_large)
    throw Error(fmt::format("{}: shape: found [{}], which is beyond memory", where, fmt::join(shape, ", ")));
  return size_bytes / size_of(dtype);
}

Array Array::zeros(std::vector<std::int64_t> shape, DType dtype) {
  const std::int64_t count = element_count(shape, dtype, "array");
  return {std::move(shape), dtype, Bytes(static_cast<std::size_t>(count * size_of(dtype)))};
}

std::int64_t Array::count() const { return element_count(shape, dtype, "array"); }

void Array::fill(std::span<const std::byte> source) {
  if (source.size() != bytes.size()) std::abort();  // a bug in the caller: elements and shape disagree
  if (!bytes.empty()) std::memcpy(bytes.data(), source.data(), source.size());
}

void Array::expect(DType wanted, const std::string& where) const {
  if (dtype != wanted) {
    throw Error(fmt::format("{}: found elements of type {}, allowed {}", where, name_of(dtype), name_of(wanted)));
  }
}

std::vector<std::int64_t> Array::to_int64(const std::string& where, bool whole_floats) const {
  expect_integers(*this, whole_floats, where);
  constexpr auto kLimits = std::numeric_limits<std::int64_t>();
  std::vector<std::int64_t> result(static_cast<std::size_t>(count()));
  visit_elements(*this, [&](std::size_t i, auto value) {
    result[i] = checked_integer(value, i, where, kLimits.min(), kLimits.max());
  });
  return result;
}

std::vector<std::int32_t> Array::to_int32(const std::string& where, bool whole_floats) const {
  expect_integers(*this, whole_floats, where);
  constexpr auto kLimits = std::numeric_limits<std::int32_t>();
  std::vector<std::int32_t> result(static_cast<std::size_t>(count()));
  visit_elements(*this, [&](std::size_t i, auto value) {
    result[i] = static_cast<std::int32_t>(checked_integer(value, i, where, kLimits.min(), kLimits.max()));
  });
  return result;
}

std::vector<float> Array::to_float() const {
  std::vector<float> result(static_cast<std::size_t>(count()));
  visit_elements(*this, [&](std::size_t i, auto value) { result[i] = static_cast<float>(value); });
  return result;
}

std::vector<double> Array::to_double() const {
  std::vector<double> result(static_cast<std::size_t>(count()));
  visit_elements(*this, [&](std::size_t i, auto value) { result[i] = static_cast<double>(value); });
  return result;
}

std::string Array::shape_text() const { return fmt::format("[{}]", fmt::join(shape, ", ")); }

const Array* find_array(const NamedArrays& arrays, const std::string& name) {
  for (const NamedArray& entry : arrays) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

}  // namespace guardbit::nets
