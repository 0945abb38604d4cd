// Damaged checkpoints: cut at every length, and with a bit of every byte wrong. Each is an Error, one line that begins
// with the file's name, and the parameters stay as they were.
#include "trainer/checkpoint.hpp"

#include "nets/graph/load.hpp"
#include "tests/trainer/train_place.hpp"

namespace guardbit::trainer {
namespace {

class Checkpoint : public TrainPlace {
 protected:
  void SetUp() override {
    TrainPlace::SetUp();
    network_ = nets::load_network(nets::Section::parse(
        "model: {name: n, input: [1, 1, 2], layers: {f: {type: fully_connected, channels: 2}}, "
        "graph: {from: input, with: [f], to: output}}"));
    nets::initialise(network_, 1);
    backend_ = make_backend("cpu", 1);
    parameters_ = std::make_unique<Parameters>(
        *backend_, network_, ParameterOptions{.training = true, .states = 1, .average = false});
    file_ = folder_ / "c.safetensors";
    save_checkpoint(file_, *backend_, *parameters_, {3, 12}, "seed: 1\n");
    whole_ = nets::read_file(file_);
  }
  std::string error_of_loading() {
    try {
      static_cast<void>(load_checkpoint(file_, *backend_, *parameters_));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  void expect_refused(nets::ByteView bytes, std::size_t where) {
    std::FILE* out = std::fopen(file_.c_str(), "wb");  // atomic_write would wait for the disk thousands of times
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), out), bytes.size());
    std::fclose(out);
    const std::string message = error_of_loading();
    const std::string around(bytes.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(where, 20) - 20),
                             bytes.begin() + static_cast<std::ptrdiff_t>(std::min(where + 20, bytes.size())));
    ASSERT_EQ(message.rfind(file_.string(), 0), 0U) << where << ": " << message << ": " << around;
    ASSERT_EQ(message.find('\n'), std::string::npos) << message;
  }

  nets::Network network_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Parameters> parameters_;
  std::filesystem::path file_;
  nets::Bytes whole_;
};

TEST_F(Checkpoint, WholeItIsReadBack) {
  backend_->fill(parameters_->values(), 7);
  EXPECT_EQ(load_checkpoint(file_, *backend_, *parameters_), (Progress{3, 12}));
  nets::Network read = network_;
  parameters_->store(*backend_, read);
  EXPECT_EQ(read.parameter("f.weight").data, network_.parameter("f.weight").data);
}

TEST_F(Checkpoint, CutAtAnyLengthItIsRefused) {
  for (std::size_t length = 0; length < whole_.size(); ++length)
    expect_refused(nets::ByteView(whole_).first(length), length);
}

TEST_F(Checkpoint, WithASingleBitOfAnyByteWrongItIsRefused) {
  backend_->fill(parameters_->values(), 7);
  for (std::size_t i = 0; i < whole_.size(); ++i) {
    nets::Bytes changed = whole_;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << (3 * i % 8)));
    expect_refused(changed, i);
  }
  for (const float value : download(*backend_, parameters_->values())) EXPECT_EQ(value, 7);
}

TEST_F(Checkpoint, AnotherFormatIsNamed) {
  const std::string text(whole_.begin(), whole_.end());
  std::string other = text;
  other.replace(other.find("\"format\":\"2\""), 12, "\"format\":\"1\"");
  nets::atomic_write(file_, other);
  EXPECT_EQ(error_of_loading(), file_.string() + ": format: found 1, allowed 2, a checkpoint of this version");
}

}  // namespace
}  // namespace guardbit::trainer
