#include "cli/workload.hpp"

#include <fmt/format.h>

#include "cli/integer_source.hpp"
#include "cli/samples.hpp"
#include "nets/import/topology.hpp"

namespace guardbit::cli {
namespace {

using nets::IntegerNetwork;
using nlohmann::json;

constexpr std::int64_t kMaxImages = 1 << 20;

class BundleWorkload : public Workload {
 public:
  explicit BundleWorkload(const Session& session)
      : network_(std::make_shared<IntegerNetwork>(load_integer(session).network)), samples_(load_samples(session, 1)) {
    check_shape(samples_, network_->layers.at(0).shape);
  }
  [[nodiscard]] std::string name() const override { return network_->name; }
  [[nodiscard]] std::string samples_text() const override { return samples_.text(); }
  [[nodiscard]] json dataset_json() const override {
    return {{"name", samples_.data.name}, {"split", samples_.split}, {"first", samples_.first}};
  }
  [[nodiscard]] std::int64_t images() const override { return samples_.count(); }
  [[nodiscard]] std::int64_t first_image() const override { return samples_.first; }
  [[nodiscard]] std::int64_t batch() const override { return 8; }
  [[nodiscard]] std::size_t parts() const override { return 1; }
  [[nodiscard]] std::shared_ptr<const IntegerNetwork> network(std::size_t) const override { return network_; }
  [[nodiscard]] std::size_t first_layer() const override { return 0; }
  [[nodiscard]] nets::IntTensor input(std::size_t, const IntegerNetwork& network, std::int64_t begin,
                                      std::int64_t count) const override {
    return nets::quantize_input(network, samples_.data.image(begin).data(), count);
  }

 private:
  std::shared_ptr<const IntegerNetwork> network_;
  Samples samples_;
};

class TopologyWorkload : public Workload {
 public:
  explicit TopologyWorkload(const Session& session)
      : topology_(nets::read_topology(session.root().section("topology"))),
        seed_(session.seed()),
        images_(session.root().integer("samples", 1, kMaxImages, 1)),
        first_(session.root().integer("first", 0, kMaxImages, 0)) {}
  [[nodiscard]] std::string name() const override { return topology_.name; }
  [[nodiscard]] std::string samples_text() const override {
    return fmt::format("{} independent layers, random codes of seed {}, images {} to {}", topology_.layers.size(),
                       seed_, first_, first_ + images_ - 1);
  }
  [[nodiscard]] json dataset_json() const override {
    return {{"name", "random"}, {"seed", seed_}, {"first", first_}};
  }
  [[nodiscard]] std::int64_t images() const override { return images_; }
  [[nodiscard]] std::int64_t first_image() const override { return first_; }
  [[nodiscard]] std::int64_t batch() const override { return 1; }  // layers may be large
  [[nodiscard]] std::size_t parts() const override { return topology_.layers.size(); }
  [[nodiscard]] std::shared_ptr<const IntegerNetwork> network(std::size_t part) const override {
    return std::make_shared<IntegerNetwork>(nets::layer_network(topology_, part, seed_));
  }
  [[nodiscard]] std::size_t first_layer() const override { return 1; }
  [[nodiscard]] nets::IntTensor input(std::size_t part, const IntegerNetwork&, std::int64_t begin,
                                      std::int64_t count) const override {
    return nets::layer_input(topology_, part, seed_, first_ + begin, count);
  }

 private:
  nets::Topology topology_;
  std::uint64_t seed_;
  std::int64_t images_, first_;
};

}  // namespace

std::unique_ptr<Workload> load_workload(const Session& session) {
  if (session.source() != Source::Bundle && session.root().has("topology")) {
    return std::make_unique<TopologyWorkload>(session);
  }
  return std::make_unique<BundleWorkload>(session);
}

}  // namespace guardbit::cli
