#include "cli/samples.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::cli {

std::string Samples::text() const {
  return fmt::format("{} {} images {} to {}", data.name, split, first, first + count() - 1);
}

namespace {

// The whole split and the index of the first image, both read from the configuration.
Samples load_split(const Session& session, nets::Split absent) {
  const nets::Section& root = session.root();
  if (!root.has("dataset")) {
    throw Error("command line: dataset: found nothing, allowed dataset.name=mnist dataset.path=DIR, glyphs or random");
  }
  const auto split = root.one_of<nets::Split>(
      "split", {{"test", nets::Split::Test}, {"holdout", nets::Split::Holdout}, {"train", nets::Split::Train}}, absent);
  Samples samples;
  samples.data = nets::load_dataset(nets::read_dataset_spec(root.section("dataset")), split);
  samples.split = nets::name_of(split);
  samples.available = samples.data.count();
  if (samples.available == 0)
    throw Error(fmt::format("dataset: found no {} images, allowed at least 1", samples.split));
  samples.first = root.integer("first", 0, samples.available - 1, 0);
  return samples;
}

}  // namespace

Samples load_samples(const Session& session, std::optional<std::int64_t> absent) {
  Samples samples = load_split(session, nets::Split::Test);
  const std::int64_t left = samples.available - samples.first;
  const std::int64_t count = session.root().integer("samples", 1, left, std::min(absent.value_or(left), left));
  samples.data = samples.data.slice(samples.first, count);
  return samples;
}

Samples load_batches(const Session& session, std::int64_t absent) {
  Samples samples = load_split(session, nets::Split::Train);
  const std::int64_t left = samples.available - samples.first;
  samples.per_batch = session.root().integer("samples", 1, left, std::min(absent, left));
  const std::int64_t batches = session.root().integer("batches", 1, left / samples.per_batch, 1);
  samples.data = samples.data.slice(samples.first, batches * samples.per_batch);
  return samples;
}

void check_shape(const Samples& samples, const nets::Shape& input) {
  const nets::Dataset& data = samples.data;
  if (data.height == input.h && data.width == input.w && data.channels == input.c) return;
  throw Error(fmt::format("dataset: found images of {} x {} x {}, allowed the network's input {} x {} x {}",
                          data.height, data.width, data.channels, input.h, input.w, input.c));
}

nets::FloatTensor real_input(const nets::Dataset& data, const nets::Preprocess& preprocess, std::int64_t begin,
                             std::int64_t count) {
  nets::FloatTensor tensor({count, data.height, data.width, data.channels});
  tensor.data = data.to_float(preprocess, begin, count);
  return tensor;
}

}  // namespace guardbit::cli
