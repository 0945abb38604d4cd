// ConvPlan: the oneDNN primitives of one convolution on one number of images, created once and kept.
//
// Activations stay NHWC; weights are reordered from KRSC to the layout that the primitive likes, once per call. A plan
// owns the memory of those layouts, and scratch memory per worker thread (primitives run concurrently).
#pragma once

#include <deque>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>

#include "trainer/backend.hpp"

namespace guardbit::trainer {

enum class ConvPass : unsigned char { Forward, BackwardData, BackwardWeights };

struct ConvKey {
  ConvPass pass = ConvPass::Forward;
  nets::ConvAttributes conv;
  nets::Shape in, out;
  std::int64_t images = 0;
  bool bias = false;
  friend bool operator==(const ConvKey&, const ConvKey&) = default;
};

class ConvPlan {
 public:
  ConvPlan(const ConvKey& key, int workers, int pieces);
  [[nodiscard]] const ConvKey& key() const { return key_; }

  /// KRSC weights -> the layout of the primitive (Forward, BackwardData).
  void set_weights(float* weights);
  void forward(int worker, float* x, float* bias, float* y);
  void backward_data(int worker, float* dy, float* dx);
  /// Gradients of one piece of the batch, kept in the plan.
  void backward_weights(int worker, int piece, float* x, float* dy);
  /// Elements of a piece's gradient, for adding pieces in order; `layout` memory of piece 0 after that.
  [[nodiscard]] std::int64_t gradient_count() const;
  [[nodiscard]] float* gradient(int piece);
  [[nodiscard]] float* bias_gradient(int piece);
  /// Piece 0 -> KRSC.
  void get_gradient(float* dweights);

 private:
  struct Worker {
    dnnl::memory x, y, bias, scratch;
    dnnl::stream stream;
  };
  void execute(Worker& worker, std::initializer_list<dnnl_exec_arg_t> arguments);

  ConvKey key_;
  dnnl::primitive primitive_;
  dnnl::memory::desc plain_desc_, weights_desc_;
  dnnl::memory plain_;                      // KRSC, handle set per call
  std::deque<dnnl::memory> weights_;        // one; BackwardWeights: one per piece
  std::deque<dnnl::memory> bias_gradient_;  // per piece
  dnnl::reorder reorder_;
  bool needs_reorder_ = false;
  std::deque<Worker> workers_;
};

class ConvPlans {
 public:
  explicit ConvPlans(int workers) : workers_(workers) {}
  /// `pieces`: how many weight gradients are kept apart.
  ConvPlan& get(const ConvKey& key, int pieces);

 private:
  int workers_;
  std::deque<ConvPlan> plans_;
};

}  // namespace guardbit::trainer
