// Graph: a network laid out on a device. The order of operators, what shares memory and where everything lies is
// decided once, in the constructor; a step only calls operators.
//
// * A relu behind a batch normalization is done by it; another relu works in place where nobody else reads its input.
//   Flatten, and dropout outside training, are names for the same memory.
// * Softmax at the end belongs to the loss: in training the scores before it are what is compared with the labels.
// * In training, values live until their own backward step; gradients from the first consumer's backward to their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trainer/graph/memory_plan.hpp"
#include "trainer/graph/parameters.hpp"
#include "trainer/graph/quantized_graph.hpp"

namespace guardbit::trainer {

enum class Mode : unsigned char { Train, Infer };

class Graph {
 public:
  /// `batch`: largest number of images of a step. Infer reads averages where they are kept. The parameters and the back
  /// end outlive the graph. Error when the network does not end in one score per class. With `quantizers`, which
  /// outlive the graph too, steps in which they are active run on integers (quantized_graph.hpp); network then has
  /// parameters.
  Graph(Backend& backend, const nets::Network& network, const Parameters& parameters, std::int64_t batch, Mode mode,
        QuantizerState* quantizers = nullptr);

  [[nodiscard]] TensorView input(std::int64_t n) const { return value(0, n); }   // to be filled before forward
  [[nodiscard]] TensorView labels(std::int64_t n) const;                         // Int32, for the loss
  [[nodiscard]] TensorView scores(std::int64_t n) const {
    return on_integers() ? quantized_->scores(n) : value(scores_, n);
  }
  [[nodiscard]] TensorView value(int node, std::int64_t n) const;
  [[nodiscard]] TensorView metrics() const { return metrics_; }                  // Float64 [4], grows by every loss
  [[nodiscard]] int classes() const { return network_.node(scores_).shape.c; }
  /// The graph of integers; null without quantizers.
  [[nodiscard]] QuantizedGraph* quantized() const { return quantized_.get(); }
  [[nodiscard]] std::size_t planned_bytes() const { return planned_bytes_; }

  void forward(std::int64_t n);
  /// Adds to the metrics; in training also starts the backward pass.
  void loss(std::int64_t n, double smoothing);
  /// After loss(): the scores are compared with other labels too (Int32 [n]; `metrics` grows by that), and the backward
  /// pass starts with share * the gradient of loss() + (1 - share) * this one. `spare`: Real like scores(n).
  void blend_loss(std::int64_t n, double smoothing, double share, const TensorView& labels, const TensorView& metrics,
                  const TensorView& spare);
  /// Fills the gradients of all trainable parameters.
  void backward(std::int64_t n);
  /// After forward: the first node, or parameter, that holds a number that is not finite; "" when there is none.
  [[nodiscard]] std::string find_non_finite(std::int64_t n) const;

 private:
  struct Slot {
    int root = 0;                // node whose memory this one shares
    bool skipped = false;        // done by another node, or only a name
    bool wants_gradient = false;
    Activation activation = Activation::None;  // of a batch normalization, or of a relu itself
    int buffer = -1, gradient = -1, index = -1, statistics = -1;  // in plan_; of the root
    std::vector<TensorView> parameters, gradients;                // in the order of parameter_specs
    BatchNormTensors norm;
  };

  [[nodiscard]] bool on_integers() const { return quantized_ != nullptr && quantizers_->is_active(); }
  void find_shared(const std::vector<int>& uses);
  void plan(const std::vector<int>& uses);
  void bind(const Parameters& parameters);
  [[nodiscard]] TensorView at(int buffer, std::int64_t n, nets::Shape shape, Element element = Element::Real) const;
  [[nodiscard]] TensorView score_gradient(std::int64_t n) const;
  [[nodiscard]] TensorView gradient(int node, std::int64_t n) const;
  [[nodiscard]] TensorView index(int node, std::int64_t n) const;
  [[nodiscard]] char& started(int node) {
    return started_[static_cast<std::size_t>(slots_[static_cast<std::size_t>(node)].root)];
  }
  void forward_node(int i, std::int64_t n);
  void forward_concat(int i, std::int64_t n);
  void backward_node(int i, std::int64_t n);
  void backward_add(int i, std::int64_t n);
  void backward_concat(int i, std::int64_t n);
  /// Lets `write` put a gradient where that of `node` is collected; nothing when nobody wants it.
  template <class Write>
  void contribute(int node, std::int64_t n, Write write);

  Backend& backend_;
  QuantizerState* quantizers_;
  std::unique_ptr<QuantizedGraph> quantized_;
  const nets::Network network_;  // without parameters
  Mode mode_;
  int scores_ = 0;
  std::vector<Slot> slots_;
  std::vector<Buffer> plan_;
  int spare_ = -1;  // buffer for a second gradient of one tensor
  std::size_t planned_bytes_ = 0;
  std::unique_ptr<Memory> memory_, label_memory_, metric_memory_;
  TensorView labels_, metrics_;
  std::vector<char> started_;  // roots whose gradient has its first contribution
};

}  // namespace guardbit::trainer
