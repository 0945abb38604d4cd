// Plain loops of quantized training, compiled for several instruction sets; the same bits from each.
#pragma once

#include <cstdint>

#include "trainer/quant/element_rules.hpp"

namespace guardbit::trainer::loops {

using Count = std::int64_t;

/// dx = what passes of dy; returns the gradient of the learned number. dx may be dy.
double backward(const Slope& slope, Count n, const double* x, const double* dy, double* dx);
/// y = x held within low and high; what is not a number stays.
void clamp(Count n, float low, float high, const float* x, double* y);
void clamp(Count n, double low, double high, const double* x, double* y);
/// d = 0 wherever y is not strictly between low and high.
void mask(Count n, float low, float high, const float* y, float* d);
void mask(Count n, double low, double high, const double* y, double* d);
/// y = scale * (code - zero)
void dequantize(Count n, double scale, std::int32_t zero, const std::int32_t* codes, float* y);
void dequantize(Count n, double scale, std::int32_t zero, const std::int32_t* codes, double* y);
/// y[p][c] = x[p][c] * scale[c], over [pixels, channels].
void scale_channels(Count pixels, Count channels, const std::int64_t* x, const double* scale, float* y);
void scale_channels(Count pixels, Count channels, const std::int64_t* x, const double* scale, double* y);
/// sum[c] += x[p][c], square[c] += x[p][c]^2, in the order of p.
void channel_sums(Count pixels, Count channels, const float* x, double* sum, double* square);
void channel_sums(Count pixels, Count channels, const double* x, double* sum, double* square);

}  // namespace guardbit::trainer::loops
