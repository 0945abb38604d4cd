// A header that check_includes.cmake must refuse; nothing compiles it.
#include "nets/engines/engine.hpp"
