// What `simulate` replays: the images of a data set on a bundle's network, or the layers of a topology, each a network
// of its own on declared random codes.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/session.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::cli {

class Workload {
 public:
  virtual ~Workload() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string samples_text() const = 0;  // "mnist test images 0 to 9"
  [[nodiscard]] virtual nlohmann::json dataset_json() const = 0;

  [[nodiscard]] virtual std::int64_t images() const = 0;
  [[nodiscard]] virtual std::int64_t first_image() const = 0;
  [[nodiscard]] virtual std::int64_t batch() const = 0;  // images of one job; results do not depend on it

  // Networks that are independent of each other, and the first layer of each that is reported.
  [[nodiscard]] virtual std::size_t parts() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const nets::IntegerNetwork> network(std::size_t part) const = 0;
  [[nodiscard]] virtual std::size_t first_layer() const = 0;
  // Codes of images [begin, begin + count), counted from first_image().
  [[nodiscard]] virtual nets::IntTensor input(std::size_t part, const nets::IntegerNetwork& network,
                                              std::int64_t begin, std::int64_t count) const = 0;
};

// A topology if the configuration has one, else the bundle and its samples.
[[nodiscard]] std::unique_ptr<Workload> load_workload(const Session& session);

}  // namespace guardbit::cli
