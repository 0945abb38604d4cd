// The version comes from the build (project(VERSION)), in one place.
#pragma once

namespace guardbit::cli {

inline constexpr const char* kVersion = GUARDBIT_VERSION;

}  // namespace guardbit::cli
