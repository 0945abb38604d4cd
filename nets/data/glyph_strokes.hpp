// Inside nets/data only: how the ten digits are written, as strokes in a box of 1 x 1 (x to the right, y down).
#pragma once

#include <utility>
#include <vector>

namespace guardbit::nets {

struct Point {
  double x = 0, y = 0;
};
using Stroke = std::vector<Point>;  // a polyline
using Glyph = std::vector<Stroke>;

/// Several ways to write each digit: a linear classifier cannot keep a template for all of them.
const std::vector<Glyph>& glyphs_of(int digit);

}  // namespace guardbit::nets
