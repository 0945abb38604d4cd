// References: $(a.b) from the root, $(.x) from the map the text stands in; and !arith.
#include <fmt/format.h>

#include <algorithm>

#include "nets/config/arith_expression.hpp"
#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

using Path = std::vector<std::string>;

constexpr std::size_t kMaxNodes = 1'000'000;  // references multiply, as aliases do
constexpr std::size_t kMaxDepth = 200;

/// One "$(...)" of a text.
struct Placeholder {
  std::size_t begin = 0;
  std::size_t end = 0;  // past the closing parenthesis
  std::string name;
};

class Resolver {
 public:
  explicit Resolver(const Value& root) : root_(root) {}

  Resolved resolve(const Path& asked, bool deep) {
    const Path path = follow(asked, nullptr, "");
    const Value& node = raw(path);
    const Depth guard(*this, node);
    if (++nodes_ > kMaxNodes)
      throw Error(fmt::format("{}: more than {} values after references", node.mark().text(), kMaxNodes));
    if (node.is_map()) return {deep ? map(node, path) : node, path};
    if (node.is_list()) return {list(node, path), path};
    if (node.kind() != Kind::Text) return {node, path};
    return text(node, path);
  }

 private:
  struct Depth {
    Depth(Resolver& owner, const Value& node) : resolver(owner) {
      if (++resolver.depth_ > kMaxDepth) throw Error(node.mark().text() + ": found references nested too deeply");
    }
    ~Depth() { --resolver.depth_; }
    Resolver& resolver;
  };

  const Value& raw(const Path& path) const {
    const Value* node = &root_;
    for (const std::string& key : path) node = node->child(key);
    return *node;
  }

  [[noreturn]] static void missing(const Value* user, const std::string& placeholder, const Path& path) {
    if (user == nullptr) throw Error(fmt::format("configuration: {}: missing", join_path(path)));
    throw Error(fmt::format("{}: found {}, but {} does not exist", user->mark().text(), placeholder, join_path(path)));
  }

  /// Where `asked` really stands: whole-string references met on the way, and at the end, are followed. `user` is the
  /// value that holds `placeholder`, for messages.
  Path follow(const Path& asked, const Value* user, const std::string& placeholder) {
    Path path = jump({});
    for (const std::string& key : asked) {
      if (raw(path).child(key) == nullptr) missing(user, placeholder, asked);
      path.push_back(key);
      path = jump(std::move(path));
    }
    return path;
  }

  /// If the node is nothing but one reference, the path it leads to.
  Path jump(Path path) {
    const Value& node = raw(path);
    if (node.kind() != Kind::Text || node.is_arith()) return path;
    const auto placeholders = find_placeholders(node);
    if (placeholders.size() != 1 || placeholders[0].begin != 0 || placeholders[0].end != node.text().size())
      return path;
    const Active guard(*this, path, node);
    return follow(target(placeholders[0], path), &node, node.text());
  }

  /// Marks a path as being resolved, to find cycles.
  struct Active {
    Active(Resolver& owner, const Path& path, const Value& node) : resolver(owner) {
      auto& active = resolver.active_;
      if (auto step = std::find(active.begin(), active.end(), path); step != active.end()) {
        std::string chain;
        for (; step != active.end(); ++step) chain += join_path(*step) + " -> ";
        throw Error(fmt::format("{}: reference cycle: {}{}", node.mark().text(), chain, join_path(path)));
      }
      active.push_back(path);
    }
    ~Active() { resolver.active_.pop_back(); }
    Resolver& resolver;
  };

  static std::vector<Placeholder> find_placeholders(const Value& node) {
    const std::string& text = node.text();
    std::vector<Placeholder> found;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
      if (text[i] == '$' && text.compare(i, 3, "$$(") == 0) {
        i += 2;
      } else if (text[i] == '$' && text[i + 1] == '(') {
        const std::size_t close = text.find(')', i);
        if (close == std::string::npos || close == i + 2) {
          throw Error(fmt::format("{}: found '{}', allowed $(path)", node.mark().text(), text));
        }
        found.push_back({i, close + 1, text.substr(i + 2, close - i - 2)});
        i = close;
      }
    }
    return found;
  }

  /// Absolute path of a placeholder that stands at `path`.
  Path target(const Placeholder& placeholder, const Path& path) const {
    if (placeholder.name[0] != '.') return split_path(placeholder.name);
    Path base = path;
    while (!base.empty()) {
      base.pop_back();
      if (raw(base).is_map()) break;
    }
    const Path rest = split_path(std::string_view(placeholder.name).substr(1));
    base.insert(base.end(), rest.begin(), rest.end());
    return base;
  }

  Value map(const Value& node, const Path& path) {
    Value result = Value::map().set_mark(node.mark());
    for (const auto& [key, value] : node.entries()) {
      result.entries().emplace_back(key, key.starts_with('_') ? value : child(path, key));
    }
    return result;
  }
  Value list(const Value& node, const Path& path) {
    Value result = Value::list().set_mark(node.mark());
    for (std::size_t i = 0; i < node.items().size(); ++i) result.items().push_back(child(path, std::to_string(i)));
    return result;
  }
  Value child(const Path& path, const std::string& key) {
    // A container that refers to something containing itself would never end.
    const Active guard(*this, path, raw(path));
    Path below = path;
    below.push_back(key);
    return resolve(below, true).value;
  }

  Resolved text(const Value& node, const Path& path) {
    const auto placeholders = find_placeholders(node);
    const std::string& source = node.text();
    const bool escaped = source.find("$$(") != std::string::npos;
    if (placeholders.empty() && !escaped && !node.is_arith()) return {node, path};
    const Active guard(*this, path, node);
    std::string result;
    std::size_t from = 0;
    for (const Placeholder& placeholder : placeholders) {
      result += unescape(source.substr(from, placeholder.begin - from));
      result += substitute(node, placeholder, path);
      from = placeholder.end;
    }
    result += unescape(source.substr(from));
    Value value = node.is_arith() ? evaluate_arith(result, node.mark().text()) : Value::quoted(result);
    return {value.set_mark(node.mark()), path};
  }

  static std::string unescape(std::string text) {
    for (std::size_t at = text.find("$$("); at != std::string::npos; at = text.find("$$(", at + 1)) text.erase(at, 1);
    return text;
  }

  std::string substitute(const Value& node, const Placeholder& placeholder, const Path& path) {
    const std::string shown = "$(" + placeholder.name + ")";
    const Path real = follow(target(placeholder, path), &node, shown);
    const Value value = resolve(real, false).value;
    if (!value.is_scalar()) {
      throw Error(fmt::format("{}: found {} inside text, where it is {}; allowed a scalar", node.mark().text(), shown,
                              name_of(value.kind())));
    }
    return value.text();
  }

  const Value& root_;
  std::vector<Path> active_;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Resolved resolve_at(const Value& root, const std::vector<std::string>& path, bool deep) {
  return Resolver(root).resolve(path, deep);
}

Value resolve(const Value& root) { return resolve_at(root, {}).value; }

}  // namespace guardbit::nets
