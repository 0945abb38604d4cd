#include "trainer/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "arith/error.hpp"
#include "nets/io/safetensors.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::trainer {

namespace fs = std::filesystem;

namespace {

const std::string kPrefix = "checkpoint-", kSuffix = ".safetensors", kFormat = "2";

// visit(name in the file, parameter, tensor) for every tensor of a checkpoint.
void for_each_tensor(const Parameters& parameters,
                     const std::function<void(const std::string&, const Parameter&, const TensorView&)>& visit) {
  for (const Parameter& parameter : parameters.all()) {
    visit("value." + parameter.name, parameter, parameter.value);
    if (parameter.average) visit("average." + parameter.name, parameter, parameter.average);
    for (int i = 0; i < 2; ++i)
      if (parameter.state[i]) visit("state" + std::to_string(i) + "." + parameter.name, parameter, parameter.state[i]);
  }
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

// Epochs of the checkpoints of a run, ascending.
std::vector<std::int64_t> list_checkpoints(const fs::path& output) {
  std::vector<std::int64_t> epochs;
  const fs::path folder = output / "checkpoints";
  if (!fs::is_directory(folder)) return epochs;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) continue;
    const auto epoch = number(std::string_view(file).substr(kPrefix.size(),
                                                            file.size() - kPrefix.size() - kSuffix.size()));
    if (epoch) epochs.push_back(*epoch);
  }
  std::sort(epochs.begin(), epochs.end());
  return epochs;
}

// Of the configuration and of every tensor's name and bytes, by name.
std::string digest(const nets::TensorFile& file, const std::string& config) {
  std::map<std::string, std::string> lines;
  for (const auto& [name, array] : file.tensors) lines[name] = nets::sha256_hex(nets::ByteView(array.bytes));
  std::string text = config;
  for (const auto& [name, hash] : lines) text += "\n" + name + " " + hash;
  return nets::sha256_hex(text);
}

void check_metadata(const nets::TensorFile& file, const std::string& where) {
  const auto get = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  if (get("format") != kFormat)
    throw Error(where + ": format: found " + (get("format").empty() ? "none" : get("format")) + ", allowed " + kFormat +
                ", a checkpoint of this version");
  if (get("digest") != digest(file, get("config")))
    throw Error(where + ": the contents do not have the digest that was written with them: the file is damaged");
}

}  // namespace

fs::path checkpoint_path(const fs::path& output, std::int64_t epoch) {
  return output / "checkpoints" / (kPrefix + std::to_string(epoch) + kSuffix);
}

fs::path named_checkpoint_path(const fs::path& output, const std::string& name) {
  return output / "checkpoints" / (name + kSuffix);
}

void save_checkpoint(const fs::path& file, Backend& backend, const Parameters& parameters, const Progress& progress,
                     const std::string& config, const std::vector<Quantizer::State>& quantizers) {
  nets::TensorFile tensors;
  for_each_tensor(parameters, [&](const std::string& name, const Parameter& parameter, const TensorView& view) {
    tensors.tensors.emplace_back(name, nets::Array::from(parameter.shape, download(backend, view)));
  });
  for (const Quantizer::State& one : quantizers)
    tensors.tensors.emplace_back("quantizer." + one.name, nets::Array::from<double>({1}, std::vector{*one.value}));
  tensors.tensors.emplace_back("progress", nets::Array::from<std::int64_t>(
      {2}, std::vector<std::int64_t>{progress.epoch, static_cast<std::int64_t>(progress.step)}));
  tensors.metadata = {{"config", config}, {"digest", digest(tensors, config)}, {"format", kFormat}};
  nets::write_safetensors(file, tensors);
}

Progress load_checkpoint(const fs::path& file, Backend& backend, Parameters& parameters,
                         const std::vector<Quantizer::State>& quantizers) {
  const std::string where = file.string();
  const nets::TensorFile tensors = nets::read_safetensors(file);
  check_metadata(tensors, where);
  const auto find = [&](const std::string& name, const std::vector<std::int64_t>& shape) -> const nets::Array& {
    const nets::Array* array = nets::find_array(tensors.tensors, name);
    if (array == nullptr) throw Error(where + ": tensor " + name + " is missing: of another network or optimizer");
    if (array->shape != shape) throw Error(where + ": tensor " + name + ": found shape " + array->shape_text() +
                                           ", allowed " + nets::Array::zeros(shape, array->dtype).shape_text());
    return *array;
  };
  std::size_t expected = 1;
  std::vector<std::vector<float>> values;  // all are read before the first is taken over
  for_each_tensor(parameters, [&](const std::string& name, const Parameter& parameter, const TensorView&) {
    values.push_back(find(name, parameter.shape).as<float>(where));
    ++expected;
  });
  std::vector<double> numbers;
  for (const Quantizer::State& one : quantizers) {
    numbers.push_back(find("quantizer." + one.name, {1}).as<double>(where)[0]);
    if (!std::isfinite(numbers.back()))
      throw Error(where + ": tensor quantizer." + one.name + ": found a number that is not finite");
    ++expected;
  }
  const std::vector<std::int64_t> progress = find("progress", {2}).as<std::int64_t>(where);
  if (tensors.tensors.size() != expected)
    throw Error(where + ": found " + std::to_string(tensors.tensors.size()) + " tensors, allowed " +
                std::to_string(expected) + ": of another network or optimizer");
  if (progress[0] < 0 || progress[1] < 0) throw Error(where + ": progress: found a negative number");
  for (std::size_t i = 0; i < numbers.size(); ++i) *quantizers[i].value = numbers[i];
  std::size_t next = 0;
  for_each_tensor(parameters, [&](const std::string&, const Parameter&, const TensorView& view) {
    upload(backend, view, std::span<const float>(values[next++]));
  });
  return {progress[0], static_cast<std::uint64_t>(progress[1])};
}

fs::path find_checkpoint(const fs::path& output, const std::string& load) {
  if (load == "latest") {
    const std::vector<std::int64_t> epochs = list_checkpoints(output);
    if (epochs.empty()) throw Error("load: latest: no checkpoint in " + (output / "checkpoints").string());
    return checkpoint_path(output, epochs.back());
  }
  const auto epoch = number(load);
  const fs::path named = named_checkpoint_path(output, load);
  const fs::path file = epoch ? checkpoint_path(output, *epoch) : fs::is_regular_file(named) ? named : fs::path(load);
  if (!fs::is_regular_file(file)) throw Error("load: " + load + ": there is no file " + file.string());
  return file;
}

void prune_checkpoints(const fs::path& output, std::int64_t keep) {
  const std::vector<std::int64_t> epochs = list_checkpoints(output);
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < epochs.size(); ++i)
    fs::remove(checkpoint_path(output, epochs[i]));
}

}  // namespace guardbit::trainer
