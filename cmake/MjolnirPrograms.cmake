# The programs of examples/ that are installed, and the command `mjolnir` that
# starts them: the script of the checkout without its installing and building.
set(MJOLNIR_PROGRAMS "")
foreach(name train_resnet explain predict compare export_onnx mjolnir_data)
  if(TARGET ${name})
    list(APPEND MJOLNIR_PROGRAMS ${name})
  endif()
endforeach()
set(programs "${CMAKE_INSTALL_LIBEXECDIR}/mjolnir")
install(TARGETS ${MJOLNIR_PROGRAMS} RUNTIME DESTINATION "${programs}")

file(RELATIVE_PATH MJOLNIR_PROGRAM_FOLDER "/${CMAKE_INSTALL_BINDIR}" "/${programs}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/mjolnir.in"
               "${PROJECT_BINARY_DIR}/dispatcher/mjolnir" @ONLY)
install(PROGRAMS "${PROJECT_BINARY_DIR}/dispatcher/mjolnir"
        DESTINATION "${CMAKE_INSTALL_BINDIR}")

# A shared library is found from where a program lies, wherever the prefix is.
get_target_property(kind mjolnir TYPE)
if(kind STREQUAL "SHARED_LIBRARY")
  file(RELATIVE_PATH library "/${programs}" "/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(${MJOLNIR_PROGRAMS} PROPERTIES
    INSTALL_RPATH "$ORIGIN/${library}")
endif()
