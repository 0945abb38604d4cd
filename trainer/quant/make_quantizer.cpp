#include "trainer/quant/make_quantizer.hpp"

#include "trainer/quant/affine_quantizer.hpp"
#include "trainer/quant/fixed_quantizers.hpp"
#include "trainer/quant/learned_quantizers.hpp"
#include "trainer/quant/level_quantizers.hpp"

namespace guardbit::trainer {

namespace {

using nets::Section;

enum class Type : unsigned char { Fixed, Dfp, Affine, Lsq, Pact, Dorefa, BinaryConnect };

constexpr int kMaxCodeBits = 16, kMaxGradientBits = 32;

Type read_type(const Section& s, Place place) {
  switch (place) {
    case Place::Weights:
      return s.one_of<Type>("type", {{"fixed", Type::Fixed}, {"dfp", Type::Dfp}, {"affine", Type::Affine},
                                     {"lsq", Type::Lsq}, {"dorefa", Type::Dorefa},
                                     {"binary_connect", Type::BinaryConnect}});
    case Place::Activation:
      return s.one_of<Type>("type", {{"fixed", Type::Fixed}, {"dfp", Type::Dfp}, {"affine", Type::Affine},
                                     {"lsq", Type::Lsq}, {"pact", Type::Pact}, {"dorefa", Type::Dorefa}});
    default:
      return s.one_of<Type>("type", {{"fixed", Type::Fixed}, {"dfp", Type::Dfp}});
  }
}

int largest_width(Type type, Place place) {
  if (is_gradient(place)) return kMaxGradientBits;
  // Codes of DoReFa's weights are a bit wider, and unsigned codes of 16 bits would need 17 as operands.
  return type == Type::Dorefa || type == Type::Pact || (type == Type::Lsq && place == Place::Activation)
             ? kMaxCodeBits - 1 : kMaxCodeBits;
}

QuantizerCommon read_common(const Section& s, Place place, Type type) {
  QuantizerCommon common;
  if (type != Type::BinaryConnect)
    common.width = static_cast<int>(s.integer("width", type == Type::Dorefa ? 1 : 2, largest_width(type, place), 8));
  common.priority = static_cast<int>(s.integer("priority", -1000, 1000, 0));
  common.enable = s.boolean("enable", true);
  common.should_update = s.boolean("should_update", true);
  if (!common.enable && (place == Place::Weights || place == Place::Activation))
    s.fail("enable", "false", "true: integers need codes here");
  return common;
}

Stochastic read_stochastic(const Section& s, Place place) {
  const auto stochastic = s.one_of<Stochastic>(
      "stochastic", {{"false", Stochastic::Off}, {"naive", Stochastic::Naive}, {"ulp", Stochastic::Ulp}},
      Stochastic::Off);
  if (stochastic != Stochastic::Off && !is_gradient(place))
    s.fail("stochastic", s.text("stochastic"), "false: codes do not depend on the step; gradients may be rounded so");
  return stochastic;
}

std::unique_ptr<Quantizer> make(const Section& s, Place place, Type type, const QuantizerCommon& common,
                                const LayerTraits& layer) {
  const bool weights = place == Place::Weights;
  switch (type) {
    case Type::Fixed: {
      const auto point = static_cast<int>(s.integer("point", -32, 48, 1));
      return std::make_unique<FixedQuantizer>(common, point, read_stochastic(s, place));
    }
    case Type::Dfp: {
      const double rate = s.number("overflow_rate", 0, 1, 0);
      return std::make_unique<DfpQuantizer>(common, rate, read_stochastic(s, place));
    }
    case Type::Affine:
      if (weights) return std::make_unique<AffineWeights>(common, s.boolean("per_channel", true));
      return std::make_unique<AffineActivation>(common, s.number("decay", 0, 0.9999999, 0.999));
    case Type::Lsq:
      return std::make_unique<LsqQuantizer>(common, weights || !layer.behind_relu,
                                            weights ? layer.weights : layer.elements, s.boolean("grad_scale", true));
    case Type::Pact: {
      const double alpha = s.number("alpha", 1e-6, 1e6, 10);
      return std::make_unique<PactQuantizer>(common, alpha, s.number("decay", 0, 1, 0.0002));
    }
    case Type::Dorefa:
      if (weights) return std::make_unique<DorefaWeights>(common);
      return std::make_unique<DorefaActivation>(common, s.number("clip", 1e-6, 1e6, 1));
    case Type::BinaryConnect:
      return std::make_unique<BinaryConnect>(common);
  }
  __builtin_unreachable();
}

}  // namespace

bool needs_relu(std::string_view type) { return type == "lsq" || type == "pact" || type == "dorefa"; }

std::unique_ptr<Quantizer> make_quantizer(const Section& section, Place place, const LayerTraits& layer) {
  const Type type = read_type(section, place);
  const QuantizerCommon common = read_common(section, place, type);
  if ((type == Type::Pact || (type == Type::Dorefa && place == Place::Activation)) && !layer.behind_relu)
    section.fail("type", section.text("type"), "lsq, affine, dfp, fixed: the output of " + layer.name +
                                                   " is not behind relu");
  auto quantizer = make(section, place, type, common, layer);
  section.done();
  return quantizer;
}

}  // namespace guardbit::trainer
