// Tensors on a back end, for tests: made from numbers, read back as numbers.
//
// Beside the back ends that users can name there are `cuda_on_host`, the operators of the CUDA back end with loops in
// place of launches, and `cuda_scattered`: the same with the bodies of a launch in another order, device memory that
// the host cannot touch, and a workspace of 8 KiB, so that convolutions take few images at a time.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "arith/philox.hpp"
#include "trainer/backend.hpp"
#include "trainer/cuda/plugin.hpp"

namespace guardbit::trainer {

/// CUDA operators without CUDA (cuda_on_host.cpp).
[[nodiscard]] std::unique_ptr<Backend> make_cuda_on_host(bool scattered);

[[nodiscard]] inline std::unique_ptr<Backend> make_test_backend(const std::string& name, int threads) {
  if (name == "cuda_on_host" || name == "cuda_scattered") return make_cuda_on_host(name == "cuda_scattered");
  if (name == "cuda" && !cuda_refusal().empty()) return nullptr;
  return make_backend(name, threads);
}

/// For SetUp of a test over back ends: a GPU that is not there is a reason to skip, and says so.
#define GUARDBIT_SKIP_WITHOUT(name)                                                    \
  if (std::string(name) == "cuda" && !::guardbit::trainer::cuda_refusal().empty())     \
  GTEST_SKIP() << "no GPU to test on: " << ::guardbit::trainer::cuda_refusal()

class Device {
 public:
  explicit Device(const std::string& name, int threads = 2) : backend_(make_test_backend(name, threads)) {}
  Backend& operator*() const { return *backend_; }
  Backend* operator->() const { return backend_.get(); }

  TensorView make(std::int64_t n, nets::Shape shape, Element element = Element::Real) {
    TensorView view{nullptr, element, n, shape};
    memory_.push_back(backend_->allocate(static_cast<std::size_t>(view.count()) * backend_->element_bytes(element)));
    view.data = memory_.back()->address();
    return view;
  }
  TensorView make(std::int64_t n, nets::Shape shape, const std::vector<double>& values) {
    const TensorView view = make(n, shape);
    upload(*backend_, view, std::span<const double>(values));
    return view;
  }
  TensorView labels(const std::vector<std::int32_t>& values) {
    const TensorView view = make(static_cast<std::int64_t>(values.size()), {}, Element::Int32);
    backend_->copy_in(view, values.data());
    return view;
  }
  std::vector<double> read(const TensorView& view) const { return download_double(*backend_, view); }
  std::vector<std::int32_t> read_int(const TensorView& view) const {
    std::vector<std::int32_t> values(static_cast<std::size_t>(view.count()));
    backend_->copy_out(values.data(), view);
    return values;
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::deque<std::unique_ptr<Memory>> memory_;
};

/// Uniform in [-1, 1) with steps of 2^-20, so that every value is exact in float and double.
inline std::vector<double> random_values(std::int64_t count, std::uint64_t seed) {
  arith::Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(random.below(1U << 21)) * 0x1p-20 - 1;
  return values;
}

}  // namespace guardbit::trainer
