// CpuBackend: float on the processor. Convolutions by oneDNN, matrix products by its sgemm, everything else by own
// loops (kernels.hpp).
//
// Every operator cuts its batch into at most kChunks pieces of equal size, the same for any number of threads. Partial
// sums over the batch (weight gradients, statistics) are kept per piece and added in order.
#pragma once

#include <algorithm>

#include "trainer/backend_overrides.hpp"
#include "trainer/cpu/conv_plan.hpp"
#include "trainer/cpu/thread_pool.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

class CpuBackend final : public HostBackend {
 public:
  explicit CpuBackend(int threads);
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] int threads() const override { return pool_.threads(); }
  [[nodiscard]] std::size_t element_bytes(Element element) const override;
  GUARDBIT_BACKEND_OPERATORS

 private:
  static constexpr int kChunks = 8;

  /// work(chunk, first, count, worker) over [0, n), cut into at most kChunks pieces of whole units, and of at least
  /// `smallest` where there are as many.
  template <class Work>
  int for_chunks(std::int64_t n, Work&& work, std::int64_t smallest = 1) {
    const std::int64_t size = n == 0 ? 0 : std::max(smallest, (n + kChunks - 1) / kChunks);
    const int pieces = size == 0 ? 0 : static_cast<int>((n + size - 1) / size);
    pool_.run(pieces, [&](int piece, int worker) {
      const std::int64_t first = piece * size;
      work(piece, first, first + size > n ? n - first : size, worker);
    });
    return pieces;
  }
  /// The same over elements; small tensors stay in one piece of the calling thread.
  template <class Work>
  void for_elements(std::int64_t n, Work&& work) {
    if (n < 16384) {
      work(std::int64_t{0}, n);
      return;
    }
    const std::int64_t size = (n / kChunks + 63) / 64 * 64;
    pool_.run(static_cast<int>((n + size - 1) / size), [&](int piece, int) {
      const std::int64_t first = piece * size;
      work(first, first + size > n ? n - first : size);
    });
  }
  /// total[i] = the sum of piece[k][i] over k, in order; pieces are one after the other in `from`.
  void add_pieces(int pieces, std::int64_t count, const float* from, float* total);
  void bias_gradient(const TensorView& dy, const TensorView& dbias);

  // A 1x1 convolution with stride 1: rows of pixels times a matrix.
  [[nodiscard]] static bool is_product(const nets::ConvAttributes& conv);
  void product_forward(const TensorView& x, const TensorView& weight, const TensorView& bias, const TensorView& y);
  void product_backward_data(const TensorView& dy, const TensorView& weight, const TensorView& dx);
  void product_backward_weights(const TensorView& x, const TensorView& dy, const TensorView& dweight);

  // Depthwise 3x3 with one output per input.
  [[nodiscard]] static bool is_depthwise(const nets::ConvAttributes& conv, const nets::Shape& in);
  void depthwise_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                         const TensorView& bias, const TensorView& y);
  void depthwise_backward_data(const nets::ConvAttributes& conv, const TensorView& dy, const TensorView& weight,
                               const TensorView& dx);
  void depthwise_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,
                                  const TensorView& dweight);

  ThreadPool pool_;
  ConvPlans plans_;
  std::vector<double> partial_;  // per piece sums
  std::vector<float> channels_;  // per channel factors, widened; other float scratch
};

}  // namespace guardbit::trainer
