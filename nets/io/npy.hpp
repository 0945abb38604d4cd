// NumPy files (numpy.lib.format versions 1.0 to 3.0): .npy, and .npz = zip of .npy.
//
// Read: b1, i1 to i8, u1 to u8, f2, f4, f8, little-endian, C or Fortran order (converted to C). Written: version 1.0,
// C order, header padded to 64 bytes as numpy does, so that equal arrays give equal files.
#pragma once

#include "nets/io/array.hpp"

namespace guardbit::nets {

Array read_npy(const std::filesystem::path& path);
Array parse_npy(ByteView bytes, const std::string& where);
void write_npy(const std::filesystem::path& path, const Array& array);
Bytes npy_bytes(const Array& array);

/// In file order, names without ".npy".
NamedArrays read_npz(const std::filesystem::path& path);
NamedArrays parse_npz(ByteView bytes, const std::string& where);
/// Stored, not compressed; time stamps are zero.
void write_npz(const std::filesystem::path& path, const NamedArrays& arrays);

}  // namespace guardbit::nets
