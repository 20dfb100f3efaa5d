// How much of a connection's output the kernel keeps before it can send it. Pure.
#pragma once

#include <cstdint>

namespace enduring::core {

/// Bytes for TCP_NOTSENT_LOWAT of tcp(7). What is on its way does not count, so this does not slow
/// down a peer that reads; the kernel tells of room when half of it has gone.
enum class Unsent : std::uint32_t {
    /// A peer that does not read would else have the kernel keep megabytes for it
    /// (net.ipv4.tcp_wmem), even after its connection was closed. Not less than we send at once.
    usual = 128 * 1024,
    /// For a large file whose peer has shown that it reads: those who read slower than we send make
    /// room in small pieces, and each costs a turn. It is the page cache's memory that is kept.
    large_file = 4 * 1024 * 1024,
};

}  // namespace enduring::core
