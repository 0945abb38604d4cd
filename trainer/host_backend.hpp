// HostBackend: what back ends in host memory share. Memory is ordinary memory, every call is finished when it returns.
#pragma once

#include "trainer/backend.hpp"

namespace guardbit::trainer {

/// Memory of the host, 64-byte aligned, zeroed.
class HostMemory final : public Memory {
 public:
  explicit HostMemory(std::size_t bytes);
  ~HostMemory() override;
  [[nodiscard]] void* address() const override { return data_; }

 private:
  void* data_ = nullptr;
};

class HostBackend : public Backend {
 public:
  [[nodiscard]] std::unique_ptr<Memory> allocate(std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<Memory> adopt(std::span<const std::uint8_t> bytes,
                                              std::shared_ptr<const void> owner) override;
  void copy_in(const TensorView& to, const void* from) override;
  void copy_out(void* to, const TensorView& from) override;
  void begin_step(const StepScalars& scalars) override { step_ = scalars; }
  [[nodiscard]] std::unique_ptr<CodeOperators> make_code_operators(const nets::IntegerNetwork& network,
                                                                   const InputCodes& input,
                                                                   std::int64_t batch) override;

 protected:
  StepScalars step_;
};

/// Shape and element checks on entry: a wrong one is a mistake of the program and aborts with `what`.
void check(bool condition, const char* what);

/// The elements of a view, as `T`.
template <class T>
[[nodiscard]] T* elements(const TensorView& view) {
  return static_cast<T*>(view.data);
}

/// Scale of one element under dropout: 0 or 1 / (1 - rate). Element i uses word i % 4 of block i / 4.
struct DropoutKey {
  std::uint64_t seed = 0, step = 0;
  std::uint32_t stream = 0;
  double rate = 0;
  /// Bits of the four elements 4 * block ... 4 * block + 3: set when kept.
  [[nodiscard]] unsigned kept(std::uint64_t block) const;
};

/// Real input of the network for every byte: [C, 256], computed in double and rounded once.
template <class Real>
[[nodiscard]] std::vector<Real> preprocess_table(const nets::Preprocess& preprocess, int channels);

/// One image of a batch: transformed (interpolated pixels are rounded to bytes), then looked up in `table`.
/// images Byte [N, H, W, C]; to [H, W, C].
template <class Real>
void load_sample(const TensorView& images, const SampleTransform& transform, std::span<const Real> table, Real* to);

}  // namespace guardbit::trainer
