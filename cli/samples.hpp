// The images of a command: `samples` of them from `first` on, of one split of the data set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/session.hpp"
#include "nets/data/dataset.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::cli {

struct Samples {
  nets::Dataset data;          // the chosen images
  std::string split;           // "test"
  std::int64_t first = 0;      // index of data's image 0 in the split
  std::int64_t available = 0;  // images of the whole split
  std::int64_t per_batch = 0;  // load_batches: images of one batch
  [[nodiscard]] std::int64_t count() const { return data.count(); }
  // "mnist test images 0 to 999"
  [[nodiscard]] std::string text() const;
};

// Reads dataset, split, samples and first. absent: how many images without `samples` (empty: all).
[[nodiscard]] Samples load_samples(const Session& session, std::optional<std::int64_t> absent);

// For commands that go through training batches: `batches` (1) times `samples` images (absent: so many, where there are
// enough) of the split, train unless `split` says otherwise.
[[nodiscard]] Samples load_batches(const Session& session, std::int64_t absent);

// The network takes images of this shape; Error otherwise.
void check_shape(const Samples& samples, const nets::Shape& input);

// Images [begin, begin + count) as the float network sees them.
[[nodiscard]] nets::FloatTensor real_input(const nets::Dataset& data, const nets::Preprocess& preprocess,
                                           std::int64_t begin, std::int64_t count);

// Index of the largest of `count` values, the first of equals.
template <class T>
[[nodiscard]] int arg_max(const T* values, std::int64_t count) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < count; ++i) {
    if (values[i] > values[best]) best = i;
  }
  return static_cast<int>(best);
}

}  // namespace guardbit::cli
