// The data set `random`: uniform pixels, for timing and for networks that no data belong to.
#include <fmt/format.h>

#include "arith/philox.hpp"
#include "nets/data/loaders.hpp"

namespace guardbit::nets {

Dataset draw_random(const DatasetSpec& spec, std::int64_t count, bool train) {
  Dataset data;
  data.name = "random";
  data.description = fmt::format("random {}, {} images, seed {}", train ? "training set" : "test set", count, spec.seed);
  data.height = spec.height;
  data.width = spec.width;
  data.channels = spec.channels;
  data.classes = spec.classes;
  Bytes pixels(static_cast<std::size_t>(count * data.image_size()));
  auto pixel = pixels.begin();
  for (std::int64_t n = 0; n < count; ++n) {
    arith::Random random(spec.seed, std::uint64_t{train} << 40 | static_cast<std::uint64_t>(n));
    data.labels.push_back(static_cast<int>(random.below(static_cast<std::uint64_t>(spec.classes))));
    std::uint32_t word = 0;
    for (std::int64_t i = 0; i < data.image_size(); ++i) {
      word = i % 4 == 0 ? random.next_u32() : word >> 8;
      *pixel++ = static_cast<std::uint8_t>(word & 0xFF);
    }
  }
  data.images = std::move(pixels);
  return data;
}

}  // namespace guardbit::nets
