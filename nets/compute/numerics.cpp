#include "nets/compute/numerics.hpp"

#include <fmt/format.h>

#include <cmath>

#include "arith/error.hpp"
#include "nets/compute/broadcast.hpp"
#include "nets/compute/operand.hpp"
#include "nets/io/npy.hpp"
#include "nets/quantize/stage_yaml.hpp"

namespace guardbit::nets::compute {
namespace {

arith::Format read_format(const Section& section, std::string_view key) {
  const std::string text = section.text(key, {}, "a format");
  try {
    return arith::parse_format(text);
  } catch (const Error& error) {
    section.fail(key, text, error.what());
  }
}

// Under its own name, or under the other one that convolutions use; both at once is an error.
arith::Format read_operand_format(const Section& section, const char* name, const char* other) {
  if (!section.has(other)) return read_format(section, name);
  if (section.has(name)) section.fail(fmt::format("found both {} and {}, allowed one of them", name, other));
  return read_format(section, other);
}

arith::AccumulatorSpec read_accumulator(const Section& section) {
  arith::AccumulatorSpec spec;
  spec.format = read_format(section, "format");
  spec.step = static_cast<int>(section.integer("step", 0, INT32_MAX, 1));
  return spec;
}

// Stage parameters from .npy files, broadcast to the shape of the values.
class Files final : public ParameterSource {
 public:
  Files(const std::filesystem::path& folder, const std::vector<std::int64_t>& shape) : folder_(folder), shape_(shape) {}

  std::vector<std::int64_t> integers(const std::string& name) override {
    const auto [array, where] = read(name);
    return spread(array, array.to_int64(where));
  }
  std::vector<float> floats(const std::string& name) override {
    const auto [array, where] = read(name);
    const std::vector<float> values = array.to_float();
    for (const float value : values) {
      if (!std::isfinite(value)) throw Error(fmt::format("{}: found {}, allowed finite numbers", where, value));
    }
    return spread(array, values);
  }

 private:
  std::pair<Array, std::string> read(const std::string& name) const {
    const std::filesystem::path beside = folder_ / name;
    std::error_code ignored;
    const std::filesystem::path path = std::filesystem::exists(beside, ignored) ? beside : std::filesystem::path(name);
    Array array = read_npy(path);
    if (!broadcasts(array.shape, shape_)) {
      throw Error(fmt::format("{}: found shape {}, allowed one that broadcasts to {}", path.string(),
                              array.shape_text(), shape_text(shape_)));
    }
    return {std::move(array), path.string()};
  }
  // One number, one per element of the last axis, or one per element.
  template <class T>
  std::vector<T> spread(const Array& array, const std::vector<T>& values) const {
    if (values.size() == 1) return values;
    const bool last_axis = array.shape.back() == static_cast<std::int64_t>(values.size());
    if (last_axis) return values;
    std::vector<T> all;
    for (const std::int64_t index : broadcast_index(array.shape, shape_)) {
      all.push_back(values[static_cast<std::size_t>(index)]);
    }
    return all;
  }

  const std::filesystem::path& folder_;
  const std::vector<std::int64_t>& shape_;
};

}  // namespace

Numerics::Numerics(Value root, std::filesystem::path folder) : tree_(root), root_(tree_), folder_(std::move(folder)) {}

void Numerics::read_operands(int count) {
  const Section section = root_.section("operands");
  operands_[0].format = read_operand_format(section, "lhs", "input");
  if (count > 1) operands_[1].format = read_operand_format(section, "rhs", "weight");
  if (section.has("bias")) {
    bias_ = read_format(section, "bias");
    if (!bias_->has_linear_codes()) section.fail("bias", arith::to_string(*bias_), "integer and fixed formats");
  }
  const auto zero_points = section.integers("zero_points", INT32_MIN, INT32_MAX,
                                            std::vector<std::int64_t>(static_cast<std::size_t>(count), 0));
  if (zero_points.size() != static_cast<std::size_t>(count)) {
    section.fail("zero_points", fmt::format("{} numbers", zero_points.size()),
                 fmt::format("{}, one per operand", count));
  }
  for (std::size_t i = 0; i < zero_points.size(); ++i) {
    operands_[i].zero_point = zero_points[i];
    check_operand_format(operands_[i].format, zero_points[i], section.path(i == 0 ? "lhs" : "rhs"));
  }
}

void Numerics::ignore_operands() {
  root_.ignore("operands");
  root_.ignore("psum");
}

arith::Accumulation Numerics::accumulation() const {
  arith::Accumulation accumulation;
  accumulation.accumulator.format = arith::integer_format(64);
  if (root_.has("accumulator")) {
    const Section section = root_.section("accumulator");
    accumulation.accumulator = read_accumulator(section);
    accumulation.fold = static_cast<int>(section.integer("fold", 0, INT32_MAX, 0));
  }
  if (root_.has("psum")) accumulation.psum = read_accumulator(root_.section("psum"));
  arith::check_accumulation(accumulation, root_.path("accumulator"));
  return accumulation;
}

arith::StageList Numerics::stages(const Section& section, const Section& twin, std::string_view key,
                                  const std::vector<std::int64_t>& shape) const {
  // Lists lie along the last axis; read_stages itself does not know how long that is. Looking marks keys as read, so it
  // is done on a twin.
  for (const Section& stage : twin.sections(key)) {
    for (const std::string& name : stage.keys()) {
      if (name == "clamp" || !stage.raw(name).is_list()) continue;
      const std::size_t size = stage.raw(name).items().size();
      if (size != 1 && size != static_cast<std::size_t>(shape.back())) {
        stage.fail(name, fmt::format("a list of {}", size), fmt::format("1 or {}, along the last axis", shape.back()));
      }
    }
  }
  Files files(folder_, shape);
  return read_stages(section, key, files);
}

arith::StageList Numerics::output(const std::vector<std::int64_t>& shape) const {
  return stages(root_, Section(tree_), "output", shape);
}

arith::StageList Numerics::operand_stages(std::string_view key, const std::vector<std::int64_t>& shape) const {
  return stages(root_.section("operands"), Section(tree_).section("operands"), key, shape);
}

}  // namespace guardbit::nets::compute
