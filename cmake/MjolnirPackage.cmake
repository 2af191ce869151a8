# cpack: one Debian package with the programs, the shared library and what a
# program of one's own needs.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(CPACK_PACKAGING_INSTALL_PREFIX "/usr")
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mjolnir)
set(CPACK_PACKAGE_VENDOR Mjolnir)
set(CPACK_PACKAGE_CONTACT "Mjolnir maintainers <maintainers@mjolnir.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
    "deep learning in C++ with exact second-order optimization")
set(CPACK_PACKAGE_DESCRIPTION
" The library, its headers, and the command mjolnir, which trains networks with
 THOR, K-FAC, SGD or AdamW on a CPU, explains what curvature costs, predicts,
 compares runs, and exports ONNX.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_STRIP_FILES ON)
# What the binaries link is found by dpkg-shlibdeps, but any BLAS would do for
# it; ours must share our threads.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas0-openmp")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "dataset-fashion-mnist")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS
    "g++, cmake, pkg-config, libxtensor-dev, curl, xz-utils")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# ldconfig is run by its trigger.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/cmake/debian/triggers")
include(CPack)
