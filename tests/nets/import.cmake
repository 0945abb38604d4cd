guardbit_add_test(nets_import
  SOURCES import_scale_sim_test.cpp import_topology_test.cpp
  LIBS guardbit::import guardbit::engines)
