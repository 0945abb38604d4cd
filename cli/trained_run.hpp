// The run folder of a quantized training on the command line.
#pragma once

#include "cli/session.hpp"

namespace guardbit::cli {

struct TrainedRun {
  nets::Value config;  // what the trainer reads
  std::string load;    // which checkpoint: latest unless `load` says otherwise
  std::int64_t batch_size = 0;
};

// Error unless a run folder was named, trained quantized, whose network, preprocessing, trainer and quantizers no
// override changes: the state in its checkpoints is of those.
[[nodiscard]] TrainedRun trained_run(const Session& session);

}  // namespace guardbit::cli
