guardbit_add_test(compute_cmsis
  SOURCES compute_cmsis_test.cpp compute_softmax_test.cpp cmsis_cases.cpp cmsis_file.cpp
  LIBS guardbit::compute guardbit::engines nlohmann_json::nlohmann_json)
