// `dataset.cache: DIR`: decoded images kept on disk, so that later runs map them instead of decompressing and
// interleaving them. One file per split, SPLIT-DIGEST.pixels, made by the first run that needs it (under a temporary
// name, then renamed), little-endian:
//
//   "GBPIXELS", version u32 (1), CRC-32 of all bytes from 16 on u32, digest of the sources [32],
//   height u32, width u32, channels u32, classes u32, count u64, bytes of the description u32, description,
//   labels u32 [count], pixels u8 [count, height, width, channels]
//
// The digest is SHA-256 over names, sizes and contents of the files the images came from, and stands in the name: other
// or changed sources have another cache, times of files do not matter. A cache that is cut, damaged or of other sources
// is an Error that names it, never rebuilt in silence: a disk that loses bits should be noticed. Deleting it is safe.
#pragma once

#include <functional>

#include "nets/data/dataset.hpp"

namespace guardbit::nets {

struct SourceFile {
  std::string name;            ///< as it counts in the digest
  std::filesystem::path file;  ///< empty: only the name counts
};

/// The images of `sources`: from the cache in `folder`, or from `load`, which the cache is made of then.
Dataset load_cached(const std::filesystem::path& folder, const std::string& split,
                    const std::vector<SourceFile>& sources, const std::function<Dataset()>& load);

}  // namespace guardbit::nets
