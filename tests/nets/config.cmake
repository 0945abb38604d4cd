guardbit_add_test(nets_config
  SOURCES config_parse_test.cpp config_merge_test.cpp config_resolve_test.cpp config_emit_test.cpp
          config_section_test.cpp
  LIBS guardbit::config guardbit::io)
