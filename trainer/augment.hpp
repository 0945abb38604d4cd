// Which samples make an epoch, in which order, and how each is changed. Everything is a function of (seed, epoch,
// sample): the same on every device, with any number of threads, and after a resume.
//
//   augment:
//     shift: 2          # up to so many pixels each way, zeros from outside: pad and crop
//     flip: true        # mirrored left to right, every second time
//     rotate: 10        # up to so many degrees each way
//     scale: 0.1        # from 1 - scale to 1 + scale
//     cutout: 8         # side of a square of zeros, its centre anywhere
//     brightness: 0.125 # behind all of these, on pixels in [0, 1] (colour.hpp): up to so much more or less
//     saturation: 0.5   # by a factor from 1 - 0.5 to 1 + 0.5; saturation and hue need three channels
//     hue: 0.2          # up to so much of the whole circle each way
//     contrast: 0.5     # by a factor from 1 - 0.5 to 1 + 0.5
#pragma once

#include <cstdint>
#include <vector>

#include "nets/config/section.hpp"
#include "trainer/backend.hpp"

namespace guardbit::trainer {

struct Augment {
  int shift = 0;
  bool flip = false;
  double rotate_degrees = 0;
  double scale = 0;
  int cutout = 0;
  double brightness = 0, saturation = 0, hue = 0, contrast = 0;
};

/// Reads key `augment` of `section`; absent: none.
[[nodiscard]] Augment read_augment(const nets::Section& section);

/// A permutation of 0 .. count - 1.
[[nodiscard]] std::vector<std::int32_t> shuffled(std::int64_t count, std::uint64_t seed, std::int64_t epoch);

/// Error when a change of colour does not fit the channels.
[[nodiscard]] SampleTransform augmented(const Augment& augment, const nets::Shape& shape, std::int32_t sample,
                                        std::uint64_t seed, std::int64_t epoch);

}  // namespace guardbit::trainer
