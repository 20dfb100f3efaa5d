#include "core/reason.hpp"

#include <array>

namespace enduring::core {

std::string_view name_of(Reason reason) noexcept {
    constexpr std::array<std::string_view, reason_count> names{"none",
                                                               "peer",
                                                               "peer_truncated",
                                                               "peer_reset",
                                                               "client_close",
                                                               "server_close",
                                                               "keepalive_timeout",
                                                               "keepalive_requests",
                                                               "max_age",
                                                               "header_timeout",
                                                               "body_timeout",
                                                               "body_min_rate",
                                                               "handler_timeout",
                                                               "write_timeout",
                                                               "write_min_rate",
                                                               "evicted",
                                                               "connections_per_ip",
                                                               "protocol_error",
                                                               "content_failed",
                                                               "overload",
                                                               "drain",
                                                               "aborted"};
    return names[static_cast<std::size_t>(reason)];
}

}  // namespace enduring::core
