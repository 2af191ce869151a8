# Before find_package(BLAS): OpenBLAS, and of its flavours the OpenMP one, which
# shares our threads. Where several are installed Debian's default is another;
# the folder of ours goes first (and into the programs' RPATH).
if(NOT CMAKE_LIBRARY_ARCHITECTURE STREQUAL "")
  list(PREPEND CMAKE_LIBRARY_PATH
       "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp")
endif()
set(BLA_VENDOR OpenBLAS)
