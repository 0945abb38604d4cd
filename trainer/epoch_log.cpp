#include "trainer/epoch_log.hpp"

#include <sstream>

#include "nets/io/file.hpp"
#include "trainer/event_file.hpp"

namespace guardbit::trainer {

EpochLog::EpochLog(std::filesystem::path file, std::int64_t epochs_done) : file_(std::move(file)) {
  if (epochs_done == 0 || !std::filesystem::exists(file_)) return;
  const nets::Bytes bytes = nets::read_file(file_);
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  for (std::string line; std::getline(text, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number_integer()) continue;
    if (json["epoch"].get<std::int64_t>() > epochs_done) continue;
    text_ += line + "\n";
    lines_.push_back(json);
  }
}

void EpochLog::add(const nlohmann::json& line) {
  text_ += line.dump() + "\n";
  lines_.push_back(line);
  nets::atomic_write(file_, text_);
}

namespace {

void add_scalars(const nlohmann::json& line, std::initializer_list<std::pair<const char*, const char*>> names,
                 ScalarEvent& event) {
  for (const auto& [key, tag] : names)
    if (line.contains(key) && line[key].is_number()) event.scalars.emplace_back(tag, line[key].get<float>());
}

}  // namespace

void write_event_file(const std::filesystem::path& file, const EpochLog& log, const EpochLog& timing) {
  std::vector<ScalarEvent> events;
  double seconds = 0;
  for (const nlohmann::json& line : log.lines()) {
    ScalarEvent& event = events.emplace_back();
    event.step = line["epoch"].get<std::int64_t>();
    add_scalars(line, {{"learning_rate", "learning_rate"}, {"loss", "loss/train"}, {"train_top1", "top1/train"},
                       {"test_loss", "loss/test"}, {"test_top1", "top1/test"}, {"test_top5", "top5/test"}}, event);
    for (const nlohmann::json& time : timing.lines()) {
      if (time["epoch"] != line["epoch"]) continue;
      add_scalars(time, {{"images_per_second", "images_per_second"}}, event);
      if (time.contains("seconds") && time["seconds"].is_number()) seconds += time["seconds"].get<double>();
    }
    event.wall_time = seconds;
  }
  nets::atomic_write(file, event_file(events));
}

}  // namespace guardbit::trainer
