#include "cli/recordings.hpp"

#include <fmt/format.h>

#include <vector>

#include "arith/error.hpp"
#include "cli/text.hpp"
#include "nets/io/file.hpp"

namespace guardbit::cli {
namespace {

constexpr std::int64_t kMostWaveformCycles = 100'000;  // 16x16 PEs: about 0.9 GB

// The layer to record, by name.
int find_layer(const nets::IntegerNetwork& network, const std::string& name) {
  std::vector<std::string> weighted;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    if (!network.layers[i].weighted()) continue;
    if (network.layers[i].name == name) return static_cast<int>(i);
    weighted.push_back(network.layers[i].name);
  }
  throw Error(fmt::format("layer: found {}{}, allowed {}", name, did_you_mean(name, weighted), join(weighted)));
}

}  // namespace

// Several observers behind one.
class Recordings::FanOut : public sim::Observer {
 public:
  void add(sim::Observer* observer) { observers_.push_back(observer); }
  [[nodiscard]] bool empty() const { return observers_.empty(); }

  void begin_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t cycle) override {
    for (sim::Observer* one : observers_) one->begin_layer(image, program, cycle);
  }
  void end_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t cycle) override {
    for (sim::Observer* one : observers_) one->end_layer(image, program, cycle);
  }
  void begin_command(const sim::Command& command, int index, std::uint64_t cycle) override {
    for (sim::Observer* one : observers_) one->begin_command(command, index, cycle);
  }
  void end_command(const sim::Command& command, int index, std::uint64_t cycle) override {
    for (sim::Observer* one : observers_) one->end_command(command, index, cycle);
  }
  void fold(const sim::FoldValues& values) override {
    for (sim::Observer* one : observers_) one->fold(values);
  }
  [[nodiscard]] bool wants_array_state() const override {
    for (const sim::Observer* one : observers_) {
      if (one->wants_array_state()) return true;
    }
    return false;
  }
  void array_state(const sim::ArrayState& state, std::uint64_t cycle) override {
    for (sim::Observer* one : observers_) {
      if (one->wants_array_state()) one->array_state(state, cycle);
    }
  }

 private:
  std::vector<sim::Observer*> observers_;
};

Recordings::Recordings(const Session& session, const std::string& engine, const nets::IntegerNetwork& network,
                       const sim::Machine& machine)
    : fan_out_(std::make_unique<FanOut>()) {
  const nets::Section& root = session.root();
  if (root.has("timeline")) {
    timeline_file_ = root.text("timeline", {}, "a file to write");
    timeline_ = std::make_unique<traces::Timeline>(network, machine);
    fan_out_->add(timeline_.get());
  }
  traces::WaveformOptions options;
  options.cycles = root.integer("waveform_cycles", 1, kMostWaveformCycles, options.cycles);
  if (root.has("layer")) options.layer = find_layer(network, root.text("layer", {}, "the name of a weighted layer"));
  if (root.has("waveform")) {
    waveform_file_ = root.text("waveform", {}, "a file to write");
    if (engine != "pe") {
      throw Error(fmt::format("waveform: found engine {}, allowed engine=pe, the one that has wires", engine));
    }
    waveform_ = std::make_unique<traces::Waveform>(machine, options);
    fan_out_->add(waveform_.get());
  }
}

Recordings::~Recordings() = default;

sim::Observer* Recordings::observer() { return fan_out_->empty() ? nullptr : fan_out_.get(); }

std::string Recordings::write() {
  std::string text;
  if (timeline_) {
    nets::atomic_write(*timeline_file_, std::string_view(timeline_->json()));
    text += fmt::format("timeline: {}; open it in ui.perfetto.dev\n", timeline_file_->string());
  }
  if (waveform_) {
    nets::atomic_write(*waveform_file_, std::string_view(waveform_->vcd()));
    text += fmt::format("waveform: {}, {} clock edges of the array\n", waveform_file_->string(),
                        grouped(waveform_->recorded()));
  }
  return text;
}

}  // namespace guardbit::cli
