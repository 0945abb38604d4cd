#include "cli/integer_source.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "cli/network_source.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"
#include "nets/quantize/quantize.hpp"

namespace guardbit::cli {

IntegerSource load_integer(const Session& session) {
  nets::Bundle bundle = nets::load_bundle(session.required_bundle());
  return {.network = std::move(bundle.network), .folded = std::move(bundle.folded)};
}

std::optional<nets::QuantizationRecord> trained_record(const Session& session) {
  if (session.source() != Source::RunFolder || !session.root().has("quantizer")) return {};
  if (!nets::has_record(session.folder())) {
    throw Error(fmt::format("{}: found a quantizer section but no quantization.yaml, allowed a finished training, or "
                            "quantizer=null for the float network", session.folder().string()));
  }
  return nets::load_record(session.folder());
}

IntegerSource convert_trained(const nets::Network& network, const nets::QuantizationRecord& record,
                              bool keep_softmax) {
  IntegerSource source{.network = {}, .folded = nets::prepare_float(network, keep_softmax)};
  source.network = nets::convert(source.folded, *nets::make_recorded_scheme(record));
  return source;
}

IntegerSource load_integer_or_trained(const Session& session) {
  const std::optional<nets::QuantizationRecord> record = trained_record(session);
  return record ? convert_trained(load_trained(session), *record) : load_integer(session);
}

std::string bundle_sha256(const std::filesystem::path& folder) {
  nets::Bytes bytes = nets::read_file(folder / "net.yaml");
  const nets::Bytes weights = nets::read_file(folder / "weights.safetensors");
  bytes.insert(bytes.end(), weights.begin(), weights.end());
  return nets::sha256_hex(bytes);
}

}  // namespace guardbit::cli
