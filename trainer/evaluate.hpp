// Accuracy of a float network over a data set.
#pragma once

#include "nets/data/dataset.hpp"
#include "trainer/graph/graph.hpp"

namespace guardbit::trainer {

struct Evaluation {
  double top1 = 0, top5 = 0;  // shares, 0 .. 1
  double loss = 0;            // mean cross-entropy
  std::int64_t count = 0;
};

/// Batch normalization uses the running statistics. Error when the data do not fit the network.
[[nodiscard]] Evaluation evaluate(Backend& backend, const nets::Network& network, const nets::Dataset& dataset,
                                  const nets::Preprocess& preprocess);
/// The same on the CPU back end.
[[nodiscard]] Evaluation evaluate(const nets::Network& network, const nets::Dataset& dataset,
                                  const nets::Preprocess& preprocess, int threads = 1);

/// A data set in device memory.
class DeviceDataset {
 public:
  DeviceDataset(Backend& backend, const nets::Dataset& dataset) : DeviceDataset(backend, nets::Dataset(dataset)) {}
  DeviceDataset(Backend& backend, nets::Dataset&& dataset);  // the images are not copied where they need not be
  [[nodiscard]] const TensorView& images() const { return images_; }
  [[nodiscard]] const TensorView& labels() const { return labels_; }
  [[nodiscard]] std::int64_t count() const { return images_.n; }

 private:
  std::unique_ptr<Memory> image_memory_, label_memory_;
  TensorView images_, labels_;
};

/// Error when images or classes of the data do not fit the network.
void check_fit(const nets::Network& network, const nets::Dataset& dataset);

/// One pass over the data with a graph for inference.
[[nodiscard]] Evaluation evaluate(Backend& backend, Graph& graph, const DeviceDataset& data,
                                  const nets::Preprocess& preprocess, std::int64_t batch);

}  // namespace guardbit::trainer
