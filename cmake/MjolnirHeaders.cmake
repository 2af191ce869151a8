# Public headers are included as <mjolnir/core/tensor.h>: each one is linked
# into build/include/mjolnir. kernels/ and detail/ stay private.
set(MJOLNIR_ROOMS core io data layers curvature optim models train testing)
set(MJOLNIR_INCLUDE_DIR "${CMAKE_CURRENT_BINARY_DIR}/include")
set(MJOLNIR_PUBLIC_HEADERS "")
foreach(room ${MJOLNIR_ROOMS})
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
       "${PROJECT_SOURCE_DIR}/${room}/*.h")
  list(FILTER headers EXCLUDE REGEX "/(kernels|detail)/")
  list(APPEND MJOLNIR_PUBLIC_HEADERS ${headers})
endforeach()

# <mjolnir/version.h> is the one header that is made here.
configure_file("${PROJECT_SOURCE_DIR}/cmake/version.h.in"
               "${MJOLNIR_INCLUDE_DIR}/mjolnir/version.h" @ONLY)

set(umbrella "#pragma once\n\n")
foreach(header ${MJOLNIR_PUBLIC_HEADERS})
  get_filename_component(folder "${header}" DIRECTORY)
  file(MAKE_DIRECTORY "${MJOLNIR_INCLUDE_DIR}/mjolnir/${folder}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${header}"
       "${MJOLNIR_INCLUDE_DIR}/mjolnir/${header}" SYMBOLIC COPY_ON_ERROR)
  # The xtensor bridge and the test checkers are opt-in.
  if(NOT header MATCHES "^testing/" AND NOT header STREQUAL "core/xtensor.h")
    string(APPEND umbrella "#include <mjolnir/${header}>\n")
  endif()
endforeach()
string(APPEND umbrella "#include <mjolnir/version.h>\n")
file(CONFIGURE OUTPUT "${MJOLNIR_INCLUDE_DIR}/mjolnir/mjolnir.h"
     CONTENT "${umbrella}" @ONLY)
