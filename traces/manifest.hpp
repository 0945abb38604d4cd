// manifest.json: what a golden-trace package of one weighted layer contains. FORMAT.md documents every key.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"
#include "nets/graph/network.hpp"
#include "nets/quantize/integer_network.hpp"
#include "traces/hex.hpp"

namespace guardbit::traces {

inline constexpr int kSchemaVersion = 1;
inline constexpr std::string_view kFormatName = "guardbit-trace";
// Bounds on untrusted packages: one dimension, elements of one stream.
inline constexpr std::int64_t kMaxDimension = 1 << 20;
inline constexpr std::int64_t kMaxElements = 1 << 28;

enum class Role : unsigned char { Activation, Weight, Bias, Accumulator, Output };
inline constexpr std::array kRoles{Role::Activation, Role::Weight, Role::Bias, Role::Accumulator, Role::Output};

[[nodiscard]] std::string_view name(Role role);       // "activation"
[[nodiscard]] std::string_view hex_file(Role role);   // "stim/act.hex"
[[nodiscard]] std::string_view npy_file(Role role);   // "npy/act.npy"
[[nodiscard]] std::string_view axes(Role role);       // "N, H, W, C"

struct Stream {
  Role role = Role::Activation;
  WordFormat words;
  std::vector<std::int64_t> shape;
  [[nodiscard]] std::int64_t elements() const;
  friend bool operator==(const Stream&, const Stream&) = default;
};

struct Manifest {
  std::string generator_version;
  std::string network, network_sha256;  // sha256 of the bundle's net.yaml followed by its weights.safetensors
  std::string layer, op;
  std::string samples;  // where the activations come from, in words
  std::int64_t first_sample = 0;
  std::uint64_t seed = 0;

  nets::Window window;  // kernel sizes are those of the weight tensor
  int groups = 1;
  nets::TensorFormat activation, output;
  arith::Format weight;

  std::string dataflow;
  int rows = 0, columns = 0;  // of the array
  arith::Accumulation accumulation;
  arith::StageList stages;
  arith::AccumulationEvidence evidence;

  std::vector<Stream> streams;                // one per role, in the order of kRoles
  std::map<std::string, std::string> sha256;  // every file but manifest.json, by path inside the package

  [[nodiscard]] const Stream& stream(Role role) const { return streams[static_cast<std::size_t>(role)]; }
};

[[nodiscard]] nlohmann::json to_json(const Manifest& manifest);

// Checks everything that can be checked without the files: types, bounds, known roles, shapes that belong together.
// Error with `where` otherwise.
[[nodiscard]] Manifest manifest_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace guardbit::traces
