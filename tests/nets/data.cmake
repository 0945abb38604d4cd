guardbit_add_test(nets_data
  SOURCES data_cache_test.cpp data_files_test.cpp data_glyphs_test.cpp data_spec_test.cpp
  LIBS guardbit::data guardbit::io)
# 150 MB to decompress, and a classifier to train.
guardbit_add_test(nets_data_slow
  SOURCES data_slow_test.cpp
  LIBS guardbit::data guardbit::io
  LABELS slow)
