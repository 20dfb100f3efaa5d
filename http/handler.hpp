// What answers requests. Pure.
#pragma once

#include <functional>

#include "http/request.hpp"
#include "http/responder.hpp"

namespace enduring::http {

/// Called in a worker's thread, by all workers at the same time: what it shares must be
/// thread-safe. It must not block: while it runs, its worker serves nobody else. If it throws, the
/// client gets 500.
using Handler = std::function<void(const Request&, Responder)>;

}  // namespace enduring::http
