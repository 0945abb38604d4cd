// Integer layers as YAML and tensors.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "nets/quantize/bundle_parts.hpp"
#include "nets/quantize/stage_yaml.hpp"

namespace guardbit::nets::bundle_parts {
namespace {

constexpr int kMaxExtent = 1 << 20;
constexpr const char* kExponentials = ".exponentials";

template <class To, class From>
Array converted(const std::vector<std::int64_t>& shape, const std::vector<From>& values) {
  std::vector<To> narrow;
  for (const From v : values) narrow.push_back(static_cast<To>(v));
  return Array::from(shape, narrow);
}

class Sink final : public ParameterSink {
 public:
  explicit Sink(NamedArrays& tensors) : tensors_(tensors) {}
  std::string put(const std::string& name, const std::vector<std::int64_t>& values) override {
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(values.size())};
    const bool small = std::all_of(values.begin(), values.end(), [](auto v) { return v >= INT8_MIN && v <= INT8_MAX; });
    const bool medium =
        std::all_of(values.begin(), values.end(), [](auto v) { return v >= INT32_MIN && v <= INT32_MAX; });
    tensors_.emplace_back(name, small    ? converted<std::int8_t>(shape, values)
                                : medium ? converted<std::int32_t>(shape, values)
                                         : Array::from(shape, values));
    return name;
  }
  std::string put(const std::string& name, const std::vector<float>& values) override {
    tensors_.emplace_back(name, Array::from({static_cast<std::int64_t>(values.size())}, values));
    return name;
  }

 private:
  NamedArrays& tensors_;
};

class Source final : public ParameterSource {
 public:
  Source(const TensorFile& tensors, std::string file, std::map<std::string, bool>& used)
      : tensors_(tensors), file_(std::move(file)), used_(used) {}
  const Array* find(const std::string& name) {
    const Array* array = find_array(tensors_.tensors, name);
    if (array != nullptr) used_[name] = true;
    return array;
  }
  const Array& need(const std::string& name) {
    const Array* array = find(name);
    if (array == nullptr) throw Error(fmt::format("{}: no tensor {}, which net.yaml refers to", file_, name));
    return *array;
  }
  std::vector<std::int64_t> integers(const std::string& name) override { return need(name).to_int64(where(name)); }
  std::vector<float> floats(const std::string& name) override { return need(name).as<float>(where(name)); }
  std::vector<double> doubles(const std::string& name) {
    const Array* array = find(name);
    return array == nullptr ? std::vector<double>{} : array->as<double>(where(name));
  }
  std::string where(const std::string& name) const { return file_ + ": " + name; }

 private:
  const TensorFile& tensors_;
  std::string file_;
  std::map<std::string, bool>& used_;
};

arith::Format read_format(const Section& section, const char* key) {
  const std::string text = section.text(key, {}, "a format");
  try {
    return arith::parse_format(text);
  } catch (const Error& error) {
    section.fail(key, text, error.what());
  }
}

IntegerOp read_op(const Section& section) {
#define X(id, text) {text, IntegerOp::id},
  return section.one_of<IntegerOp>("op", {GUARDBIT_INTEGER_OPS(X)});
#undef X
}

void put_weights(const IntegerLayer& layer, Value& map, NamedArrays& tensors) {
  map.set("weight_format", Value(arith::to_string(layer.weight_format)));
  const bool bytes = layer.weight_format.width <= (layer.weight_format.is_signed ? 8 : 7);
  tensors.emplace_back(layer.name + ".weight", bytes ? converted<std::int8_t>(layer.weight.shape, layer.weight.data)
                                                     : Array::from(layer.weight.shape, layer.weight.data));
  const auto put_list = [&](const char* what, const auto& values) {
    if (values.empty()) return;
    tensors.emplace_back(layer.name + what, Array::from({static_cast<std::int64_t>(values.size())}, values));
  };
  const auto wide = [](std::int64_t b) { return b < INT32_MIN || b > INT32_MAX; };
  if (std::any_of(layer.bias.begin(), layer.bias.end(), wide)) {
    put_list(".bias", layer.bias);
  } else {
    put_list(".bias", std::vector<std::int32_t>(layer.bias.begin(), layer.bias.end()));
  }
  put_list(".weight_scales", layer.weight_scales);
  put_list(".real_multipliers", layer.real_multipliers);
}

void take_weights(IntegerLayer& layer, const Section& section, Source& source) {
  layer.weight_format = read_format(section, "weight_format");
  const Array& weight = source.need(layer.name + ".weight");
  layer.weight.shape = weight.shape;
  layer.weight.data = weight.to_int32(source.where(layer.name + ".weight"));
  if (const Array* bias = source.find(layer.name + ".bias"))
    layer.bias = bias->to_int64(source.where(layer.name + ".bias"));
  layer.weight_scales = source.doubles(layer.name + ".weight_scales");
  layer.real_multipliers = source.doubles(layer.name + ".real_multipliers");
}

}  // namespace

Value layer_value(const IntegerLayer& layer, NamedArrays& tensors) {
  Sink sink(tensors);
  Value map = Value::map();
  map.set("name", Value(layer.name));
  map.set("op", Value(std::string(name(layer.op))));
  std::vector<Value> inputs;
  for (const int input : layer.inputs) inputs.emplace_back(input);
  map.set("inputs", Value::list(inputs));
  map.set("shape", shape_value(layer.shape));
  map.set("format", Value(arith::to_string(layer.output.format)));
  map.set("scale", Value(layer.output.scale));
  map.set("zero_point", Value(layer.output.zero_point));
  map.set("float_node", Value(layer.float_node));
  const bool pool = layer.op == IntegerOp::MaxPool || layer.op == IntegerOp::AveragePool;
  if (pool || layer.op == IntegerOp::Conv2d) map.set("window", window_value(layer.window));
  if (layer.op == IntegerOp::Conv2d) map.set("groups", Value(layer.groups));
  if (layer.op == IntegerOp::Pad) {
    map.set("padding", padding_value(layer.padding));
    map.set("channels_before", Value(layer.channels_before));
  }
  if (layer.weighted()) put_weights(layer, map, tensors);
  if (layer.op == IntegerOp::Softmax) {
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(layer.exponentials.size())};
    tensors.emplace_back(layer.name + kExponentials, converted<std::uint16_t>(shape, layer.exponentials));
  }
  std::vector<Value> lists;
  for (std::size_t i = 0; i < layer.input_stages.size(); ++i) {
    const std::string prefix = fmt::format("{}.input_stages.{}", layer.name, i);
    lists.push_back(Value::map({{"stages", write_stages(layer.input_stages[i], prefix, sink)}}));
  }
  if (!lists.empty()) map.set("input_stages", Value::list(lists));
  if (!layer.stages.empty()) map.set("stages", write_stages(layer.stages, layer.name + ".stages", sink));
  return map;
}

IntegerLayer read_layer(const Section& section, const TensorFile& tensors, const std::string& file,
                        std::map<std::string, bool>& used) {
  Source source(tensors, file, used);
  IntegerLayer layer;
  layer.name = section.text("name");
  layer.op = read_op(section);
  for (const std::int64_t input : section.integers("inputs", 0, kMaxExtent, std::vector<std::int64_t>{})) {
    layer.inputs.push_back(static_cast<int>(input));
  }
  layer.shape = read_shape(section, "shape");
  layer.output.format = read_format(section, "format");
  layer.output.scale = section.number("scale", 1e-300, 1e300);
  layer.output.zero_point = section.integer("zero_point", INT32_MIN, INT32_MAX);
  layer.float_node = static_cast<int>(section.integer("float_node", -1, kMaxExtent));
  const bool pool = layer.op == IntegerOp::MaxPool || layer.op == IntegerOp::AveragePool;
  if (pool || layer.op == IntegerOp::Conv2d) layer.window = read_window(section.section("window"));
  if (layer.op == IntegerOp::Conv2d) layer.groups = static_cast<int>(section.integer("groups", 1, kMaxExtent));
  if (layer.op == IntegerOp::Pad) {
    layer.padding = read_padding(section, "padding");
    layer.channels_before = static_cast<int>(section.integer("channels_before", 0, kMaxExtent));
  }
  if (layer.weighted()) take_weights(layer, section, source);
  if (layer.op == IntegerOp::Softmax) {
    const std::string tensor = layer.name + kExponentials;
    layer.exponentials = source.need(tensor).to_int32(source.where(tensor));
  }
  for (const Section& list : section.sections("input_stages")) {
    layer.input_stages.push_back(read_stages(list, "stages", source));
  }
  layer.stages = read_stages(section, "stages", source);
  return layer;
}

}  // namespace guardbit::nets::bundle_parts
