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

add_library(mjolnir ${sources})
add_library(mjolnir::mjolnir ALIAS mjolnir)
target_compile_features(mjolnir PUBLIC cxx_std_17)
set_target_properties(mjolnir PROPERTIES
  CXX_STANDARD 17 CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
target_include_directories(mjolnir
  PUBLIC "$<BUILD_INTERFACE:${MJOLNIR_INCLUDE_DIR}>"
         "$<INSTALL_INTERFACE:include>"
  PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(mjolnir PRIVATE
  OpenMP::OpenMP_CXX ZLIB::ZLIB nlohmann_json::nlohmann_json spdlog::spdlog
  xtensor xtensor-blas ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES})
if(MJOLNIR_HAVE_ONEDNN)
  target_link_libraries(mjolnir PRIVATE OneDNN::OneDNN)
endif()
target_compile_options(mjolnir PRIVATE
  -Wall -Wextra $<$<CONFIG:Release>:-O3>
  $<$<BOOL:${MJOLNIR_WERROR}>:-Werror>
  $<$<BOOL:${MJOLNIR_NATIVE}>:-march=native>)
