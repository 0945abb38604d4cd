// SCALE-Sim topologies.
#include <fmt/format.h>

#include <filesystem>

#include "arith/error.hpp"
#include "nets/import/scale_sim.hpp"
#include "nets/import/scale_sim_text.hpp"

namespace guardbit::nets {
namespace {

using namespace scale_sim;

constexpr std::size_t kMaxNameLength = 200;

class Reader {
 public:
  Reader(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  Topology read() {
    Topology topology;
    topology.name = std::filesystem::path(file_).stem().string();
    topology.source = std::filesystem::path(file_).filename().string();
    bool header = true;
    for (const std::string_view raw : lines_of(text_)) {
      ++line_;
      cells_ = split(raw, ',');
      for (std::string_view& cell : cells_) cell = trimmed(cell);
      if (header) {
        read_header();
        header = false;
        continue;
      }
      if (std::all_of(cells_.begin(), cells_.end(), [](std::string_view cell) { return cell.empty(); })) continue;
      topology.layers.push_back(gemm_ ? read_gemm() : read_convolution());
      if (const std::string problem = problem_of(topology.layers.back()); !problem.empty()) fail(problem);
      if (topology.layers.size() > kMaxTopologyLayers) fail(fmt::format("found more than {0} layers, allowed {0}",
                                                                        kMaxTopologyLayers));
    }
    if (topology.layers.empty()) throw Error(fmt::format("{}: found no layers, allowed 1 or more", file_));
    return topology;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(fmt::format("{}:{}: {}", file_, line_, message));
  }

  // Titles without blanks and underlines, in small letters.
  static std::string title(std::string_view cell) {
    std::string text = lower(cell);
    std::erase_if(text, [](char c) { return c == ' ' || c == '_'; });
    return text;
  }

  void read_header() {
    std::vector<std::string> titles;
    for (const std::string_view cell : cells_) titles.push_back(title(cell));
    const auto is = [&](std::size_t at, const char* wanted) { return at < titles.size() && titles[at] == wanted; };
    const bool layer = !titles.empty() && titles[0].starts_with("layer");
    gemm_ = layer && is(1, "m") && is(2, "n") && is(3, "k");
    const bool convolution = layer && is(1, "ifmapheight") && is(2, "ifmapwidth") && is(3, "filterheight") &&
                             is(4, "filterwidth") && is(5, "channels") && is(6, "numfilter") && titles.size() > 7 &&
                             titles[7].starts_with("stride");
    if (!gemm_ && !convolution) {
      fail(fmt::format("found the titles '{}', allowed 'Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter "
                       "Width, Channels, Num Filter, Strides' or 'Layer, M, N, K'", shown(fmt::format("{}", fmt::join(cells_, ", ")))));
    }
    for (std::size_t at = gemm_ ? 4 : 8; at < titles.size(); ++at) {
      if (titles[at] == "stridewidth" && !gemm_) stride_width_ = at;
      if (titles[at].starts_with("sparsity")) sparsity_ = at;
      if (titles[at].starts_with("batch")) batch_ = at;
    }
  }

  std::string name() const {
    if (cells_[0].empty() || cells_[0].size() > kMaxNameLength) {
      fail(fmt::format("found a layer name of {} characters, allowed 1 to {}", cells_[0].size(), kMaxNameLength));
    }
    if (std::any_of(cells_[0].begin(), cells_[0].end(), [](char c) { return c < ' ' || c > '~' || c == '/' || c == '$'; })) {
      fail(fmt::format("found the layer name '{}', allowed printable ASCII characters without '/' and '$'", shown(cells_[0])));
    }
    return std::string(cells_[0]);
  }

  int number(std::size_t at, const char* what) const {
    if (at >= cells_.size()) fail(fmt::format("{}: found {} cells, allowed {} or more", what, cells_.size(), at + 1));
    const std::optional<std::int64_t> value = whole_number(cells_[at]);
    if (!value || *value < 1 || *value > kMaxTopologyExtent) {
      fail(fmt::format("{}: found '{}', allowed 1 to {}", what, shown(cells_[at]), kMaxTopologyExtent));
    }
    return static_cast<int>(*value);
  }

  // N:M keeps N of M weights: only N = M is dense.
  void check_rest() const {
    const auto cell = [&](std::size_t at) { return at != 0 && at < cells_.size() ? cells_[at] : std::string_view(); };
    const std::string_view sparsity = cell(sparsity_);
    if (!sparsity.empty()) {
      const std::vector<std::string_view> parts = split(sparsity, ':');
      const bool dense = parts.size() == 2 && whole_number(trimmed(parts[0])) && 
                         whole_number(trimmed(parts[0])) == whole_number(trimmed(parts[1]));
      if (!dense) fail(fmt::format("sparsity: found '{}', allowed 1:1 (dense)", shown(sparsity)));
    }
    const std::string_view batch = cell(batch_);
    if (!batch.empty() && whole_number(batch) != 1) {
      fail(fmt::format("batch size: found '{}', allowed 1 (simulate more images with samples=N)", shown(batch)));
    }
  }

  TopologyLayer read_convolution() const {
    TopologyLayer layer{.name = name()};
    layer.input = {number(1, "IFMAP height"), number(2, "IFMAP width"), number(5, "channels")};
    layer.kernel_h = number(3, "filter height");
    layer.kernel_w = number(4, "filter width");
    layer.filters = number(6, "num filter");
    layer.stride_h = layer.stride_w = number(7, "strides");
    if (stride_width_ != 0) layer.stride_w = number(stride_width_, "stride width");
    check_rest();
    if (layer.name.find("DP") != std::string::npos) {
      layer.groups = layer.input.c;
      const std::int64_t filters = std::int64_t{layer.input.c} * layer.filters;
      if (filters > kMaxTopologyExtent) {
        fail(fmt::format("found {} filters of {} channels, allowed {} in all", layer.filters, layer.input.c,
                         kMaxTopologyExtent));
      }
      layer.filters = static_cast<int>(filters);
    }
    return layer;
  }

  // The rows of the left matrix are pixels, K its channels.
  TopologyLayer read_gemm() const {
    TopologyLayer layer{.name = name()};
    layer.input = {number(1, "M"), 1, number(3, "K")};
    layer.filters = number(2, "N");
    check_rest();
    return layer;
  }

  std::string_view text_;
  std::string file_;
  std::vector<std::string_view> cells_;  // of the current line
  int line_ = 0;
  bool gemm_ = false;
  std::size_t stride_width_ = 0, sparsity_ = 0, batch_ = 0;  // columns; 0: absent
};

}  // namespace

Topology parse_scale_sim_topology(std::string_view text, const std::string& file) { return Reader(text, file).read(); }

}  // namespace guardbit::nets
