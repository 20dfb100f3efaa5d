# Builds the libraries for what they do most. A build of their own counts how often each part of them
# runs while training/train.cpp has a server at work, and g++ lays out and inlines by these counts
# (-fprofile-generate and -fprofile-use). It is done again when a source changes.
#
# ENDURING_TRAINED asks for it; ENDURING_PROFILE is how this build tells the other one where to leave
# its counts.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    message(FATAL_ERROR "ENDURING_TRAINED needs g++; set it OFF for another compiler")
endif()

set(trained_libraries enduring_core enduring_http)
# The counts have the names of the object files, from here on.
set(profile_options "-fprofile-prefix-path=${PROJECT_BINARY_DIR}")

if(ENDURING_PROFILE)
    # A thread's counts must not get lost in another's.
    foreach(library IN LISTS trained_libraries)
        target_compile_options(${library} PRIVATE "-fprofile-generate=${ENDURING_PROFILE}"
                                                  ${profile_options} -fprofile-update=atomic)
    endforeach()
    add_executable(train "${PROJECT_SOURCE_DIR}/training/train.cpp")
    target_link_libraries(train PRIVATE enduring_options enduring::http)
    target_link_options(train PRIVATE -fprofile-generate)
    return()
endif()

set(training "${PROJECT_BINARY_DIR}/training")
set(profile "${training}/profile")
file(GLOB_RECURSE training_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/core/*.[ch]pp"
     "${PROJECT_SOURCE_DIR}/http/*.[ch]pp" "${PROJECT_SOURCE_DIR}/training/*.cpp")
add_custom_command(
    OUTPUT "${profile}.complete"
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${profile}"
    COMMAND
        "${CMAKE_COMMAND}" -S "${PROJECT_SOURCE_DIR}" -B "${training}" -G "${CMAKE_GENERATOR}"
        "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}"
        "-DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS}" "-DENDURING_PROFILE=${profile}"
        -DENDURING_PROGRAMS=OFF -DENDURING_INSTALL=OFF -DENDURING_SIMULATION=OFF -DENDURING_TESTS=OFF
        --log-level=WARNING
    COMMAND "${CMAKE_COMMAND}" --build "${training}" --target train
    COMMAND "${training}/bin/train"
    # Without this one there is nothing that could be used.
    COMMAND "${CMAKE_COMMAND}" -E copy
            "${profile}/http#CMakeFiles#enduring_http.dir#session.cpp.gcda" "${profile}.complete"
    DEPENDS ${training_sources}
    COMMENT "Training"
    USES_TERMINAL VERBATIM)
add_custom_target(training DEPENDS "${profile}.complete")

foreach(library IN LISTS trained_libraries)
    # What does not run in the training is optimised as ever, and not for size.
    target_compile_options(
        ${library} PRIVATE "-fprofile-use=${profile}" ${profile_options} -fprofile-partial-training
                           -Wno-missing-profile)
    add_dependencies(${library} training)
    get_target_property(sources ${library} SOURCES)
    get_target_property(directory ${library} SOURCE_DIR)
    list(TRANSFORM sources PREPEND "${directory}/")
    set_source_files_properties(${sources} TARGET_DIRECTORY ${library}
                                PROPERTIES OBJECT_DEPENDS "${profile}.complete")
endforeach()
