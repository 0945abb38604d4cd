// Convolutions on one image.
#pragma once

#include <vector>

#include "nets/graph/detail/float_gemm.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets::detail {

// groups: weights [K / groups][R * S * C / groups] of each group, packed. in [H, W, C], out [P, Q, K].
void conv2d(const ConvAttributes& conv, const Shape& in_shape, const Shape& out_shape,
            const std::vector<PackedWeights>& groups, const float* in, float* out, std::vector<float>& scratch);

// taps [R][S][C], bias [C]; padded taps are skipped.
void depthwise_conv2d(const Window& window, const Shape& in_shape, const Shape& out_shape, const float* taps,
                      const float* bias, const float* in, float* out);

}  // namespace guardbit::nets::detail
