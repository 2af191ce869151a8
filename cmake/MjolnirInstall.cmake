# cmake --install: headers, library, and what find_package(mjolnir) reads.
include(CMakePackageConfigHelpers)

# Code compiled for this very CPU must not travel.
if(MJOLNIR_NATIVE)
  install(CODE [[
    message(FATAL_ERROR "Configured with MJOLNIR_NATIVE=ON, Mjolnir may fail "
      "on another CPU. Configure with -DMJOLNIR_NATIVE=OFF to install it.")]])
endif()

install(TARGETS mjolnir EXPORT mjolnir-targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
foreach(header ${MJOLNIR_PUBLIC_HEADERS})
  get_filename_component(folder "${header}" DIRECTORY)
  install(FILES "${PROJECT_SOURCE_DIR}/${header}"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mjolnir/${folder}")
endforeach()
install(FILES "${MJOLNIR_INCLUDE_DIR}/mjolnir/mjolnir.h"
              "${MJOLNIR_INCLUDE_DIR}/mjolnir/version.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mjolnir")

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/mjolnir")
get_target_property(kind mjolnir TYPE)
if(kind STREQUAL "STATIC_LIBRARY")
  set(MJOLNIR_IS_STATIC ON)
else()
  set(MJOLNIR_IS_STATIC OFF)
endif()
install(EXPORT mjolnir-targets NAMESPACE mjolnir:: DESTINATION "${package}")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/mjolnir-config.cmake.in"
  "${PROJECT_BINARY_DIR}/mjolnir-config.cmake"
  INSTALL_DESTINATION "${package}")
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/mjolnir-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mjolnir-config.cmake"
              "${PROJECT_BINARY_DIR}/mjolnir-config-version.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindLibZip.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindOneDNN.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/MjolnirOpenBLAS.cmake"
        DESTINATION "${package}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
include(MjolnirPkgConfig)
include(MjolnirPackage)
