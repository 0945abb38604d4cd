guardbit_add_test(engines_reference
  SOURCES engines_reference_test.cpp engines_compare_test.cpp
  LIBS guardbit::engines)
guardbit_add_test(engines_fast
  SOURCES engines_fast_test.cpp
  LIBS guardbit::engines guardbit_random_network)
guardbit_add_test(engines_resnet
  SOURCES engines_resnet_test.cpp
  LIBS guardbit::engines guardbit::data guardbit::graph
  LABELS slow TIMEOUT 900)
guardbit_add_test(engines_cmsis
  SOURCES engines_cmsis_test.cpp cmsis_cases.cpp cmsis_file.cpp
  LIBS guardbit::engines nlohmann_json::nlohmann_json)
guardbit_add_test(softmax_table
  SOURCES softmax_table_test.cpp
  LIBS guardbit::engines guardbit::quantize)
guardbit_add_test(nets_zoo_trained
  SOURCES zoo_trained_test.cpp
  LIBS guardbit::engines guardbit::quantize guardbit::data guardbit::io)
