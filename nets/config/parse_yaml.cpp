// YAML text to a configuration tree, through yaml-cpp's event interface: its node tree silently keeps the first of two
// equal keys and loses line numbers on copies.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

#include "nets/config/config.hpp"
#include "nets/config/parse_document.hpp"

namespace guardbit::nets {
namespace {

constexpr std::size_t kMaxNodes = 1'000'000;  // aliases multiply; a few hundred bytes must not become gigabytes

std::size_t count_nodes(const Value& value) {
  std::size_t count = 1;
  if (value.is_list()) {
    for (const Value& item : value.items()) count += count_nodes(item);
  } else if (value.is_map()) {
    for (const auto& entry : value.entries()) count += count_nodes(entry.second);
  }
  return count;
}

/// One entry of a map as written: `a.b: v` has path {a, b}.
struct Written {
  std::vector<std::string> path;
  Mark mark;
  Value value;
};

struct Frame {
  bool is_map = false;
  YAML::anchor_t anchor = YAML::NullAnchor;
  Mark mark;
  std::vector<Value> items;
  std::vector<Written> written;
  std::vector<Value> merged;  // values of `<<`
  std::optional<std::vector<std::string>> key;
  Mark key_mark;
  bool key_is_merge = false;
  std::optional<Mark> merge_mark;  // of the first `<<`
};

class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& file, bool lines) : file_(std::make_shared<const std::string>(file)), lines_(lines) {}

  Value take() {
    if (documents_ == 0) result_.set_mark({file_, lines_ ? 1 : 0});  // an empty file still has a name
    return std::move(result_);
  }
  Mark mark(const YAML::Mark& at) const { return Mark{file_, lines_ ? at.line + 1 : 0}; }
  /// Where the last scalar begins, if it is quoted.
  const std::optional<Mark>& last_quote() const { return last_quote_; }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (++documents_ > 1) fail(mark(at), "a second YAML document, allowed one per file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    if (wants_key()) fail(mark(at), "a null key, allowed text");
    add(Value().set_mark(mark(at)), anchor);
  }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
    if (wants_key()) fail(mark(at), "an alias as a key, allowed text");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark(at), "an alias inside its own anchor");
    add(found->second, YAML::NullAnchor);
  }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    last_quote_ = tag == "!" ? std::optional(mark(at)) : std::nullopt;
    if (wants_key()) return take_key(mark(at), tag, text);
    add(scalar(mark(at), tag, text).set_mark(mark(at)), anchor);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(at, tag, anchor, false, "seq");
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(at, tag, anchor, true, "map");
  }
  void OnMapEnd() override { close(); }

 private:
  [[noreturn]] void fail(const Mark& at, const std::string& found) const {
    throw Error(fmt::format("{}: found {}", at.text(), found));
  }
  bool wants_key() const { return !stack_.empty() && stack_.back().is_map && !stack_.back().key; }

  /// Dot path of the entry being read, for messages.
  std::string where() const {
    std::vector<std::string> path;
    for (const Frame& frame : stack_) {
      if (frame.key) path.insert(path.end(), frame.key->begin(), frame.key->end());
      if (!frame.is_map) path.push_back(std::to_string(frame.items.size()));
    }
    return join_path(path);
  }

  Value scalar(const Mark& at, const std::string& tag, const std::string& text) const {
    if (tag == "?" || tag.empty()) return Value::plain(text);
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return Value::quoted(text);
    if (tag == "!arith") return Value::quoted(text).set_arith(true);
    reject_tag(at, tag);
  }
  [[noreturn]] void reject_tag(const Mark& at, const std::string& tag) const {
    const bool code = tag == "!eval" || tag == "!exec";
    fail(at, fmt::format("tag {}{}, allowed !arith", tag, code ? ", which would run code from a configuration" : ""));
  }

  void take_key(const Mark& at, const std::string& tag, const std::string& text) {
    Frame& frame = stack_.back();
    if (tag != "?" && tag != "!" && !tag.empty()) reject_tag(at, tag);
    frame.key_is_merge = tag == "?" && text == "<<";
    frame.key_mark = at;
    if (frame.key_is_merge && frame.merge_mark) duplicate({text}, at, *frame.merge_mark);
    if (frame.key_is_merge) frame.merge_mark = at;
    std::vector<std::string> path = frame.key_is_merge ? std::vector<std::string>{text} : split_path(text);
    for (const std::string& part : path) {
      if (part.empty())
        fail(at, fmt::format("key '{}' with an empty part, allowed names separated by single dots", text));
    }
    frame.key = std::move(path);
    if (frame.key->front() == "_import" && stack_.size() > 1) {
      fail(at, fmt::format("_import inside {}, allowed at the top of a file only", where()));
    }
  }

  void open(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, bool is_map, const char* core) {
    if (wants_key()) fail(mark(at), "a list or map as a key, allowed text");
    if (tag != "?" && !tag.empty() && tag != std::string("tag:yaml.org,2002:") + core) reject_tag(mark(at), tag);
    Frame& frame = stack_.emplace_back();
    frame.is_map = is_map;
    frame.anchor = anchor;
    frame.mark = mark(at);
  }

  void close() {
    Frame frame = std::move(stack_.back());
    Value value = frame.is_map ? finish_map(frame) : Value::list(std::move(frame.items));
    stack_.pop_back();
    nodes_ -= std::min(nodes_, count_nodes(value) - 1);  // add() counts the whole again
    add(value.set_mark(frame.mark), frame.anchor);
  }

  void add(Value value, YAML::anchor_t anchor) {
    nodes_ += count_nodes(value);
    if (nodes_ > kMaxNodes) fail(value.mark(), fmt::format("more than {} values after aliases", kMaxNodes));
    if (anchor != YAML::NullAnchor) anchors_[anchor] = value;
    if (stack_.empty()) {
      result_ = std::move(value);
      return;
    }
    Frame& frame = stack_.back();
    if (!frame.is_map) {
      frame.items.push_back(std::move(value));
    } else {
      add_entry(frame, std::move(value));
      frame.key.reset();
    }
  }

  void add_entry(Frame& frame, Value value) {
    if (!frame.key_is_merge) {
      frame.written.push_back({*frame.key, frame.key_mark, std::move(value)});
      return;
    }
    std::vector<Value> maps = value.is_list() ? value.items() : std::vector<Value>{value};
    for (Value& map : maps) {
      if (!map.is_map())
        fail(frame.key_mark, fmt::format("<< of {}, allowed a map or a list of maps", name_of(map.kind())));
      frame.merged.push_back(std::move(map));
    }
  }

  Value finish_map(const Frame& frame) {
    Value own = Value::map();
    std::map<std::vector<std::string>, Mark> seen;
    for (const Written& written : frame.written) {
      if (const auto [first, fresh] = seen.emplace(written.path, written.mark); !fresh) {
        duplicate(written.path, written.mark, first->second);
      }
      insert(own, written);
    }
    if (frame.merged.empty()) return own;
    Value all = Value::map();
    for (const Value& map : frame.merged) {
      for (const auto& [key, value] : map.entries()) {
        if (all.find(key) == nullptr) all.set(key, value);  // of several << maps, the first wins
      }
    }
    // A key replaces what << brought; a dot path changes only the value it names.
    for (const Written& written : frame.written) {
      if (written.path.size() == 1) all.set(written.path[0], *own.find(written.path[0]));
    }
    for (const Written& written : frame.written) {
      if (written.path.size() > 1) merge_at(all, join_path(written.path), written.value);
    }
    return all;
  }

  [[noreturn]] void duplicate(std::vector<std::string> path, const Mark& at, const Mark& first) const {
    const std::string outer = where();
    throw Error(fmt::format("{}: {}{}{}: duplicate key, first at {}", at.text(), outer, outer.empty() ? "" : ".",
                            join_path(path), first.text()));
  }

  /// Adds one entry to a map; two entries of one map may meet in a common map, never on one value.
  void insert(Value& map, const Written& written) const {
    Value* place = &map;
    for (std::size_t i = 0; i < written.path.size(); ++i) {
      Value* next = place->find(written.path[i]);
      const bool last = i + 1 == written.path.size();
      if (next == nullptr) {
        place = &place->set(written.path[i], last ? written.value : Value::map().set_mark(written.mark));
        continue;
      }
      if (!next->is_map()) duplicate(written.path, written.mark, next->mark());
      place = next;
      if (!last) continue;
      if (!written.value.is_map()) duplicate(written.path, written.mark, next->mark());
      for (const auto& [key, value] : written.value.entries()) {
        Written below{written.path, value.mark(), value};
        below.path.push_back(key);
        insert(map, below);
      }
    }
  }
  std::shared_ptr<const std::string> file_;
  bool lines_;
  Value result_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
  std::optional<Mark> last_quote_;
};

void parse_into(Builder& builder, const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  while (parser.HandleNextDocument(builder)) {
  }
}

/// yaml-cpp 0.7 lets an open quote end where the text ends in a line break or in the quote itself. So the text is parsed
/// once more, ending in a comment, if a quoted scalar comes last: an open quote would swallow the comment and fail.
void check_quote_ends(const Builder& parsed, const std::string& text, const std::string& file_name, bool lines) {
  if (!parsed.last_quote()) return;
  Builder again(file_name, lines);
  try {
    parse_into(again, text.substr(0, text.find_last_not_of(" \t\r\n") + 1) + " #");
  } catch (const YAML::Exception&) {
    throw Error(fmt::format("{}: not YAML: a quote that does not end", parsed.last_quote()->text()));
  }
}

}  // namespace

Value parse_document(const std::string& text, const std::string& file_name, bool lines) {
  Builder builder(file_name, lines);
  try {
    parse_into(builder, text);
    check_quote_ends(builder, text, file_name, lines);
  } catch (const YAML::Exception& error) {
    const std::string place = error.mark.is_null() ? file_name : builder.mark(error.mark).text();
    throw Error(fmt::format("{}: not YAML: {}", place, error.msg));
  }
  return builder.take();
}

}  // namespace guardbit::nets
