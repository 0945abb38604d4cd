// A file of JSON lines, one per epoch, written whole after each.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace guardbit::trainer {

class EpochLog {
 public:
  /// After a resume the lines of later epochs go.
  EpochLog(std::filesystem::path file, std::int64_t epochs_done);
  void add(const nlohmann::json& line);
  [[nodiscard]] const std::vector<nlohmann::json>& lines() const { return lines_; }

 private:
  std::filesystem::path file_;
  std::string text_;
  std::vector<nlohmann::json> lines_;
};

/// log.jsonl and timing.jsonl as a TensorBoard event file: learning_rate, loss/train, top1/train, loss/test, top1/test,
/// top5/test, images_per_second; a step is an epoch, the wall time is that of the training so far.
void write_event_file(const std::filesystem::path& file, const EpochLog& log, const EpochLog& timing);

}  // namespace guardbit::trainer
