set(sources "")
foreach(room ${MJOLNIR_ROOMS})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${room}/*.cpp")
  list(APPEND sources ${files})
endforeach()
# Optional parts are one stub .cpp chosen here.
if(MJOLNIR_HAVE_ONEDNN)
  list(FILTER sources EXCLUDE REGEX "/onednn_stub\\.cpp$")
else()
  list(FILTER sources EXCLUDE REGEX "/onednn\\.cpp$")
endif()
# The vector loops exist once per instruction set; the CPU decides which run.
# Optimised in every build type, so that no inline function of the standard
# library is left in these files for others to link.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(FILTER sources EXCLUDE REGEX "/elementwise_portable\\.cpp$")
  set_source_files_properties(
    "${PROJECT_SOURCE_DIR}/core/kernels/elementwise_avx2.cpp"
    PROPERTIES COMPILE_OPTIONS "-O3;-mavx2;-mfma")
  set_source_files_properties(
    "${PROJECT_SOURCE_DIR}/core/kernels/elementwise_avx512.cpp" PROPERTIES
    COMPILE_OPTIONS
    "-O3;-mavx512f;-mavx512cd;-mavx512dq;-mavx512bw;-mavx512vl")
else()
  list(FILTER sources EXCLUDE REGEX "/elementwise_(avx2|avx512|x86)\\.cpp$")
endif()

# What config.json of a run says about the build.
if(MJOLNIR_NATIVE)
  set(native 1)
else()
  set(native 0)
endif()
set_source_files_properties("${PROJECT_SOURCE_DIR}/train/config.cpp"
  PROPERTIES COMPILE_DEFINITIONS
  "MJOLNIR_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\";MJOLNIR_BUILD_NATIVE=${native}")

# A square root that may set errno is not vectorised.
set_source_files_properties("${PROJECT_SOURCE_DIR}/optim/adamw.cpp"
  PROPERTIES COMPILE_OPTIONS "-fno-math-errno")

add_library(mjolnir ${sources})
add_library(mjolnir::mjolnir ALIAS mjolnir)
target_compile_features(mjolnir PUBLIC cxx_std_17)
set_target_properties(mjolnir PROPERTIES
  CXX_STANDARD 17 CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_include_directories(mjolnir
  PUBLIC "$<BUILD_INTERFACE:${MJOLNIR_INCLUDE_DIR}>"
         "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  PRIVATE "${PROJECT_SOURCE_DIR}")

# What a program must link with the static library (mjolnir-config.cmake.in
# finds it); the header-only packages end with our own compilation.
target_link_libraries(mjolnir PRIVATE
  ZLIB::ZLIB LibZip::LibZip PNG::PNG JPEG::JPEG spdlog::spdlog LAPACK::LAPACK
  BLAS::BLAS
  $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
  $<BUILD_INTERFACE:CLI11::CLI11>
  $<BUILD_INTERFACE:xtensor> $<BUILD_INTERFACE:xtensor-blas>)
if(MJOLNIR_HAVE_OPENMP)
  target_link_libraries(mjolnir PRIVATE OpenMP::OpenMP_CXX)
endif()
if(MJOLNIR_HAVE_ONEDNN)
  target_link_libraries(mjolnir PRIVATE OneDNN::OneDNN)
endif()

target_compile_options(mjolnir PRIVATE
  -Wall -Wextra $<$<CONFIG:Release>:-O3>
  $<$<BOOL:${MJOLNIR_WERROR}>:-Werror>
  $<$<BOOL:${MJOLNIR_NATIVE}>:-march=native>)
if(NOT MJOLNIR_HAVE_OPENMP)
  target_compile_options(mjolnir PRIVATE -Wno-unknown-pragmas)
endif()
target_compile_definitions(mjolnir PRIVATE
  $<$<BOOL:${MJOLNIR_ASSERTS}>:XTENSOR_ENABLE_ASSERT>)

# A shared library shows its public names alone: kernels/ and detail/ are
# compiled hidden, so are inline functions, which every user compiles anew, and
# the map hides what belongs to the libraries below. Tests and benchmarks use
# private names.
get_target_property(kind mjolnir TYPE)
if(kind STREQUAL "SHARED_LIBRARY" AND NOT MJOLNIR_TESTS AND NOT MJOLNIR_BENCH)
  set(private_sources ${sources})
  list(FILTER private_sources INCLUDE REGEX "/(kernels|detail)/")
  set_property(SOURCE ${private_sources} APPEND PROPERTY
    COMPILE_OPTIONS "-fvisibility=hidden")
  set_target_properties(mjolnir PROPERTIES VISIBILITY_INLINES_HIDDEN ON)
  set(map "${PROJECT_SOURCE_DIR}/cmake/mjolnir.map")
  target_link_options(mjolnir PRIVATE "LINKER:--version-script=${map}"
                                      "LINKER:--no-undefined")
  set_property(TARGET mjolnir APPEND PROPERTY LINK_DEPENDS "${map}")
endif()
