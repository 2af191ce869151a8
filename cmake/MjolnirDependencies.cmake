# Finds what the library is built from; cmake/packages.txt has Debian's names.
set(MJOLNIR_HAVE_OPENMP OFF)
if(MJOLNIR_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  set(MJOLNIR_HAVE_OPENMP ON)
endif()
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(xtl REQUIRED)
find_package(xsimd REQUIRED)
find_package(xtensor REQUIRED)
if(xtensor_VERSION VERSION_GREATER_EQUAL 0.26)
  message(FATAL_ERROR
    "xtensor ${xtensor_VERSION} was found, but Mjolnir needs one below 0.26 "
    "(later ones moved every header). Set xtensor_DIR to an older one; "
    "Debian 12 has 0.24 as libxtensor-dev.")
endif()
include(MjolnirOpenBLAS)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
find_package(xtensor-blas REQUIRED)

set(MJOLNIR_HAVE_ONEDNN OFF)
if(MJOLNIR_ONEDNN)
  find_package(OneDNN QUIET)
  if(NOT OneDNN_FOUND)
    message(STATUS "oneDNN not found: f32 convolution and matmul take the "
                   "reference kernels (Debian: libdnnl-dev)")
  elseif(OneDNN_VERSION VERSION_LESS 2 OR OneDNN_VERSION VERSION_GREATER_EQUAL 4)
    message(FATAL_ERROR
      "oneDNN ${OneDNN_VERSION} was found, but Mjolnir knows versions 2 and 3. "
      "Set OneDNN_LIBRARY and OneDNN_INCLUDE_DIR to one of those, or build "
      "without it: -DMJOLNIR_ONEDNN=OFF.")
  else()
    set(MJOLNIR_HAVE_ONEDNN ON)
  endif()
endif()
