// GUARDBIT_CLONES before a function: compiled for several instruction sets, chosen when the program starts.
// Only what is inlined into such a function is compiled with it: plain loops, no calls.
#pragma once

#define GUARDBIT_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
