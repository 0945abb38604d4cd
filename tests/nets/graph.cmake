guardbit_add_test(nets_graph_data
  SOURCES graph_data_test.cpp
  LIBS guardbit::graph guardbit::io
  LABELS slow)
