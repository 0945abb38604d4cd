// Mixup (Zhang et al., arXiv:1710.09412): every image of a batch is blended with another of the same batch, x = share *
// x + (1 - share) * other, and so is the loss; share is drawn once per batch from Beta(alpha, alpha). A function of
// (seed, step) alone.
#pragma once

#include <cstdint>
#include <vector>

namespace guardbit::trainer {

struct Mixup {
  double share = 1;
  std::vector<std::int32_t> partner;  // place in the batch of each image's other
};

[[nodiscard]] Mixup draw_mixup(double alpha, std::int64_t images, std::uint64_t seed, std::uint64_t step);

}  // namespace guardbit::trainer
