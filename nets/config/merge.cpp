// Dot paths, merging, and loading of files and overrides.
#include <fmt/format.h>

#include <algorithm>

#include "nets/config/config.hpp"
#include "nets/config/parse_document.hpp"
#include "nets/io/file.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxConfigBytes = 64u << 20;

bool is_index(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void merge_list(Value& base, const Value& over) {
  const std::size_t count = base.items().size();
  for (const auto& [key, value] : over.entries()) {
    const bool inside = base.child(key) != nullptr;
    if (!inside) {
      throw Error(fmt::format("{}: found index {}, allowed 0 to {} (the list at {})", value.mark().text(), key,
                              static_cast<std::int64_t>(count) - 1, base.mark().text()));
    }
    merge(base.items()[std::stoul(key)], value);
  }
}

std::vector<std::string> import_list(const Value& value) {
  std::vector<std::string> paths;
  for (const Value& item : value.is_list() ? value.items() : std::vector<Value>{value}) {
    if (item.kind() != Kind::Text) {
      throw Error(fmt::format("{}: _import: found {}, allowed a file name or a list of them", item.mark().text(),
                              name_of(item.kind())));
    }
    paths.push_back(item.text());
  }
  return paths;
}

Value load_file(const fs::path& path, std::vector<fs::path>& open) {
  const fs::path canonical = fs::weakly_canonical(path);
  if (std::find(open.begin(), open.end(), canonical) != open.end()) {
    std::string chain;
    for (const fs::path& file : open) chain += file.filename().string() + " -> ";
    throw Error(fmt::format("{}: imports itself: {}{}", path.string(), chain, canonical.filename().string()));
  }
  const auto bytes = read_file(path, kMaxConfigBytes);
  Value own = parse_document(std::string(bytes.begin(), bytes.end()), path.string());
  const Mark start{std::make_shared<const std::string>(path.string()), 1};
  if (own.is_null()) own = Value::map().set_mark(start);
  if (!own.is_map()) throw Error(fmt::format("{}: found {}, allowed a map", own.mark().text(), name_of(own.kind())));
  const Value* imports = own.find("_import");
  if (imports == nullptr) return own;
  open.push_back(canonical);
  Value all = Value::map().set_mark(own.mark());
  for (const std::string& name : import_list(*imports)) {
    const fs::path file = (path.parent_path() / name).lexically_normal();
    if (!fs::is_regular_file(file)) {
      throw Error(fmt::format("{}: _import: found {}, which is not a file", imports->mark().text(), file.string()));
    }
    merge(all, load_file(file, open));
  }
  open.pop_back();
  own.erase("_import");
  merge(all, own);
  return all;
}

}  // namespace

std::vector<std::string> split_path(std::string_view dot_path) {
  std::vector<std::string> path;
  if (dot_path.empty()) return path;
  path.emplace_back();
  for (std::size_t i = 0; i < dot_path.size(); ++i) {
    const char c = dot_path[i];
    const bool escape = c == '\\' && i + 1 < dot_path.size() && (dot_path[i + 1] == '.' || dot_path[i + 1] == '\\');
    if (escape) {
      path.back() += dot_path[++i];
    } else if (c == '.') {
      path.emplace_back();
    } else {
      path.back() += c;
    }
  }
  return path;
}

std::string join_path(std::span<const std::string> path) {
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i > 0) text += '.';
    for (const char c : path[i]) {
      if (c == '.' || c == '\\') text += '\\';
      text += c;
    }
  }
  return text;
}

void merge(Value& base, const Value& over) {
  if (base.is_map() && over.is_map()) {
    for (const auto& [key, value] : over.entries()) {
      if (Value* old = base.find(key)) {
        merge(*old, value);
      } else {
        base.set(key, value);
      }
    }
    return;
  }
  const bool indexes = base.is_list() && over.is_map() && !over.entries().empty() &&
                       std::all_of(over.entries().begin(), over.entries().end(),
                                   [](const Value::Entry& entry) { return is_index(entry.first); });
  if (indexes) {
    merge_list(base, over);
  } else {
    base = over;
  }
}

void merge_at(Value& base, std::string_view dot_path, const Value& over) {
  std::vector<std::string> path = split_path(dot_path);
  Value wrapped = over;
  for (auto key = path.rbegin(); key != path.rend(); ++key) {
    const Mark mark = wrapped.mark();
    wrapped = Value::map({{std::move(*key), std::move(wrapped)}}).set_mark(mark);
  }
  merge(base, wrapped);
}

Value parse_yaml(const std::string& text, const std::string& file_name) {
  Value value = parse_document(text, file_name);
  if (const Value* imports = value.find("_import")) {
    throw Error(fmt::format("{}: found _import, allowed in files only", imports->mark().text()));
  }
  return value;
}

Value load_yaml(const std::filesystem::path& path) {
  std::vector<fs::path> open;
  return load_file(path, open);
}

bool is_override(std::string_view token) {
  const std::size_t equals = token.find('=');
  return equals != std::string_view::npos && token.substr(0, equals).find('/') == std::string_view::npos;
}

Value parse_override(const std::string& token) {
  const std::size_t equals = token.find('=');
  const std::string key = token.substr(0, equals);
  const std::vector<std::string> path = split_path(key);
  const bool broken = path.empty() || std::find(path.begin(), path.end(), "") != path.end();
  if (equals == std::string::npos || broken) {
    throw Error(fmt::format("command line: found '{}', allowed key.path=value", token));
  }
  static const std::string kSource = "command line";
  Value value;
  try {
    value = parse_document(token.substr(equals + 1), kSource, false);
  } catch (const Error& error) {
    const std::string message = error.what();  // "command line: ...", which should also name the key
    throw Error(fmt::format("{}: {}{}", kSource, key, message.substr(kSource.size())));
  }
  Value tree = Value::map().set_mark(value.mark());
  merge_at(tree, key, value);
  return tree;
}

Value load_config(std::span<const std::string> tokens) {
  Value config = Value::map();
  for (const std::string& token : tokens) {
    const Value next = is_override(token) ? parse_override(token) : load_yaml(token);
    if (config.entries().empty()) config.set_mark(next.mark());
    merge(config, next);
  }
  return config;
}

}  // namespace guardbit::nets
