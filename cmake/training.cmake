# Builds the libraries for what they do most. A build of their own counts how often each part of them
# runs while training/train.cpp has a server at work, and g++ lays out and inlines by these counts
# (-fprofile-generate and -fprofile-use). It is done again when a source or an option changes.
#
# ENDURING_TRAINED asks for it; ENDURING_PROFILE is how this build tells the other one where to leave
# its counts.

function(enduring_refuse_training why)
    message(FATAL_ERROR "ENDURING_TRAINED ${why}; set it OFF")
endfunction()

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    enduring_refuse_training("needs g++")
endif()
if(CMAKE_CROSSCOMPILING)
    enduring_refuse_training("runs what it builds, which this machine cannot")
endif()
if(NOT PROJECT_IS_TOP_LEVEL)
    enduring_refuse_training("is for enduring alone, not as a part of another project")
endif()
get_property(is_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(is_multi_config)
    enduring_refuse_training("builds one configuration, and this generator several")
endif()

set(ENDURING_TRAINED_LIBRARIES enduring_core enduring_http)
# The counts have the names of the object files, from here on. Ninja leaves the compiler with the
# directory's real name, make with the one that it was given.
set(ENDURING_PROFILE_PREFIX "${PROJECT_BINARY_DIR}")
if(CMAKE_GENERATOR MATCHES "Ninja")
    file(REAL_PATH "${PROJECT_BINARY_DIR}" ENDURING_PROFILE_PREFIX)
endif()

# In the build that counts.
function(enduring_count)
    add_executable(enduring_train "${PROJECT_SOURCE_DIR}/training/train.cpp")
    target_link_libraries(enduring_train PRIVATE enduring_options enduring::http)
    target_link_options(enduring_train PRIVATE -fprofile-generate)
    # A thread's counts must not get lost in another's.
    foreach(target IN LISTS ENDURING_TRAINED_LIBRARIES ITEMS enduring_train)
        target_compile_options(
            ${target} PRIVATE "-fprofile-generate=${ENDURING_PROFILE}" -fprofile-update=atomic
                              "-fprofile-prefix-path=${ENDURING_PROFILE_PREFIX}")
    endforeach()
endfunction()

# In the build that uses the counts.
function(enduring_use_counts)
    set(training "${PROJECT_BINARY_DIR}/training")
    set(profile "${training}/profile")
    # The other build must come to the same code.
    set(settings "")
    foreach(
        name IN
        ITEMS CMAKE_BUILD_TYPE
              CMAKE_CXX_COMPILER
              CMAKE_CXX_COMPILER_LAUNCHER
              CMAKE_CXX_FLAGS
              CMAKE_CXX_FLAGS_DEBUG
              CMAKE_CXX_FLAGS_MINSIZEREL
              CMAKE_CXX_FLAGS_RELEASE
              CMAKE_CXX_FLAGS_RELWITHDEBINFO
              CMAKE_MAKE_PROGRAM
              CMAKE_PREFIX_PATH
              CMAKE_SYSROOT
              CMAKE_TOOLCHAIN_FILE
              fmt_DIR
              CLI11_DIR
              nlohmann_json_DIR)
        if(DEFINED ${name})
            string(APPEND settings "set(${name} [==[${${name}}]==] CACHE STRING \"\" FORCE)\n")
        endif()
    endforeach()
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/training.cmake" CONTENT "${settings}" @ONLY)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/core/*.[ch]pp"
         "${PROJECT_SOURCE_DIR}/http/*.[ch]pp" "${PROJECT_SOURCE_DIR}/training/*.cpp"
         "${PROJECT_SOURCE_DIR}/cmake/*.cmake")
    add_custom_command(
        OUTPUT "${profile}.complete"
        COMMAND "${CMAKE_COMMAND}" -E rm -rf "${profile}"
        COMMAND
            "${CMAKE_COMMAND}" -C "${PROJECT_BINARY_DIR}/training.cmake" -S "${PROJECT_SOURCE_DIR}" -B
            "${training}" -G "${CMAKE_GENERATOR}" "-DENDURING_PROFILE=${profile}"
            -DENDURING_PROGRAMS=OFF -DENDURING_INSTALL=OFF -DENDURING_SIMULATION=OFF
            -DENDURING_TESTS=OFF --log-level=WARNING
        COMMAND "${CMAKE_COMMAND}" --build "${training}" --target enduring_train
        COMMAND "${training}/bin/enduring_train"
        # Without this one there is nothing that could be used.
        COMMAND "${CMAKE_COMMAND}" -E copy
                "${profile}/http#CMakeFiles#enduring_http.dir#session.cpp.gcda" "${profile}.complete"
        DEPENDS ${sources}
                "${PROJECT_BINARY_DIR}/training.cmake"
                "${PROJECT_SOURCE_DIR}/CMakeLists.txt"
                "${PROJECT_SOURCE_DIR}/core/CMakeLists.txt"
                "${PROJECT_SOURCE_DIR}/http/CMakeLists.txt"
        COMMENT "Training"
        USES_TERMINAL VERBATIM)
    add_custom_target(enduring_training DEPENDS "${profile}.complete")

    foreach(library IN LISTS ENDURING_TRAINED_LIBRARIES)
        # What does not run in the training is optimised as ever, and not for size. Counts that do
        # not fit, as after an update of a library's headers, cost speed and no more.
        target_compile_options(
            ${library}
            PRIVATE "-fprofile-use=${profile}" "-fprofile-prefix-path=${ENDURING_PROFILE_PREFIX}"
                    -fprofile-partial-training -Wno-missing-profile -Wno-error=coverage-mismatch)
        add_dependencies(${library} enduring_training)
        get_target_property(files ${library} SOURCES)
        get_target_property(directory ${library} SOURCE_DIR)
        list(TRANSFORM files PREPEND "${directory}/")
        set_source_files_properties(${files} TARGET_DIRECTORY ${library}
                                    PROPERTIES OBJECT_DEPENDS "${profile}.complete")
    endforeach()
endfunction()

if(ENDURING_PROFILE)
    enduring_count()
else()
    enduring_use_counts()
endif()
