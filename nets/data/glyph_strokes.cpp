#include "nets/data/glyph_strokes.hpp"

#include <array>
#include <initializer_list>

namespace guardbit::nets {
namespace {

constexpr int kStepDegrees = 15;
constexpr int kSteps = 360 / kStepDegrees;

// cos of multiples of 15 degrees. A table, because sin and cos differ in the last bit between math libraries.
constexpr std::array<double, kSteps> kCosine = [] {
  constexpr double kQuarter[] = {
      1.0, 0.9659258262890683, 0.8660254037844386, 0.7071067811865476, 0.5, 0.2588190451025207, 0.0};
  std::array<double, kSteps> table{};
  for (int i = 0; i < kSteps; ++i) {
    const int half = i <= kSteps / 2 ? i : kSteps - i;  // cos(360 - a) = cos(a)
    table[static_cast<std::size_t>(i)] = half <= 6 ? kQuarter[half] : -kQuarter[12 - half];
  }
  return table;
}();

double cosine(int degrees) {
  const int step = degrees / kStepDegrees % kSteps;
  return kCosine[static_cast<std::size_t>(step < 0 ? step + kSteps : step)];
}
double sine(int degrees) { return cosine(degrees - 90); }

struct Ellipse {
  double x, y, radius_x, radius_y;
};

/// From angle to angle in degrees, multiples of 15; 0 is right, 90 is down.
Stroke arc(const Ellipse& e, int from, int to, std::initializer_list<Point> then = {}) {
  Stroke stroke;
  const int step = from <= to ? kStepDegrees : -kStepDegrees;
  for (int angle = from; angle != to + step; angle += step) {
    stroke.push_back({e.x + e.radius_x * cosine(angle), e.y + e.radius_y * sine(angle)});
  }
  stroke.insert(stroke.end(), then.begin(), then.end());
  return stroke;
}

Stroke joined(Stroke first, const Stroke& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::array<std::vector<Glyph>, 10> make_all() {
  std::array<std::vector<Glyph>, 10> all;
  all[0] = {{arc({0.5, 0.5, 0.33, 0.45}, 0, 360)}, {arc({0.5, 0.5, 0.22, 0.45}, 270, 630)}};
  all[1] = {{{{0.5, 0.05}, {0.5, 0.95}}},
            {{{0.28, 0.28}, {0.52, 0.05}, {0.52, 0.95}}},
            {{{0.3, 0.25}, {0.5, 0.05}, {0.5, 0.95}}, {{0.28, 0.95}, {0.74, 0.95}}}};
  all[2] = {{arc({0.5, 0.31, 0.29, 0.26}, 195, 390, {{0.2, 0.95}, {0.82, 0.95}})},
            {arc({0.5, 0.3, 0.3, 0.25}, 210, 405, {{0.24, 0.88}, {0.4, 0.82}, {0.6, 0.94}, {0.84, 0.88}})}};
  all[3] = {{joined(arc({0.46, 0.28, 0.28, 0.23}, 210, 450), arc({0.45, 0.73, 0.32, 0.22}, 270, 510))},
            {joined({{0.2, 0.06}, {0.78, 0.06}, {0.46, 0.42}}, arc({0.45, 0.68, 0.32, 0.26}, 270, 510))}};
  all[4] = {{{{0.62, 0.95}, {0.62, 0.05}, {0.14, 0.66}, {0.88, 0.66}}},
            {{{0.26, 0.05}, {0.18, 0.55}, {0.84, 0.55}}, {{0.7, 0.08}, {0.64, 0.95}}}};
  all[5] = {{joined({{0.78, 0.06}, {0.28, 0.06}, {0.24, 0.46}}, arc({0.46, 0.67, 0.32, 0.27}, 225, 510))},
            {joined({{0.74, 0.1}, {0.3, 0.05}, {0.3, 0.42}}, arc({0.42, 0.69, 0.36, 0.26}, 255, 480))}};
  all[6] = {{{{0.7, 0.06}, {0.45, 0.22}, {0.27, 0.48}, {0.2, 0.7}}, arc({0.48, 0.7, 0.28, 0.25}, 0, 360)},
            {joined(arc({0.62, 0.52, 0.42, 0.46}, 285, 180), arc({0.47, 0.68, 0.27, 0.27}, 180, -165))}};
  all[7] = {{{{0.18, 0.06}, {0.82, 0.06}, {0.42, 0.95}}},
            {{{0.18, 0.08}, {0.82, 0.06}, {0.4, 0.95}}, {{0.3, 0.52}, {0.76, 0.48}}},
            {{{0.2, 0.2}, {0.2, 0.06}, {0.8, 0.06}, {0.55, 0.45}, {0.48, 0.95}}}};
  all[8] = {{arc({0.5, 0.27, 0.24, 0.22}, 90, 450), arc({0.5, 0.72, 0.29, 0.23}, 270, 630)},
            {joined(arc({0.5, 0.28, 0.26, 0.22}, 315, 90), arc({0.5, 0.72, 0.26, 0.22}, 270, 480)),
             {{0.38, 0.92}, {0.26, 0.78}, {0.68, 0.3}, {0.7, 0.16}}}};
  all[9] = {{arc({0.5, 0.3, 0.27, 0.25}, 0, 360, {{0.74, 0.62}, {0.62, 0.95}})},
            {arc({0.48, 0.3, 0.28, 0.24}, 0, 360, {{0.76, 0.95}})},
            {arc({0.5, 0.3, 0.27, 0.25}, 0, 360), arc({0.4, 0.5, 0.38, 0.45}, -15, 105)}};
  return all;
}

}  // namespace

const std::vector<Glyph>& glyphs_of(int digit) {
  static const std::array<std::vector<Glyph>, 10> kAll = make_all();
  return kAll[static_cast<std::size_t>(digit)];
}

}  // namespace guardbit::nets
