// DeviceCodes: the operators of quantized training as launches on a Queue. In device memory, codes have 16 bits and
// accumulators 64; stages, weights and biases of a layer go there each time it runs.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "arith/error.hpp"
#include "nets/quantize/conv_shape.hpp"
#include "trainer/cuda/bodies_rules.hpp"
#include "trainer/cuda/integer_convolution.hpp"
#include "trainer/cuda/stage_upload.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
class DeviceCodes final : public CodeOperators {
 public:
  /// Queue and network outlive this.
  DeviceCodes(Queue& queue, const nets::IntegerNetwork& network, const InputCodes& input, Count batch);

  void input(const TensorView& x) override;
  void run(int layer, bool keep) override;
  void accumulators_to_real(int layer, const std::vector<double>& scales, const TensorView& y) override;
  void requantize(int layer) override;
  void dequantize(int layer, const TensorView& y) override;
  [[nodiscard]] nets::IntTensor codes(int layer) override;

  [[nodiscard]] Observation observe(const Quantizer& quantizer, Activation activation, const TensorView& x) override;
  [[nodiscard]] ChannelMoments channel_moments(const TensorView& x) override;
  [[nodiscard]] double activation_backward(const Quantizer& quantizer, Activation activation, const TensorView& x,
                                           const TensorView& y, const TensorView& dy) override;
  void round(const Quantizer& quantizer, const RandomKey& key, const TensorView& x) override;

 private:
  static constexpr Count kStrips = 8192;      // of a search for the smallest and largest
  static constexpr Count kHistograms = 1024;

  [[nodiscard]] static float* reals(const TensorView& view) { return static_cast<float*>(view.data); }
  [[nodiscard]] Code* at(int layer) const {
    return static_cast<Code*>(codes_[static_cast<std::size_t>(layer)]->address());
  }
  [[nodiscard]] Count count(int layer) const { return n_ * network_.layer(layer).shape.c * pixels(layer); }
  [[nodiscard]] Count pixels(int layer) const {
    return Count{network_.layer(layer).shape.h} * network_.layer(layer).shape.w;
  }
  /// Uploads to memory that lives until it is asked for again.
  template <class T>
  [[nodiscard]] T* uploaded(Workspace<Queue>& to, const std::vector<T>& values);
  template <class T>
  [[nodiscard]] std::vector<T> downloaded(const T* from, Count count);

  void convolve(const nets::IntegerLayer& layer);
  void add(const nets::IntegerLayer& layer, int index);
  void concat(const nets::IntegerLayer& layer, int index);
  void pool(const nets::IntegerLayer& layer, int index);
  void pad(const nets::IntegerLayer& layer, int index);
  void find_extremes(Observation& seen, const Range& range, const TensorView& x);
  void sum_magnitudes(Observation& seen, const Range& range, const TensorView& x);
  void count_points(Observation& seen, const Range& range, const TensorView& x);

  Queue& queue_;
  const nets::IntegerNetwork& network_;
  Count n_ = 0;  // images of this batch
  std::vector<std::unique_ptr<Memory>> codes_;  // of each layer
  InputCode<float> input_code_{};               // arrays on the device
  Workspace<Queue> input_numbers_[4];
  StageUpload<Queue> stages_;
  ConvolutionMemory<Queue> packed_;
  Workspace<Queue> accumulators_, weights_, biases_, scales_, results_[2];
};

}  // namespace guardbit::trainer::cuda

#include "trainer/cuda/device_codes_layers.hpp"
#include "trainer/cuda/device_codes_rules.hpp"
