// Digits drawn by the program: a way of writing, bent, turned, sheared, moved and inked at random, among stray strokes
// and noise. Every image is a pure function of seed, split and index; only + - * / and sqrt of IEEE doubles are used,
// so the pixels are the same on every machine.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "arith/philox.hpp"
#include "nets/data/glyph_strokes.hpp"
#include "nets/data/loaders.hpp"

namespace guardbit::nets {
namespace {

constexpr int kSide = 28;      // pixels
constexpr double kBox = 18.0;  // pixels: side of the box a digit fills before it is deformed
constexpr int kDigits = 10;
constexpr std::size_t kGrid = 3;  // control points of the bending field, per axis

using Image = std::array<double, kSide * kSide>;  // ink, 0 to 1

double uniform(arith::Random& random, double low, double high) { return low + (high - low) * random.uniform(); }

/// A smooth displacement: random offsets on a coarse grid, bilinear in between.
class Bend {
 public:
  Bend(arith::Random& random, double reach) {
    for (Point& offset : offsets_) offset = {uniform(random, -reach, reach), uniform(random, -reach, reach)};
  }
  Point apply(Point p) const {
    const double u = std::clamp(p.x, 0.0, 1.0) * (kGrid - 1);
    const double v = std::clamp(p.y, 0.0, 1.0) * (kGrid - 1);
    const auto i = std::min(static_cast<std::size_t>(u), kGrid - 2);
    const auto j = std::min(static_cast<std::size_t>(v), kGrid - 2);
    const double a = u - static_cast<double>(i);
    const double b = v - static_cast<double>(j);
    const auto mix = [&](double Point::*part) {
      const double top = offsets_[j * kGrid + i].*part * (1 - a) + offsets_[j * kGrid + i + 1].*part * a;
      const double low = offsets_[(j + 1) * kGrid + i].*part * (1 - a) + offsets_[(j + 1) * kGrid + i + 1].*part * a;
      return top * (1 - b) + low * b;
    };
    return {p.x + mix(&Point::x), p.y + mix(&Point::y)};
  }

 private:
  std::array<Point, kGrid * kGrid> offsets_;
};

/// Box coordinates to pixels.
struct Affine {
  double xx, xy, yx, yy, x, y;
  Point apply(Point p) const {
    const double u = p.x - 0.5;
    const double v = p.y - 0.5;
    return {xx * u + xy * v + x, yx * u + yy * v + y};
  }
};

Affine random_affine(arith::Random& random) {
  // With t = tan(angle / 2), cosine and sine are rational: no math library. 0.2 is about 23 degrees.
  const double t = uniform(random, -0.2, 0.2);
  const double c = (1 - t * t) / (1 + t * t);
  const double s = 2 * t / (1 + t * t);
  const double width = kBox * uniform(random, 0.7, 1.1);
  const double height = kBox * uniform(random, 0.8, 1.1);
  const double shear = uniform(random, -0.25, 0.25);
  const double middle = 0.5 * (kSide - 1);
  const double x = middle + uniform(random, -3.5, 3.5);
  const double y = middle + uniform(random, -3.0, 3.0);
  return {c * width, (c * shear - s) * height, s * width, (s * shear + c) * height, x, y};
}

/// Draws a line of round ends. A pixel's ink is how far the pen's edge passes its centre, 0 to 1 over one pixel: the
/// exact distance to the segment gives smooth edges.
void draw_segment(Image& image, Point a, Point b, double half_width, double ink) {
  const double reach = half_width + 0.5;
  const auto clip = [](double v) { return static_cast<int>(std::clamp(v, 0.0, double{kSide - 1})); };
  const int left = clip(std::min(a.x, b.x) - reach), right = clip(std::max(a.x, b.x) + reach + 1);
  const int top = clip(std::min(a.y, b.y) - reach), bottom = clip(std::max(a.y, b.y) + reach + 1);
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length_squared = dx * dx + dy * dy;
  for (int y = top; y <= bottom; ++y) {
    for (int x = left; x <= right; ++x) {
      const double px = x - a.x, py = y - a.y;
      const double along = length_squared > 0 ? std::clamp((px * dx + py * dy) / length_squared, 0.0, 1.0) : 0.0;
      const double ox = px - along * dx, oy = py - along * dy;
      const double cover = std::clamp(reach - std::sqrt(ox * ox + oy * oy), 0.0, 1.0) * ink;
      double& pixel = image[static_cast<std::size_t>(y * kSide + x)];
      pixel = std::max(pixel, cover);
    }
  }
}

void draw_digit(Image& image, int digit, arith::Random& random) {
  const auto& ways = glyphs_of(digit);
  const Glyph& glyph = ways[random.below(ways.size())];
  const Bend bend(random, 0.12);
  const Affine affine = random_affine(random);
  const double half_width = uniform(random, 0.55, 1.45);
  const double ink = uniform(random, 0.5, 1.0);
  for (const Stroke& stroke : glyph) {
    std::vector<Point> pixels;
    for (const Point& point : stroke) pixels.push_back(affine.apply(bend.apply(point)));
    for (std::size_t i = 1; i < pixels.size(); ++i) draw_segment(image, pixels[i - 1], pixels[i], half_width, ink);
  }
}

/// Short strokes near the border that belong to no digit.
void draw_strays(Image& image, arith::Random& random) {
  const std::uint64_t count = random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const double across = uniform(random, 0, kSide - 1);
    const double depth = uniform(random, 0, 5);
    const double length_x = uniform(random, -4, 4), length_y = uniform(random, -4, 4);
    const std::uint64_t border = random.below(4);
    const double far = kSide - 1 - depth;
    const Point start = border == 0   ? Point{across, depth}
                        : border == 1 ? Point{across, far}
                        : border == 2 ? Point{depth, across}
                                      : Point{far, across};
    const double ink = uniform(random, 0.3, 0.9);
    draw_segment(image, start, {start.x + length_x, start.y + length_y}, uniform(random, 0.3, 1.0), ink);
  }
}

/// Ink to a byte, with noise: the sum of four uniform bytes is bell-shaped with a standard deviation of 148.
std::uint8_t to_pixel(double ink, std::uint32_t bits, double noise) {
  const int sum = static_cast<int>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
  const double value = 255.0 * ink + noise * (sum - 510);
  return static_cast<std::uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
}

/// Labels in blocks of ten, each block a permutation of the digits: any part of the set is balanced.
int label_of(std::uint64_t seed, std::uint64_t split, std::int64_t index) {
  constexpr std::uint64_t kLabels = std::uint64_t{1} << 62;  // apart from the streams of images
  arith::Random random(seed, kLabels | split << 40 | static_cast<std::uint64_t>(index / kDigits));
  std::array<int, kDigits> digits{};
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t j = random.below(i + 1);
    digits[i] = digits[j];
    digits[j] = static_cast<int>(i);
  }
  return digits[static_cast<std::size_t>(index % kDigits)];
}

}  // namespace

Dataset draw_glyphs(std::uint64_t seed, std::int64_t count, bool train) {
  const std::uint64_t split = train ? 0 : 1;
  Dataset data;
  data.name = "glyphs";
  data.description = fmt::format("glyphs {}, {} images, seed {}", train ? "training set" : "test set", count, seed);
  data.height = data.width = kSide;
  data.channels = 1;
  data.classes = kDigits;
  Bytes pixels;
  pixels.reserve(static_cast<std::size_t>(count) * kSide * kSide);
  for (std::int64_t n = 0; n < count; ++n) {
    const int label = label_of(seed, split, n);
    arith::Random random(seed, split << 40 | static_cast<std::uint64_t>(n));
    Image image{};
    draw_digit(image, label, random);
    draw_strays(image, random);
    const double noise = uniform(random, 0.04, 0.22);
    for (const double ink : image) pixels.push_back(to_pixel(ink, random.next_u32(), noise));
    data.labels.push_back(label);
  }
  data.images = std::move(pixels);
  return data;
}

}  // namespace guardbit::nets
