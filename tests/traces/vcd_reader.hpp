// Reads value change dumps, knowing only IEEE 1364-2005 clause 18: a second opinion on the writer.
#pragma once

#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace guardbit::tests {

struct Vcd {
  struct Signal {
    int width = 0;
    std::map<std::uint64_t, std::string> changes;  // full width, most significant bit first
  };
  std::map<std::string, Signal> signals;  // by path: "array.pe_0_1.sum"
  std::string timescale;
  std::uint64_t end = 0;  // the last time in the file

  // The signal's bits as a number, at a time.
  [[nodiscard]] std::int64_t value(const std::string& path, std::uint64_t time, bool is_signed = true) const {
    const Signal& signal = signals.at(path);
    auto next = signal.changes.upper_bound(time);
    if (next == signal.changes.begin()) throw std::runtime_error("no value of " + path);
    const std::string& bits = std::prev(next)->second;
    std::uint64_t number = 0;
    for (const char bit : bits) {
      if (bit != '0' && bit != '1') throw std::runtime_error(path + " is unknown");
      number = 2 * number + (bit == '1' ? 1 : 0);
    }
    if (is_signed && bits[0] == '1' && bits.size() < 64) number -= std::uint64_t{1} << bits.size();
    return static_cast<std::int64_t>(number);
  }
};

inline Vcd read_vcd(const std::string& text) {
  Vcd vcd;
  std::map<std::string, std::vector<std::string>> paths;  // of an identifier code
  std::vector<std::string> scopes;
  std::istringstream in(text);
  std::string word;
  const auto until_end = [&] {
    std::string all, part;
    while (in >> part && part != "$end") all += (all.empty() ? "" : " ") + part;
    return all;
  };
  const auto change = [&](const std::string& code, std::string bits) {
    for (const std::string& path : paths.at(code)) {
      Vcd::Signal& signal = vcd.signals.at(path);
      const char fill = bits[0] == '1' ? '0' : bits[0];  // 18.2.1: extended with 0, or with x or z
      if (static_cast<int>(bits.size()) > signal.width) throw std::runtime_error("too many bits for " + path);
      signal.changes[vcd.end] = std::string(static_cast<std::size_t>(signal.width) - bits.size(), fill) + bits;
    }
  };
  while (in >> word) {
    if (word == "$scope") {
      in >> word >> word;
      scopes.push_back(word);
      until_end();
    } else if (word == "$upscope") {
      scopes.pop_back();
      until_end();
    } else if (word == "$var") {
      std::string type, code, name;
      int width = 0;
      in >> type >> width >> code >> name;
      until_end();
      std::string path;
      for (const std::string& scope : scopes) path += scope + ".";
      paths[code].push_back(path + name);
      vcd.signals[path + name].width = width;
    } else if (word == "$timescale") {
      vcd.timescale = until_end();
    } else if (word == "$dumpvars" || word == "$end") {
      continue;
    } else if (word[0] == '$') {
      until_end();
    } else if (word[0] == '#') {
      const std::uint64_t time = std::stoull(word.substr(1));
      if (time < vcd.end) throw std::runtime_error("time goes back");
      vcd.end = time;
    } else if (word[0] == 'b') {
      const std::string bits = word.substr(1);
      in >> word;
      change(word, bits);
    } else {
      change(word.substr(1), word.substr(0, 1));
    }
  }
  if (!scopes.empty()) throw std::runtime_error("a scope is open");
  return vcd;
}

}  // namespace guardbit::tests
