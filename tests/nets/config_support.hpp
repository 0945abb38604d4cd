// Shared by the configuration tests: the text of an Error, and files in a folder that goes away.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "arith/error.hpp"
#include "nets/io/file.hpp"

namespace guardbit::nets {

/// What the call complains about; "no error" if it does not.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Each test runs in a folder of its own, so that messages show short relative names.
class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::string name = (std::filesystem::temp_directory_path() / "guardbit-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }
  static void write(const std::string& name, std::string_view text) { atomic_write(name, text); }

 private:
  std::filesystem::path before_;
  std::filesystem::path folder_;
};

}  // namespace guardbit::nets
