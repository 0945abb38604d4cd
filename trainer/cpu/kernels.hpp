// Loops of the CPU back end over plain arrays, compiled for several instruction sets and chosen when the program
// starts. No order of additions depends on the instruction set, so the results do not either.
#pragma once

#include <cstdint>

#include "nets/graph/network.hpp"

namespace guardbit::trainer::kernels {

using Count = std::int64_t;

void add(Count n, const float* a, const float* b, float* y);
void accumulate(Count n, const float* x, float* y);  // y += x
void scale(Count n, float factor, float* y);
double sum_of_squares(Count n, const float* x);
void clamp(Count n, float low, float high, const float* x, float* y);  // keeps what is not a number
/// dx = dy where low < y < high, else 0.
void clamp_backward(Count n, float low, float high, const float* y, const float* dy, float* dx);
void moving_average(Count n, float keep, float take, const float* x, float* y);  // y = keep y + take x

struct SgdFactors {
  float rate, decay, momentum;
  bool nesterov;
};
void sgd(Count n, const SgdFactors& f, const float* gradient, float* m, float* w);  // m may be null
struct AdamFactors {
  float rate, beta1, beta2, take1, take2, correction1, correction2, epsilon;  // take = 1 - beta, from double
  float decay_gradient;  // L2: added to the gradient
  float decay_weight;    // AdamW: w *= 1 - decay_weight before the step
};
struct RmsPropFactors {
  float rate, keep, take, momentum, epsilon, decay;  // keep the mean square, take the new; decay: L2
};
/// m may be null.
void rms_prop(Count n, const RmsPropFactors& f, const float* gradient, float* square, float* m, float* w);
void adam(Count n, const AdamFactors& f, const float* gradient, float* m, float* v, float* w);

// Batch normalization over [pixels, width]. `factors` are [width].
/// sum[i] += x - shift[i]; squares[i] += (x - shift[i])^2.
void norm_sums(Count pixels, Count width, const float* x, const float* shift, double* sum, double* squares);
/// y = clamp(x * factor + offset).
void norm_apply(Count pixels, Count width, const float* x, const float* factor, const float* offset, float low,
                float high, float* y);
/// The range of the activation behind it: low < x * factor + offset < high lets gradients pass, else g = 0. Computed
/// again from x: reading the output would cost more.
struct NormRange {
  const float *factor, *offset;
  float low, high;
};
/// g = dy in the range; sum += g; product += g * (x - mean) * inverse.
void norm_backward_sums(Count pixels, Count width, const float* x, const float* dy, const float* mean,
                        const float* inverse, const NormRange& range, double* sum, double* product);
/// dx = a * g + b * x + c, with the same g; dx may be dy.
void norm_backward_apply(Count pixels, Count width, const float* x, const float* dy, const float* a, const float* b,
                         const float* c, const NormRange& range, float* dx);

/// sum[i] += the column sums of x [rows, width].
void column_sums(Count rows, Count width, const float* x, float* sum);

// Depthwise convolution 3x3 of one image: as many outputs as inputs, dilation 1. Every window holds at least one pixel
// of each axis, or none. weights, dweights: [9][C].
struct DepthwiseShape {
  nets::Shape in, out;
  int stride = 1, top = 0, left = 0;  // padding above and to the left
};
void depthwise_forward(const DepthwiseShape& d, const float* x, const float* weights, const float* bias,
                       float* y);  // bias may be null
void depthwise_gather(const DepthwiseShape& d, const float* dy, const float* weights, float* dx);  // stride 2
void depthwise_weights(const DepthwiseShape& d, const float* x, const float* dy, float* dweights);  // dweights += ..

// Pooling of one image [H, W, C] -> [P, Q, C].
void max_pool(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* x, float* y,
              std::int32_t* index);
void max_pool_backward(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* dy,
                       const std::int32_t* index, float* dx);
void average_pool(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* x, float* y);
void average_pool_backward(const nets::Window& window, const nets::Shape& in, const nets::Shape& out, const float* dy,
                           float* dx);

}  // namespace guardbit::trainer::kernels
