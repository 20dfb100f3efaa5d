// What a server tells about itself, on a listener of its own: /metrics for Prometheus, /connections
// (the oldest and the slowest ones), /healthz and /readyz for whoever runs it. It is a second,
// small server with its own thread, so that it answers while the first one is full or drains.
#pragma once

#include "core/address.hpp"
#include "http/options.hpp"
#include "http/router.hpp"

namespace enduring::http {

class Server;

/// What it is started with: one worker, little memory, few connections.
[[nodiscard]] Options admin_options(const core::Address& address);

/// Its routes. The server that they tell about must outlive them.
[[nodiscard]] Router admin_routes(const Server& server);

}  // namespace enduring::http
