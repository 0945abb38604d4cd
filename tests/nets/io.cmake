guardbit_add_test(nets_io
  SOURCES io_npy_test.cpp io_zip_test.cpp io_safetensors_test.cpp io_file_test.cpp io_hash_test.cpp
  LIBS guardbit::io)
