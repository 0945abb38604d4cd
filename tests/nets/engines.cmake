guardbit_add_test(engines_reference
  SOURCES engines_reference_test.cpp engines_compare_test.cpp
  LIBS guardbit::engines)
guardbit_add_test(engines_fast
  SOURCES engines_fast_test.cpp
  LIBS guardbit::engines guardbit_random_network)
