# What `cmake --install` puts where: the program, the libraries with all their headers, and what CMake
# and pkg-config need to find them. All paths in it are relative, so that the prefix may be moved.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_directory "${CMAKE_INSTALL_LIBDIR}/cmake/enduring")

if(ENDURING_PROGRAMS)
    install(TARGETS enduring)
endif()
set(libraries enduring_core enduring_http)
if(ENDURING_SIMULATION)
    list(APPEND libraries enduring_simulation)
endif()
install(
    TARGETS ${libraries}
    EXPORT enduring
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/enduring")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# Who uses the libraries may have another compiler, or link without this optimisation: then the
# archives must hold machine code as well.
if(ENDURING_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    foreach(library IN LISTS libraries)
        target_compile_options(${library} PRIVATE -ffat-lto-objects)
    endforeach()
endif()

install(
    EXPORT enduring
    NAMESPACE enduring::
    FILE enduring-targets.cmake
    DESTINATION "${package_directory}")
configure_package_config_file(
    cmake/enduring-config.cmake.in enduring-config.cmake
    INSTALL_DESTINATION "${package_directory}"
    PATH_VARS CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(enduring-config-version.cmake COMPATIBILITY SameMinorVersion)
install(
    FILES "${PROJECT_BINARY_DIR}/enduring-config.cmake"
          "${PROJECT_BINARY_DIR}/enduring-config-version.cmake"
          "${PROJECT_SOURCE_DIR}/cmake/find_c_library.cmake"
    DESTINATION "${package_directory}")

# The libraries that scripts/setup unpacked are in no package of this system: they go along. They are
# out of the way of the system's own, older ones.
if(EXISTS "${dependency_prefix}")
    install(
        DIRECTORY "${dependency_prefix}/"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/enduring"
        FILES_MATCHING
        PATTERN "*.h"
        PATTERN "*.a"
        PATTERN "*.pc"
        PATTERN "copyright"
        PATTERN "*-ffi.*" EXCLUDE
        PATTERN "cmake" EXCLUDE
        PATTERN "examples" EXCLUDE
        PATTERN "man" EXCLUDE)
    set(archives "\${libdir}/enduring/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
    set(pkg_config_requires "")
    set(pkg_config_libraries " -L${archives} -lllhttp -luring")
    set(pkg_config_flags " -I\${libdir}/enduring/include")
else()
    set(pkg_config_requires "libllhttp >= 9.2, liburing >= 2.9")
    set(pkg_config_libraries "")
    set(pkg_config_flags "")
endif()

# How the prefix is reached from the directory of enduring.pc, whatever it will be.
file(RELATIVE_PATH path_to_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
     "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" path_to_prefix "${path_to_prefix}")
set(modules enduring)
if(ENDURING_SIMULATION)
    list(APPEND modules enduring-simulation)
endif()
foreach(module IN LISTS modules)
    configure_file(cmake/${module}.pc.in ${module}.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${module}.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
