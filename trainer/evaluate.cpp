#include "trainer/evaluate.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::trainer {

DeviceDataset::DeviceDataset(Backend& backend, nets::Dataset&& dataset) {
  images_ = {nullptr, Element::Byte, dataset.count(), {dataset.height, dataset.width, dataset.channels}};
  labels_ = {nullptr, Element::Int32, dataset.count(), {}};
  image_memory_ = backend.adopt(dataset.images, dataset.images.owner());
  label_memory_ = backend.allocate(static_cast<std::size_t>(labels_.count()) * sizeof(std::int32_t));
  images_.data = image_memory_->address();
  labels_.data = label_memory_->address();
  const std::vector<std::int32_t> labels(dataset.labels.begin(), dataset.labels.end());
  backend.copy_in(labels_, labels.data());
}

void check_fit(const nets::Network& network, const nets::Dataset& dataset) {
  const nets::Shape& input = network.node(0).shape;
  const nets::Shape images{dataset.height, dataset.width, dataset.channels};
  if (!(input == images))
    throw Error("dataset " + dataset.name + ": found images " + nets::to_text(images) + ", allowed " +
                nets::to_text(input) + ", the input of network " + network.name);
  const int scores = network.node(network.output).shape.c;
  if (scores < dataset.classes)
    throw Error("dataset " + dataset.name + ": found " + std::to_string(dataset.classes) +
                " classes, allowed at most " + std::to_string(scores) + ", the outputs of network " + network.name);
  if (dataset.count() == 0) throw Error("dataset " + dataset.name + ": found no images");
}

Evaluation evaluate(Backend& backend, Graph& graph, const DeviceDataset& data, const nets::Preprocess& preprocess,
                    std::int64_t batch) {
  backend.fill(graph.metrics(), 0);
  std::vector<SampleTransform> samples;
  for (std::int64_t first = 0; first < data.count(); first += batch) {
    const std::int64_t n = std::min(batch, data.count() - first);
    samples.assign(static_cast<std::size_t>(n), SampleTransform{});
    for (std::int64_t i = 0; i < n; ++i)
      samples[static_cast<std::size_t>(i)].sample = static_cast<std::int32_t>(first + i);
    backend.load_batch(data.images(), data.labels(), samples, preprocess, graph.input(n), graph.labels(n));
    graph.forward(n);
    graph.loss(n, 0);
  }
  const Metrics total = download_metrics(backend, graph.metrics());
  return {total.top1 / total.images, total.top5 / total.images, total.loss / total.images, data.count()};
}

Evaluation evaluate(Backend& backend, const nets::Network& network, const nets::Dataset& dataset,
                    const nets::Preprocess& preprocess) {
  constexpr std::int64_t kBatch = 256;
  check_fit(network, dataset);
  const Parameters parameters(backend, network, {});
  const std::int64_t batch = std::min(kBatch, dataset.count());
  Graph graph(backend, network, parameters, batch, Mode::Infer);
  const DeviceDataset data(backend, dataset);
  return evaluate(backend, graph, data, preprocess, batch);
}

Evaluation evaluate(const nets::Network& network, const nets::Dataset& dataset, const nets::Preprocess& preprocess,
                    int threads) {
  return evaluate(*make_backend("cpu", threads), network, dataset, preprocess);
}

}  // namespace guardbit::trainer
