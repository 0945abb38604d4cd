// Dense tensors: a shape and its elements in C order. Activations are [N, H, W, C], weights [K, R, S, C / groups].
#pragma once

#include <cstdint>
#include <vector>

namespace guardbit::nets {

template <class T>
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<T> data;

  Tensor() = default;
  explicit Tensor(std::vector<std::int64_t> dimensions) : shape(std::move(dimensions)) {
    data.resize(static_cast<std::size_t>(count()));
  }
  [[nodiscard]] std::int64_t count() const {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return n;
  }
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

using FloatTensor = Tensor<float>;
using IntTensor = Tensor<std::int32_t>;  // codes
using WideTensor = Tensor<std::int64_t>;  // accumulators

// One activation without its batch dimension. A flattened tensor is [1, 1, c].
struct Shape {
  int h = 1, w = 1, c = 1;
  [[nodiscard]] constexpr std::int64_t count() const { return std::int64_t{h} * w * c; }
  friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

}  // namespace guardbit::nets
