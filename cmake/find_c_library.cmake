# Finds the C libraries that enduring is made of: for its own build, and for that of whoever uses the
# installed package.

find_package(PkgConfig QUIET)

# Makes the target enduring::NAME of the library that pkg-config calls MODULE. It links the static
# archive where there is one, so that a program runs on machines that do not have the library. What is
# missing is added to the list enduring_missing.
function(enduring_find_c_library name module version archive)
    if(TARGET enduring::${name})
        return()
    endif()
    set(prefix "ENDURING_${name}")
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(${prefix} QUIET "${module}>=${version}")
    endif()
    find_library(${prefix}_FILE NAMES "lib${archive}.a" "${archive}"
                 HINTS "${${prefix}_LIBDIR}" NO_CACHE)
    if(NOT ${prefix}_FOUND OR NOT ${prefix}_FILE)
        list(APPEND enduring_missing "${module} ${version} or newer")
        set(enduring_missing ${enduring_missing} PARENT_SCOPE)
        return()
    endif()
    message(STATUS "Found ${module} ${${prefix}_VERSION}: ${${prefix}_FILE}")
    add_library(enduring::${name} UNKNOWN IMPORTED GLOBAL)
    file(REAL_PATH "${${prefix}_INCLUDEDIR}" include_directory)
    set_target_properties(enduring::${name} PROPERTIES IMPORTED_LOCATION "${${prefix}_FILE}")
    # The compiler searches its own directories anyway, and naming one of them again would break the
    # #include_next of the C++ library's headers.
    if(NOT include_directory IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
        target_include_directories(enduring::${name} SYSTEM INTERFACE "${include_directory}")
    endif()
endfunction()
