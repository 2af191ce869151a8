# mjolnir.pc, which finds its prefix by where it lies. A static library asks for
# what it is made from.
set(folder "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
string(REGEX REPLACE "[^/]+" ".." MJOLNIR_PC_PREFIX "${folder}")
set(MJOLNIR_PC_REQUIRES "")
set(MJOLNIR_PC_LIBS "")
if(MJOLNIR_IS_STATIC)
  set(MJOLNIR_PC_REQUIRES "zlib libzip libpng libjpeg spdlog")
  # The flavour of OpenBLAS was chosen by its path, which stays in the file.
  list(GET BLAS_LIBRARIES 0 blas)
  set(MJOLNIR_PC_LIBS "${blas}")
  if(MJOLNIR_HAVE_ONEDNN)
    string(APPEND MJOLNIR_PC_LIBS " -ldnnl")
  endif()
  if(MJOLNIR_HAVE_OPENMP)
    string(APPEND MJOLNIR_PC_LIBS " ${OpenMP_CXX_FLAGS}")
  endif()
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/mjolnir.pc.in"
               "${PROJECT_BINARY_DIR}/mjolnir.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/mjolnir.pc" DESTINATION "${folder}")
