// A package is what was computed, byte for byte; damage is found; a device's dump is compared and located.
#include "traces/package.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "arith/error.hpp"
#include "nets/io/file.hpp"
#include "nets/io/sha256.hpp"
#include "tests/traces/mutate.hpp"
#include "tests/traces/small_layer.hpp"

namespace guardbit::traces {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::Scratch;

std::string text_of(const fs::path& path) {
  const nets::Bytes bytes = nets::read_file(path);
  return {bytes.begin(), bytes.end()};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Changes a file and the manifest's hash of it, so that only deeper checks can notice.
void rewrite(const fs::path& package, const std::string& file, const std::string& text) {
  nets::atomic_write(package / file, std::string_view(text));
  json manifest = json::parse(text_of(package / "manifest.json"));
  manifest["sha256"][file] = nets::sha256_hex(std::string_view(text));
  nets::atomic_write(package / "manifest.json", std::string_view(manifest.dump()));
}

class PackageTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(publish(package_, folder_).held());
    ASSERT_GT(package_.manifest.evidence.accumulator.count, 0U) << "the example must overflow to mean something";
  }
  Scratch scratch_{"package"};
  fs::path folder_ = scratch_ / "trace";
  Package package_ = tests::small_package();
};

TEST_F(PackageTest, ReadsBackEqual) {
  const Package read = read_package(folder_);
  EXPECT_EQ(read.values, package_.values);
  EXPECT_EQ(to_json(read.manifest), to_json(package_.manifest));
  EXPECT_EQ(read.manifest.stages, package_.manifest.stages);
  EXPECT_EQ(read.manifest.accumulation, package_.manifest.accumulation);
}

TEST_F(PackageTest, HexIsTheCodesInOrder) {
  // input codes 0, 1 and 2 are -128, -75 and -22: 0x80, 0xb5, 0xea; 2 x 5 x 4 x 4 words after two comment lines.
  std::istringstream lines(text_of(folder_ / "stim/act.hex"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 2U + 160U);
  EXPECT_EQ(all[0], "// activation of conv2d conv1: 160 words of 2 hex digits, 1 x 8 bits signed, lane 0 in the low bits");
  EXPECT_EQ(all[1], "// order N, H, W, C = [2, 5, 4, 4], last axis fastest");
  EXPECT_EQ(all[2], "80");
  EXPECT_EQ(all[3], "b5");
  EXPECT_EQ(all[4], "ea");
}

TEST_F(PackageTest, WritingTwiceGivesTheSameBytes) {
  Package again = tests::small_package();
  ASSERT_TRUE(publish(again, scratch_ / "again").held());
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    EXPECT_EQ(text_of(entry.path()), text_of(scratch_ / "again" / fs::relative(entry.path(), folder_)));
  }
  EXPECT_EQ(files, 12) << "five hex, five npy, README.txt, manifest.json";
}

TEST_F(PackageTest, AWrongExpectedValueIsNotPublishedAndTheOldPackageStays) {
  Package wrong = tests::small_package();
  wrong.of(Role::Output)[17] ^= 1;
  const CheckReport report = publish(wrong, folder_);
  EXPECT_FALSE(report.held());
  EXPECT_EQ(report.mismatches, 1);
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->coordinate, (std::vector<std::int64_t>{0, 0, 2, 5}));
  EXPECT_EQ(read_package(folder_).values, package_.values);
}

TEST_F(PackageTest, EveryWrongStimulusOrEvidenceIsFound) {
  const auto breaks = [](const char* what, const std::function<void(Package&)>& change) {
    Package wrong = tests::small_package();
    change(wrong);
    EXPECT_FALSE(check_values(wrong).held()) << what;
  };
  breaks("weight", [](Package& p) { p.of(Role::Weight)[20] += 1; });
  breaks("activation", [](Package& p) { p.of(Role::Activation)[40] += 16; });
  breaks("bias", [](Package& p) { p.of(Role::Bias)[3] += 200; });
  breaks("accumulator", [](Package& p) { p.of(Role::Accumulator)[0] += 1; });
  breaks("zero point", [](Package& p) { p.manifest.activation.zero_point += 4; });
  breaks("fold order is part of it", [](Package& p) { p.manifest.accumulation.accumulator.step = 3; });
  breaks("count", [](Package& p) { p.manifest.evidence.accumulator.count += 1; });
  breaks("first", [](Package& p) { p.manifest.evidence.accumulator.first->output += 1; });
  breaks("range", [](Package& p) { p.manifest.evidence.exact.max += 1; });
}

TEST_F(PackageTest, NothingButATracePackageIsReplaced) {
  const fs::path precious = scratch_ / "precious";
  fs::create_directories(precious);
  std::ofstream(precious / "thesis.txt") << "years of work";
  EXPECT_NE(message_of([&] { static_cast<void>(publish(package_, precious)); }).find("precious: found something"),
            std::string::npos);
  EXPECT_EQ(text_of(precious / "thesis.txt"), "years of work");
  const fs::path file = scratch_ / "file";
  std::ofstream(file) << "text";
  EXPECT_THROW(static_cast<void>(publish(package_, file)), Error);
  fs::create_directories(scratch_ / "empty");
  EXPECT_TRUE(publish(package_, scratch_ / "empty").held());
  std::size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(scratch_ / "")) entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 4U) << "no temporary folder is left";
}

TEST_F(PackageTest, DamageIsLocated) {
  std::string hex = text_of(folder_ / "stim/wgt.hex");
  hex[hex.size() - 2] = hex[hex.size() - 2] == '0' ? '1' : '0';
  nets::atomic_write(folder_ / "stim/wgt.hex", std::string_view(hex));
  EXPECT_NE(message_of([&] { static_cast<void>(read_package(folder_)); }).find("wgt.hex: found sha256"),
            std::string::npos);
  rewrite(folder_, "stim/wgt.hex", hex);
  EXPECT_NE(message_of([&] { static_cast<void>(read_package(folder_)); }).find("wgt.npy: element 71: found"),
            std::string::npos);
}

TEST_F(PackageTest, MissingFilesAndEntriesAreNamed) {
  fs::remove(folder_ / "expect/acc.hex");
  EXPECT_NE(message_of([&] { static_cast<void>(read_package(folder_)); }).find("acc.hex"), std::string::npos);
  json manifest = to_json(package_.manifest);
  manifest["sha256"].erase("stim/act.hex");
  nets::atomic_write(folder_ / "manifest.json", std::string_view(manifest.dump()));
  EXPECT_NE(message_of([&] { static_cast<void>(read_package(folder_)); }).find("found no sha256 of stim/act.hex"),
            std::string::npos);
}

TEST_F(PackageTest, ManifestsThatCannotBeAreRefused) {
  const json good = to_json(package_.manifest);
  const auto refuses = [&](const char* pointer, const json& value, const char* part) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    const std::string message = message_of([&] { static_cast<void>(manifest_from_json(bad, "manifest.json")); });
    EXPECT_NE(message.find(part), std::string::npos) << pointer << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  };
  refuses("/schema_version", 2, "schema_version: found 2, allowed 1 to 1");
  refuses("/streams/0/elem_bits", 99, "streams[0].elem_bits: found 99, allowed 1 to 64");
  refuses("/streams/0/elem_bits", 9, "streams[0].word_hex_digits");
  refuses("/streams/0/shape/1", 6, "word_count");
  refuses("/streams/1/shape", {1 << 20, 1 << 20, 1 << 20, 1 << 20}, "at most 268435456 elements");
  refuses("/streams/2/file", "../../etc/passwd", "found \"../../etc/passwd\", allowed stim/bias.hex");
  refuses("/streams/3/role", "output", "role: found");
  refuses("/window/stride/0", 0, "window.stride");
  refuses("/window/groups", 3, "do not belong together");
  refuses("/window/padding/0", 100, "do not belong together");
  refuses("/accumulation/accumulator/format", "int<0>", "a number format");
  refuses("/accumulation/accumulator/format", "int<15,SAT>", "accumulator: found 14 bits");
  refuses("/accumulation/accumulator/step", -1, "step");
  refuses("/numerics/requantize/0", {{"explode", 1}}, "numerics.requantize[0]");
  refuses("/numerics/activation/zero_point", 1LL << 40, "zero_point");
  refuses("/samples/count", 3, "samples.count");
  refuses("/sha256", 1, "sha256");
  for (const auto& [key, value] : good.items()) {
    json bad = good;
    bad.erase(key);
    EXPECT_NE(message_of([&] { static_cast<void>(manifest_from_json(bad, "m")); }).find("found no key " + key),
              std::string::npos);
  }
}

TEST_F(PackageTest, MutatedFilesNeverDoWorseThanAnError) {
  const std::vector<std::string> files{"manifest.json", "stim/act.hex", "npy/wgt.npy", "expect/acc.hex"};
  std::map<std::string, std::string> good;
  for (const std::string& file : files) good[file] = text_of(folder_ / file);
  tests::Mutator mutator(11);
  int refused = 0, checked = 0;
  for (int i = 0; i < 250; ++i) {
    const std::string& file = files[mutator.below(files.size())];
    const std::string bytes = mutator.mutate(good[file]);
    std::ofstream(folder_ / file, std::ios::binary) << bytes;
    try {
      Package read = read_package(folder_);
      static_cast<void>(check_values(read));
      ++checked;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      ++refused;
    }
    std::ofstream(folder_ / file, std::ios::binary) << good[file];
  }
  EXPECT_GT(refused, 150);
  EXPECT_GT(checked, 0) << "a mutation may hit words that mean nothing, such as the name of the layer";
}

TEST_F(PackageTest, AnIdenticalDumpPassesAndAFlippedBitIsLocated) {
  std::string dump = text_of(folder_ / "expect/out.hex");
  EXPECT_TRUE(compare_dump(package_, Role::Output, dump, "dump.hex").held());
  // Word 100 of [2, 3, 4, 6]: n = 1, p = 1, q = 0, k = 4.
  std::size_t at = dump.find("\n", dump.find("// order")) + 1 + 100 * 3;
  const std::string before = dump.substr(at, 2);
  dump[at + 1] = before[1] == '0' ? '1' : '0';
  const CheckReport report = compare_dump(package_, Role::Output, dump, "dump.hex");
  EXPECT_EQ(report.compared, 144);
  EXPECT_EQ(report.mismatches, 1);
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->coordinate, (std::vector<std::int64_t>{1, 1, 0, 4}));
  const std::string line = to_text(package_.manifest, *report.first);
  EXPECT_EQ(line.find("layer=conv1 stream=output word=100 lane=0 n=1 p=1 q=0 k=4 expected=8'h" + before), 0U) << line;
}

TEST_F(PackageTest, ShortLongAndUnknownDumpsFail) {
  const std::string dump = text_of(folder_ / "expect/acc.hex");
  const std::string shorter = dump.substr(0, dump.size() - 10);
  EXPECT_EQ(compare_dump(package_, Role::Accumulator, shorter, "d").missing, 2);
  EXPECT_EQ(compare_dump(package_, Role::Accumulator, dump + "0000\n", "d").extra, 1);
  EXPECT_FALSE(compare_dump(package_, Role::Accumulator, dump + "0000\n", "d").held());
  std::string unknown = dump;
  unknown[unknown.size() - 2] = 'x';
  EXPECT_EQ(compare_dump(package_, Role::Accumulator, unknown, "d").unknown, 1);
  EXPECT_EQ(compare_dump(package_, Role::Accumulator, "", "d").missing, 144);
}

}  // namespace
}  // namespace guardbit::traces
