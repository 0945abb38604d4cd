// The operator declarations of a Backend that implements all of them; for use inside a class body, so that every
// implementation lists the same operators once.
#pragma once

#define GUARDBIT_BACKEND_OPERATORS                                                                                    \
  void fill(const TensorView& y, double value) override;                                                             \
  void load_batch(const TensorView& images, const TensorView& labels, std::span<const SampleTransform> transforms,   \
                  const nets::Preprocess& preprocess, const TensorView& x, const TensorView& y) override;            \
  void conv_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,                 \
                    const TensorView& bias, const TensorView& y) override;                                           \
  void conv_backward_data(const nets::ConvAttributes& conv, const TensorView& dy, const TensorView& weight,          \
                          const TensorView& dx) override;                                                            \
  void conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,            \
                             const TensorView& dweight, const TensorView& dbias) override;                           \
  void batch_norm_train(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,           \
                        const BatchNormTensors& t, const TensorView& y) override;                                    \
  void batch_norm_infer(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,           \
                        const BatchNormTensors& t, const TensorView& y) override;                                    \
  void batch_norm_backward(Activation activation, const TensorView& x, const TensorView& y, const TensorView& dy,    \
                           const BatchNormTensors& t, const TensorView& dx, const TensorView& dgamma,                \
                           const TensorView& dbeta) override;                                                        \
  void activation_forward(Activation activation, const TensorView& x, const TensorView& y) override;                 \
  void activation_backward(Activation activation, const TensorView& y, const TensorView& dy, const TensorView& dx)   \
      override;                                                                                                      \
  void max_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y,                        \
                        const TensorView& index) override;                                                           \
  void max_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& index,                  \
                         const TensorView& dx) override;                                                             \
  void average_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y) override;          \
  void average_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& dx) override;       \
  void add(const TensorView& a, const TensorView& b, const TensorView& y) override;                                  \
  void accumulate(const TensorView& x, const TensorView& y) override;                                                \
  void copy(const TensorView& x, const TensorView& y) override;                                                      \
  void copy_region(const Region& region, const TensorView& x, const TensorView& y) override;                         \
  void dropout(double rate, std::uint32_t stream, const TensorView& x, const TensorView& y) override;                \
  void softmax(const TensorView& x, const TensorView& y) override;                                                   \
  void cross_entropy(double smoothing, const TensorView& logits, const TensorView& labels,                           \
                     const TensorView& metrics, const TensorView& dlogits) override;                                 \
  void update(const OptimizerSpec& spec, double weight_decay, double lr_scale, const TensorView& parameter,          \
              const TensorView& gradient, const TensorView& state0, const TensorView& state1) override;              \
  void moving_average(double keep, const TensorView& x, const TensorView& y) override;                               \
  void clip_norm(double max_norm, const TensorView& gradients) override;
