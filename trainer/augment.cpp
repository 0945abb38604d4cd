#include "trainer/augment.hpp"

#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "arith/error.hpp"
#include "arith/philox.hpp"

namespace guardbit::trainer {

namespace {

// Streams of the generator: one per epoch for the order, one per epoch and sample for its changes.
std::uint64_t order_stream(std::int64_t epoch) { return (std::uint64_t{1} << 63) | static_cast<std::uint64_t>(epoch); }
std::uint64_t sample_stream(std::int64_t epoch, std::int32_t sample) {
  return static_cast<std::uint64_t>(epoch) << 32 | static_cast<std::uint32_t>(sample);
}

int between(arith::Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

}  // namespace

Augment read_augment(const nets::Section& section) {
  const nets::Section s = section.section_or_empty("augment");
  Augment a;
  a.shift = static_cast<int>(s.integer("shift", 0, 1024, 0));
  a.flip = s.boolean("flip", false);
  a.rotate_degrees = s.number("rotate", 0, 180, 0.0);
  a.scale = s.number("scale", 0, 0.9, 0.0);
  a.cutout = static_cast<int>(s.integer("cutout", 0, 1024, 0));
  a.brightness = s.number("brightness", 0, 1, 0.0);
  a.saturation = s.number("saturation", 0, 1, 0.0);
  a.hue = s.number("hue", 0, 0.5, 0.0);
  a.contrast = s.number("contrast", 0, 1, 0.0);
  return a;
}

std::vector<std::int32_t> shuffled(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  arith::Random random(seed, order_stream(epoch));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

SampleTransform augmented(const Augment& augment, const nets::Shape& shape, std::int32_t sample, std::uint64_t seed,
                          std::int64_t epoch) {
  if ((augment.saturation > 0 || augment.hue > 0) && shape.c != 3)
    throw Error("trainer.augment: found " + std::string(augment.hue > 0 ? "hue" : "saturation") + " for images of " +
                std::to_string(shape.c) + " channels, allowed 3 (red, green, blue)");
  SampleTransform t;
  t.sample = sample;
  arith::Random random(seed, sample_stream(epoch, sample));
  if (augment.flip) t.flip = random.below(2) == 1;
  if (augment.shift > 0) {
    t.shift_y = between(random, -augment.shift, augment.shift);
    t.shift_x = between(random, -augment.shift, augment.shift);
  }
  if (augment.rotate_degrees > 0 || augment.scale > 0) {
    t.affine = true;
    const double angle = (2 * random.uniform() - 1) * augment.rotate_degrees * std::numbers::pi / 180;
    const double factor = 1 / (1 + (2 * random.uniform() - 1) * augment.scale);
    t.matrix[0] = t.matrix[3] = factor * std::cos(angle);
    t.matrix[1] = factor * std::sin(angle);
    t.matrix[2] = -t.matrix[1];
  }
  if (augment.cutout > 0) {
    t.cut_height = t.cut_width = augment.cutout;
    t.cut_top = between(random, 0, shape.h - 1) - augment.cutout / 2;
    t.cut_left = between(random, 0, shape.w - 1) - augment.cutout / 2;
  }
  // Drawn last: an image without changes of colour has the other changes it always had.
  const auto draw = [&](double reach) { return reach > 0 ? (2 * random.uniform() - 1) * reach : 0.0; };
  t.colour.wanted = augment.brightness > 0 || augment.saturation > 0 || augment.hue > 0 || augment.contrast > 0;
  t.colour.brightness = draw(augment.brightness);
  t.colour.saturation = 1 + draw(augment.saturation);
  t.colour.hue = draw(augment.hue);
  t.colour.contrast = 1 + draw(augment.contrast);
  return t;
}

}  // namespace guardbit::trainer
