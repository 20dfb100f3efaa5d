#include "tests/simulation/content.hpp"

#include <string>

#include "simulation/random.hpp"

namespace enduring::simulation {

namespace {

constexpr std::uint32_t patterns = 4096;

}  // namespace

std::string_view content_of(std::uint32_t pattern, std::uint64_t size) {
    static const std::string bytes = [] {
        std::string made;
        Random random(0);
        while (made.size() < content_bytes_max + patterns) {
            made.push_back(static_cast<char>('!' + random.below(90)));
        }
        return made;
    }();
    return std::string_view(bytes).substr(pattern % patterns, size);
}

}  // namespace enduring::simulation
