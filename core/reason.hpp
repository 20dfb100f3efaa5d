// Why connections end. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace enduring::core {

/// Why a connection was closed. Each closed connection has exactly one: the first that was given.
enum class Reason : std::uint8_t {
    none,            ///< not known yet
    peer,            ///< the peer closed between requests
    peer_truncated,  ///< the peer closed in the middle of a request
    peer_reset,      ///< the peer reset the connection, or became unreachable
    client_close,    ///< the request asked for it, or spoke HTTP/1.0 without keep-alive
    server_close,    ///< the handler asked for it
    keepalive_timeout,
    keepalive_requests,
    max_age,
    header_timeout,
    body_timeout,
    body_min_rate,
    handler_timeout,
    write_timeout,
    write_min_rate,
    evicted,             ///< quiet for longest when a new connection needed room
    connections_per_ip,  ///< its address has too many
    protocol_error,      ///< a request that was refused with a 4xx or 5xx and close
    content_failed,      ///< a response begun could not be completed
    overload,            ///< the worker's memory for input was used up
    drain,               ///< the server is shutting down
    aborted,             ///< cut at the end of the drain
};
inline constexpr std::size_t reason_count = 22;

/// The reason's name in metrics.
[[nodiscard]] std::string_view name_of(Reason reason) noexcept;

}  // namespace enduring::core
