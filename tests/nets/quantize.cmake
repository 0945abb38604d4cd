# Random integer networks, also for the simulators' tests.
add_library(guardbit_random_network STATIC ${PROJECT_SOURCE_DIR}/tests/support/random_network.cpp)
target_include_directories(guardbit_random_network PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(guardbit_random_network PUBLIC guardbit::quantize PRIVATE guardbit_warnings guardbit_float)

guardbit_add_test(quantize_range
  SOURCES quantize_range_test.cpp quantize_check_test.cpp
  LIBS guardbit::quantize guardbit::engines guardbit_random_network)
guardbit_add_test(quantize_scheme
  SOURCES quantize_scheme_test.cpp
  LIBS guardbit::quantize guardbit::engines nlohmann_json::nlohmann_json)
guardbit_add_test(quantize_bundle
  SOURCES quantize_bundle_test.cpp
  LIBS guardbit::quantize guardbit_random_network)
# Not with other tests: it replaces operator new.
guardbit_add_test(quantize_untrusted
  SOURCES quantize_untrusted_test.cpp
  LIBS guardbit::quantize guardbit::engines)
