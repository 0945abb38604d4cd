#include "trainer/progress_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace guardbit::trainer {

ProgressLine::ProgressLine(std::FILE* out, std::int64_t epochs, std::int64_t images_per_epoch)
    : out_(out), terminal_(out != nullptr && isatty(fileno(out)) != 0), epochs_(epochs),
      images_per_epoch_(images_per_epoch) {}

void ProgressLine::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  images_ = 0;
  begin_ = shown_ = Clock::now();
}

void ProgressLine::update(std::int64_t images, double loss, double accuracy) {
  images_ = images;
  if (!terminal_) return;
  const Clock::time_point now = Clock::now();
  if (now - shown_ < std::chrono::milliseconds(200)) return;
  shown_ = now;
  const double rate = static_cast<double>(images) / std::chrono::duration<double>(now - begin_).count();
  const auto left = static_cast<double>((epochs_ - epoch_ + 1) * images_per_epoch_ - images) / rate;
  fmt::print(out_, "\r\x1b[Kepoch {}/{}  {:3.0f} %  {:.0f} images/s  loss {:.4f}  accuracy {:.2f} %  {:.0f} s left",
             epoch_, epochs_, 100.0 * static_cast<double>(images) / static_cast<double>(images_per_epoch_), rate, loss,
             100 * accuracy, left);
  std::fflush(out_);
}

double ProgressLine::stop() {
  rate_ = static_cast<double>(images_) / std::chrono::duration<double>(Clock::now() - begin_).count();
  return rate_;
}

void ProgressLine::end_epoch(const EpochReport& report) {
  if (out_ == nullptr) return;
  const std::string test = report.test_accuracy < 0 ? "" : fmt::format("  test {:.2f} %", 100 * report.test_accuracy);
  fmt::print(out_, "{}epoch {}/{}  loss {:.4f}  train {:.2f} %{}  rate {:.2e}  {:.0f} images/s\n",
             terminal_ ? "\r\x1b[K" : "", report.epoch, epochs_, report.loss, 100 * report.train_accuracy, test,
             report.learning_rate, rate_);
  std::fflush(out_);
}

}  // namespace guardbit::trainer
