#include "cli/integer_source.hpp"

#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"

namespace guardbit::cli {

IntegerSource load_integer(const Session& session) {
  nets::Bundle bundle = nets::load_bundle(session.required_bundle());
  return {.network = std::move(bundle.network), .folded = std::move(bundle.folded)};
}

std::string bundle_sha256(const std::filesystem::path& folder) {
  nets::Bytes bytes = nets::read_file(folder / "net.yaml");
  const nets::Bytes weights = nets::read_file(folder / "weights.safetensors");
  bytes.insert(bytes.end(), weights.begin(), weights.end());
  return nets::sha256_hex(bytes);
}

}  // namespace guardbit::cli
