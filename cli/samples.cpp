#include "cli/samples.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::cli {

std::string Samples::text() const {
  return fmt::format("{} {} images {} to {}", data.name, split, first, first + count() - 1);
}

Samples load_samples(const Session& session, std::optional<std::int64_t> absent) {
  const nets::Section& root = session.root();
  if (!root.has("dataset")) {
    throw Error("command line: dataset: found nothing, allowed dataset.name=mnist dataset.path=DIR, glyphs or random");
  }
  const auto split = root.one_of<nets::Split>(
      "split", {{"test", nets::Split::Test}, {"holdout", nets::Split::Holdout}, {"train", nets::Split::Train}},
      nets::Split::Test);
  const nets::DatasetSpec spec = nets::read_dataset_spec(root.section("dataset"));
  const nets::Dataset all = nets::load_dataset(spec, split);
  Samples samples;
  samples.split = nets::name_of(split);
  samples.available = all.count();
  if (all.count() == 0) throw Error(fmt::format("dataset: found no {} images, allowed at least 1", samples.split));
  samples.first = root.integer("first", 0, all.count() - 1, 0);
  const std::int64_t left = all.count() - samples.first;
  const std::int64_t count = root.integer("samples", 1, left, std::min(absent.value_or(left), left));
  samples.data = all.slice(samples.first, count);
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
