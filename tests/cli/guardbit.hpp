// Runs the built executable and looks at what a user sees: exit code, standard output, standard error, files.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace guardbit::tests {

struct Outcome {
  int code = -1;  // exit code; 128 + signal when killed
  std::string out, err;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string quoted(const std::string& argument) {
  std::string text = "'";
  for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// A folder of its own under the system's temporary folder, removed at the end.
class Workplace {
 public:
  explicit Workplace(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("guardbit-cli-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  [[nodiscard]] Outcome guardbit(const std::vector<std::string>& arguments) const {
    std::string command = quoted(GUARDBIT_EXECUTABLE);
    for (const std::string& argument : arguments) command += " " + quoted(argument);
    command += " >" + quoted(*this / ".out") + " 2>" + quoted(*this / ".err") + " </dev/null";
    const int status = std::system(command.c_str());
    Outcome outcome{.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                    .out = read_text(path_ / ".out"), .err = read_text(path_ / ".err")};
    return outcome;
  }

  [[nodiscard]] nlohmann::json json(const std::string& name) const {
    return nlohmann::json::parse(read_text(path_ / name));
  }

 private:
  std::filesystem::path path_;
};

// In the source tree.
inline std::string source(const std::string& path) { return std::string(GUARDBIT_SOURCE) + "/" + path; }

}  // namespace guardbit::tests
