guardbit_add_test(nets_graph
  SOURCES
    graph_build_test.cpp
    graph_float_test.cpp
    graph_info_test.cpp
    graph_load_test.cpp
    graph_passes_test.cpp
    graph_shapes_test.cpp
    graph_wiring_test.cpp
    graph_zoo_test.cpp
  LIBS guardbit::graph guardbit::io)
guardbit_add_test(nets_graph_data
  SOURCES graph_data_test.cpp
  LIBS guardbit::graph guardbit::io
  LABELS slow)
