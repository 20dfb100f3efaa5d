// What contents consist of in the simulation: anybody who knows a content's number and size can say
// what its bytes are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace enduring::simulation {

/// The largest content.
inline constexpr std::size_t content_bytes_max = std::size_t{512} * 1024;

[[nodiscard]] std::string_view content_of(std::uint32_t pattern, std::uint64_t size);

}  // namespace enduring::simulation
