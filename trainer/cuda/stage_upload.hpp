// Requantize stages on their way to a device.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "arith/stages.hpp"
#include "trainer/cuda/bodies_stages.hpp"
#include "trainer/cuda/queue.hpp"
#include "trainer/cuda/workspace.hpp"

namespace guardbit::trainer::cuda {

/// Lists of stages as one array of DeviceStages and one of numbers.
class StageNumbers {
 public:
  void add(const arith::StageList& list) {
    for (const arith::Stage& stage : list) std::visit([this](const auto& one) { add(one); }, stage);
    ends_.push_back(static_cast<int>(stages_.size()));
  }
  [[nodiscard]] const std::vector<DeviceStage>& stages() const { return stages_; }
  [[nodiscard]] const std::vector<std::int64_t>& numbers() const { return numbers_; }
  [[nodiscard]] const std::vector<int>& ends() const { return ends_; }  // of the lists

 private:
  DeviceStage& push(DeviceStage::Kind kind, std::span<const std::int64_t> numbers) {
    DeviceStage stage;
    stage.kind = kind;
    stage.first = static_cast<std::int32_t>(numbers_.size());
    stage.stride = numbers.size() > 1 ? 1 : 0;
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
    stages_.push_back(stage);
    return stages_.back();
  }
  DeviceStage& push(DeviceStage::Kind kind) {
    constexpr std::int64_t kNothing = 0;
    return push(kind, std::span(&kNothing, 1));
  }
  void add(const arith::Add& s) { push(DeviceStage::Kind::Add, s.value.values); }
  void add(const arith::Subtract& s) { push(DeviceStage::Kind::Subtract, s.value.values); }
  void add(const arith::ShiftLeft& s) { push(DeviceStage::Kind::ShiftLeft, s.bits.values); }
  void add(const arith::Multiply& s) {
    DeviceStage& stage = push(DeviceStage::Kind::Multiply, s.value.values);
    stage.narrows = s.format.has_value();
    if (s.format) stage.format = *s.format;
  }
  void add(const arith::ShiftRight& s) { push(DeviceStage::Kind::ShiftRight, s.bits.values).rounding = s.rounding; }
  void add(const arith::Narrow& s) { push(DeviceStage::Kind::Narrow).format = s.format; }
  void add(const arith::Relu&) {
    DeviceStage& stage = push(DeviceStage::Kind::Clamp);
    stage.has_low = true;
  }
  void add(const arith::Clamp& s) {
    DeviceStage& stage = push(DeviceStage::Kind::Clamp);
    stage.has_low = s.low.has_value(), stage.has_high = s.high.has_value();
    stage.low = s.low.value_or(0), stage.high = s.high.value_or(0);
  }
  void add(const arith::Scale& s) {
    std::vector<std::int64_t> bits;
    for (const float scale : s.values) {
      std::uint32_t word = 0;
      std::memcpy(&word, &scale, sizeof word);
      bits.push_back(word);
    }
    push(DeviceStage::Kind::Scale, bits);
  }

  std::vector<DeviceStage> stages_;
  std::vector<std::int64_t> numbers_;
  std::vector<int> ends_;
};

template <class Queue>
class StageUpload {
 public:
  /// Programs of all lists, which hold until the next call.
  [[nodiscard]] std::vector<StageProgram> operator()(Queue& queue, const StageNumbers& all) {
    const auto& stages = all.stages();
    const auto& numbers = all.numbers();
    auto* on_device = stages_.template take<DeviceStage>(queue, static_cast<Count>(stages.size()) + 1);
    auto* device_numbers = numbers_.template take<std::int64_t>(queue, static_cast<Count>(numbers.size()) + 1);
    if (!stages.empty()) {
      queue.stage(on_device, stages.data(), stages.size() * sizeof(DeviceStage));
      queue.stage(device_numbers, numbers.data(), numbers.size() * sizeof(std::int64_t));
    }
    std::vector<StageProgram> programs;
    int begin = 0;
    for (const int end : all.ends()) {
      programs.push_back({on_device + begin, end - begin, device_numbers});
      begin = end;
    }
    return programs;
  }

 private:
  Workspace<Queue> stages_, numbers_;
};

}  // namespace guardbit::trainer::cuda
