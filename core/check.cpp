#include "core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace enduring::core {

void check_failed(const char* file, int line, const char* condition, const char* message) noexcept {
    std::fprintf(stderr, "enduring: bug: %s (%s) at %s:%d\n", message, condition, file, line);
    std::abort();
}

}  // namespace enduring::core
