// What every command starts from: the merged configuration, where the network comes from, and the common keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "nets/config/section.hpp"

namespace guardbit::cli {

// A network on the command line: YAML files alone, or the last folder that was named.
enum class Source : unsigned char { Yaml, RunFolder, Bundle };

class Session {
 public:
  // Merges the tokens left to right. Of a folder's remembered configuration, the keys of a single call (output, json,
  // samples, ...) are left out.
  explicit Session(const Invocation& invocation);

  [[nodiscard]] const nets::Value& config() const { return config_; }
  [[nodiscard]] const nets::Section& root() const { return *root_; }
  [[nodiscard]] Source source() const { return source_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }  // of a run folder or bundle

  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] std::optional<std::filesystem::path> output() const { return output_; }
  [[nodiscard]] std::filesystem::path required_output() const;

  // Every key was read that the command reads: keys of other commands are let pass, unknown ones are an Error.
  void finish() const;

  // Throws unless the network is a bundle.
  const std::filesystem::path& required_bundle() const;

  // Writes the result where --json says; nothing without it.
  void write_json(const nlohmann::json& result) const;

 private:
  void take(const std::string& token);
  void take_folder(const std::filesystem::path& folder);

  const Command& command_;
  nets::Value config_ = nets::Value::map();
  std::optional<nets::Section> root_;
  Source source_ = Source::Yaml;
  std::filesystem::path folder_;
  int threads_ = 1;
  std::uint64_t seed_ = 1;
  std::optional<std::filesystem::path> output_, json_;
};

}  // namespace guardbit::cli
