#include "cli/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "arith/error.hpp"
#include "cli/keys.hpp"
#include "nets/io/file.hpp"
#include "nets/quantize/bundle.hpp"

namespace guardbit::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxThreads = 1024;

bool has_yaml_name(const fs::path& path) { return path.extension() == ".yaml" || path.extension() == ".yml"; }

int all_cores() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads); }

std::optional<fs::path> optional_path(const nets::Section& root, const char* key) {
  if (!root.has(key)) return std::nullopt;
  return fs::path(root.text(key, {}, "a path"));
}

}  // namespace

Session::Session(const Invocation& invocation) : command_(*invocation.command) {
  for (const std::string& token : invocation.tokens) take(token);
  root_.emplace(config_);
  const auto threads = static_cast<int>(root_->integer("threads", 0, kMaxThreads, 0));
  threads_ = threads == 0 ? all_cores() : threads;
  seed_ = static_cast<std::uint64_t>(root_->integer("seed", 0, INT64_MAX, 1));
  output_ = optional_path(*root_, "output");
  json_ = optional_path(*root_, "json");
}

void Session::take(const std::string& token) {
  if (nets::is_override(token)) {
    merge(config_, nets::parse_override(token));
    return;
  }
  const fs::path path(token);
  if (fs::is_directory(path)) {
    take_folder(path);
  } else if (has_yaml_name(path)) {
    merge(config_, nets::load_yaml(path));
  } else {
    throw Error(fmt::format("{}: found {}, allowed a .yaml file, a run folder, a bundle or key.path=value", token,
                            fs::exists(path) ? "a file that is none of these" : "no such file or folder"));
  }
}

void Session::take_folder(const fs::path& folder) {
  if (fs::exists(folder / "topology.yaml")) {
    merge(config_, nets::load_yaml(folder / "topology.yaml"));
    if (fs::exists(folder / "machine.yaml")) merge(config_, nets::load_yaml(folder / "machine.yaml"));
    return;
  }
  const bool bundle = nets::is_bundle(folder);
  if (!bundle && !fs::exists(folder / "config.yaml")) {
    throw Error(fmt::format("{}: found neither net.yaml nor config.yaml nor topology.yaml, allowed a bundle, "
                            "a run folder or an imported topology",
                            folder.string()));
  }
  nets::Value remembered = bundle ? nets::load_bundle_config(folder) : nets::load_yaml(folder / "config.yaml");
  for (const Key& key : all_keys()) {
    if (key.momentary && remembered.is_map()) remembered.erase(key.name);
  }
  merge(config_, remembered);
  source_ = bundle ? Source::Bundle : Source::RunFolder;
  folder_ = folder;
}

fs::path Session::required_output() const {
  if (!output_) throw Error("command line: output: found nothing, allowed a folder to write (-o DIR)");
  return *output_;
}

const fs::path& Session::required_bundle() const {
  if (source_ != Source::Bundle) {
    throw Error(fmt::format("command line: {}: found no bundle, allowed a folder that `guardbit quantize` wrote",
                            command_.name));
  }
  return folder_;
}

void Session::finish() const {
  // A key may belong to another command, or to another kind of network than the one at hand; sections that were opened
  // are still checked for what nobody read in them.
  for (const Key& key : all_keys()) root_->ignore(key.name);
  // Networks read a part of `dataset`; the rest of it is let pass where no images are read, wrong names are not.
  if (root_->has("dataset")) {
    const nets::Section dataset = root_->section("dataset");
    for (const char* key : {"name", "path", "seed", "train_size", "test_size", "shape", "classes", "holdout",
                            "cache", "preprocess"}) {
      dataset.ignore(key);
    }
  }
  root_->done();
}

void Session::write_json(const nlohmann::json& result) const {
  if (json_) nets::atomic_write(*json_, std::string_view(result.dump(2) + '\n'));
}

}  // namespace guardbit::cli
