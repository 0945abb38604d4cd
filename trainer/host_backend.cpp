#include "trainer/host_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "arith/philox.hpp"

namespace guardbit::trainer {

HostMemory::HostMemory(std::size_t bytes) {
  const std::size_t rounded = (bytes + 63) / 64 * 64 + 64;
  data_ = std::aligned_alloc(64, rounded);
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, rounded);
}
HostMemory::~HostMemory() { std::free(data_); }

std::unique_ptr<Memory> HostBackend::allocate(std::size_t bytes) { return std::make_unique<HostMemory>(bytes); }

namespace {
class AdoptedMemory final : public Memory {
 public:
  AdoptedMemory(std::span<const std::uint8_t> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  [[nodiscard]] void* address() const override { return const_cast<std::uint8_t*>(bytes_.data()); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::shared_ptr<const void> owner_;
};
}  // namespace

std::unique_ptr<Memory> HostBackend::adopt(std::span<const std::uint8_t> bytes, std::shared_ptr<const void> owner) {
  return std::make_unique<AdoptedMemory>(bytes, std::move(owner));
}

void HostBackend::copy_in(const TensorView& to, const void* from) {
  std::memcpy(to.data, from, static_cast<std::size_t>(to.count()) * element_bytes(to.element));
}
void HostBackend::copy_out(void* to, const TensorView& from) {
  std::memcpy(to, from.data, static_cast<std::size_t>(from.count()) * element_bytes(from.element));
}

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "trainer: bug: %s\n", what);
  std::abort();
}

unsigned DropoutKey::kept(std::uint64_t block) const {
  // kept when word / 2^32 >= rate
  const auto threshold = static_cast<std::uint64_t>(std::ceil(rate * 0x1p32));
  const auto words = arith::philox4x32({static_cast<std::uint32_t>(block), stream, static_cast<std::uint32_t>(step),
                                        static_cast<std::uint32_t>(step >> 32)},
                                       {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  unsigned bits = 0;
  for (unsigned i = 0; i < 4; ++i) bits |= (words[i] >= threshold ? 1U : 0U) << i;
  return bits;
}

namespace {

// Pixel of the source at a real position, bilinear, rounded; what lies outside is 0.
std::uint8_t interpolate(const std::uint8_t* image, const nets::Shape& shape, double y, double x, int c) {
  const double y0 = std::floor(y), x0 = std::floor(x);
  double sum = 0;
  for (int dy = 0; dy < 2; ++dy) {
    for (int dx = 0; dx < 2; ++dx) {
      const double sy = y0 + dy, sx = x0 + dx;
      if (sy < 0 || sx < 0 || sy > shape.h - 1 || sx > shape.w - 1) continue;
      const double weight = (dy == 0 ? 1 - (y - y0) : y - y0) * (dx == 0 ? 1 - (x - x0) : x - x0);
      const auto position = (static_cast<std::int64_t>(sy) * shape.w + static_cast<std::int64_t>(sx)) * shape.c + c;
      sum += weight * image[position];
    }
  }
  return static_cast<std::uint8_t>(std::floor(sum + 0.5));
}

}  // namespace

template <class Real>
std::vector<Real> preprocess_table(const nets::Preprocess& preprocess, int channels) {
  std::vector<Real> table;
  for (int c = 0; c < channels; ++c) {
    const double mean = preprocess.mean[preprocess.mean.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    const double deviation = preprocess.std[preprocess.std.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    for (int pixel = 0; pixel < 256; ++pixel)
      table.push_back(static_cast<Real>((pixel * preprocess.scale - mean) / deviation));
  }
  return table;
}

namespace {

struct Place {
  const SampleTransform& t;
  const nets::Shape& shape;
  const std::uint8_t* image;
};

// Pixels [x, end) of row y, interpolated.
template <class Real>
void load_affine(const Place& p, int y, int x, int end, std::span<const Real> table, Real* to) {
  const nets::Shape& shape = p.shape;
  const double centre_y = (shape.h - 1) / 2.0, centre_x = (shape.w - 1) / 2.0;
  const double* m = p.t.matrix;
  for (; x < end; ++x, to += shape.c) {
    const double ry = y - centre_y, rx = (p.t.flip ? shape.w - 1 - x : x) - centre_x;
    for (int c = 0; c < shape.c; ++c) {
      const std::uint8_t pixel = interpolate(p.image, shape, m[0] * ry + m[1] * rx + centre_y + p.t.shift_y,
                                             m[2] * ry + m[3] * rx + centre_x + p.t.shift_x, c);
      to[c] = table[static_cast<std::size_t>(c * 256 + pixel)];
    }
  }
}

// Pixels [x, end) of an output row, all of byte 0.
template <class Real>
void load_zeros(int channels, int x, int end, std::span<const Real> table, Real* to) {
  for (; x < end; ++x)
    for (int c = 0; c < channels; ++c) *to++ = table[static_cast<std::size_t>(c * 256)];
}

// Pixels [x, end) of row y, moved and mirrored: first what lies outside, then what is inside, then outside again.
template <class Real>
void load_moved(const Place& p, int y, int x, int end, std::span<const Real> table, Real* to) {
  const int width = p.shape.w, channels = p.shape.c, sy = y + p.t.shift_y;
  // Source column of output column x: x + offset, or, mirrored, offset - x.
  const int offset = p.t.flip ? width - 1 + p.t.shift_x : p.t.shift_x;
  int begin = p.t.flip ? offset - (width - 1) : -offset, stop = begin + width;
  if (sy < 0 || sy >= p.shape.h) stop = begin = end;
  begin = std::clamp(begin, x, end), stop = std::clamp(stop, begin, end);
  load_zeros(channels, x, begin, table, to);
  to += std::int64_t{begin - x} * channels;
  const std::int64_t step = p.t.flip ? -channels : channels;
  const std::uint8_t* from = p.image;
  if (begin < stop) from += (std::int64_t{sy} * width + (p.t.flip ? offset - begin : begin + offset)) * channels;
  for (int i = begin; i < stop; ++i, from += i < stop ? step : 0)
    for (int c = 0; c < channels; ++c) *to++ = table[static_cast<std::size_t>(c * 256 + from[c])];
  load_zeros(channels, stop, end, table, to);
}

}  // namespace

template <class Real>
void load_sample(const TensorView& images, const SampleTransform& t, std::span<const Real> table, Real* to) {
  const nets::Shape& shape = images.shape;
  const Place place{t, shape, elements<const std::uint8_t>(images) + t.sample * shape.count()};
  const int cut_begin = std::clamp(t.cut_left, 0, shape.w);
  const int cut_end = std::clamp(t.cut_left + t.cut_width, cut_begin, shape.w);
  for (int y = 0; y < shape.h; ++y, to += std::int64_t{shape.w} * shape.c) {
    const auto part = [&](int x, int end) {
      Real* first = to + std::int64_t{x} * shape.c;
      if (t.affine) load_affine(place, y, x, end, table, first);
      else load_moved(place, y, x, end, table, first);
    };
    if (y < t.cut_top || y >= t.cut_top + t.cut_height) {
      part(0, shape.w);
      continue;
    }
    part(0, cut_begin);
    load_zeros(shape.c, cut_begin, cut_end, table, to + std::int64_t{cut_begin} * shape.c);
    part(cut_end, shape.w);
  }
}

#define GUARDBIT_INSTANTIATE(Real)                                                       \
  template std::vector<Real> preprocess_table<Real>(const nets::Preprocess&, int);       \
  template void load_sample<Real>(const TensorView&, const SampleTransform&, std::span<const Real>, Real*);
GUARDBIT_INSTANTIATE(float)
GUARDBIT_INSTANTIATE(double)
#undef GUARDBIT_INSTANTIATE

}  // namespace guardbit::trainer
