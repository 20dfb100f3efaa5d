// Limits of HTTP sessions. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "http/parser.hpp"

namespace enduring::http {

struct Limits {
    HeadLimits head{};
    /// Of a request's content that a handler takes, whole or in pieces; a larger one gets 413.
    std::uint64_t content_bytes_max = 1024 * 1024;
    /// An unread content up to this size is read and dropped to keep the connection.
    std::uint64_t discard_bytes_max = 64 * 1024;
    /// The N-th response of a connection closes it; 0: no limit.
    std::uint32_t requests_max = 1000;
    /// Say "Keep-Alive: timeout=…, max=…" where a connection persists: how long it may be idle, and
    /// how many more requests it may carry.
    bool keepalive_field = false;
    /// What the field says of the time, in whole seconds; 0: nothing. A server sets it from its own
    /// time-out.
    std::uint32_t keepalive_timeout_s = 0;
    /// Answers that may wait to be sent before the connection's further input waits; at most 65535.
    std::uint32_t pipelined_max = 64;
    /// Bytes of output that may wait before the connection's further input waits.
    std::uint64_t output_bytes_max = 64 * 1024;
    /// Input that is kept while it waits; beyond it nothing more is received.
    std::uint64_t held_bytes_max = 16 * 1024;
    /// What had been received before that took effect is kept too, up to this; a connection with
    /// more is cut. A server makes it more than all its receive buffers hold.
    std::uint64_t held_bytes_limit = 16 * 1024 * 1024;
    /// Memory of one worker for requests that are incomplete or wait, of which an eighth is left to
    /// small ones. Beyond it such a request is answered with 503, or the connection is cut if it
    /// does not read its answers. As much again may be used for answers that wait to be sent;
    /// beyond it a text of more than 16 KiB is replaced by 503.
    std::uint64_t buffered_bytes_max = 256 * 1024 * 1024;
    /// Memory of one worker for the frames of handlers that are coroutines, of which an eighth is
    /// left to those that have begun. Beyond it a request to one is answered with 503.
    std::size_t coroutine_bytes_max = 64 * 1024 * 1024;
};

}  // namespace enduring::http
