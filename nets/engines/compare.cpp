// Comparison of results: every code, every count.
#include "nets/engines/compare.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

// Collects the fields of one layer that differ.
class Differences {
 public:
  Differences(std::string layer, std::vector<std::string>& out) : layer_(std::move(layer)), out_(out) {}

  template <class T>
  void field(std::string_view what, const T& expected, const T& actual) {
    if (expected != actual)
      out_.push_back(fmt::format("layer {}: {}: expected {}, actual {}", layer_, what, expected, actual));
  }
  void counts(const std::string& what, const arith::OverflowCounts& a, const arith::OverflowCounts& b) {
    field(what + ".total", a.total, b.total);
    field(what + ".count", a.count, b.count);
    field(what + ".outputs", a.outputs, b.outputs);
    field(what + ".transient", a.transient, b.transient);
    field(what + ".harmful", a.harmful, b.harmful);
    field(what + ".first", first_text(a.first), first_text(b.first));
  }

 private:
  static std::string first_text(const std::optional<arith::FirstOverflow>& first) {
    return first ? fmt::format("output {} narrowing {}", first->output, first->narrowing) : "none";
  }
  std::string layer_;
  std::vector<std::string>& out_;
};

}  // namespace

std::string Mismatch::text() const {
  return fmt::format("layer {} [n {}, h {}, w {}, c {}]: expected {}, actual {}", layer, n, h, w, c, expected, actual);
}

void CodeComparison::merge(const CodeComparison& other) {
  compared += other.compared;
  mismatching += other.mismatching;
  if (!first) first = other.first;
}

CodeComparison compare_codes(const IntegerNetwork& network, int layer, const LayerResult& expected,
                             const LayerResult& actual, std::int64_t first_image) {
  const std::string& name = network.layer(layer).name;
  if (expected.codes.shape != actual.codes.shape || expected.codes.data.size() != actual.codes.data.size()) {
    throw Error(fmt::format("layer {}: codes of shape [{}] compared with [{}]", name,
                            fmt::join(expected.codes.shape, ", "), fmt::join(actual.codes.shape, ", ")));
  }
  CodeComparison result;
  result.compared = expected.codes.data.size();
  const Shape shape = network.layer(layer).shape;
  for (std::size_t e = 0; e < expected.codes.data.size(); ++e) {
    if (expected.codes.data[e] == actual.codes.data[e]) continue;
    if (result.mismatching++ == 0) {
      const auto at = static_cast<std::int64_t>(e);
      const std::int64_t pixel = at / shape.c;
      result.first = Mismatch{name,
                              layer,
                              first_image + at / shape.count(),
                              pixel / shape.w % shape.h,
                              pixel % shape.w,
                              at % shape.c,
                              expected.codes.data[e],
                              actual.codes.data[e]};
    }
  }
  return result;
}

std::vector<CodeComparison> compare_codes(const IntegerNetwork& network, const RunResult& expected,
                                          const RunResult& actual, std::int64_t first_image) {
  std::vector<CodeComparison> all;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    all.push_back(compare_codes(network, static_cast<int>(i), expected.layers.at(i), actual.layers.at(i), first_image));
  }
  return all;
}

std::optional<Mismatch> first_mismatch(const IntegerNetwork& network, const RunResult& expected,
                                       const RunResult& actual, std::int64_t first_image) {
  for (const CodeComparison& layer : compare_codes(network, expected, actual, first_image)) {
    if (layer.first) return layer.first;
  }
  return std::nullopt;
}

std::vector<std::string> compare_evidence(const IntegerNetwork& network, const RunResult& expected,
                                          const RunResult& actual) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const LayerResult& a = expected.layers.at(i);
    const LayerResult& b = actual.layers.at(i);
    Differences differences(network.layers[i].name, out);
    differences.counts("accumulator", a.accumulation.accumulator, b.accumulation.accumulator);
    differences.counts("psum", a.accumulation.psum, b.accumulation.psum);
    differences.field("exact.min", a.accumulation.exact.min, b.accumulation.exact.min);
    differences.field("exact.max", a.accumulation.exact.max, b.accumulation.exact.max);
    differences.field("stages.total", a.stages.total, b.stages.total);
    differences.field("stages.changed.size", a.stages.changed.size(), b.stages.changed.size());
    for (std::size_t s = 0; s < std::min(a.stages.changed.size(), b.stages.changed.size()); ++s) {
      differences.field(fmt::format("stages.changed[{}]", s), a.stages.changed[s], b.stages.changed[s]);
    }
    if (a.cost && b.cost) {
#define X(counter) differences.field("cost." #counter, a.cost->counter, b.cost->counter);
      GUARDBIT_COST_COUNTERS(X)
#undef X
    }
  }
  return out;
}

}  // namespace guardbit::nets
