// Everything that a user can set on a server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/address.hpp"
#include "core/lifecycle.hpp"
#include "http/limits.hpp"
#include "http/log_level.hpp"
#include "http/log_line.hpp"

namespace enduring::http {

struct Options {
    /// Where to listen; empty: every address, port 8080.
    std::vector<core::Address> listen{};
    /// Where to tell about itself (see admin.hpp); nothing: nowhere.
    std::optional<core::Address> admin{};
    /// Where each exchange is told of: a file's path, or "stdout"; empty: nowhere.
    std::string access_log{};
    LogFormat access_log_format = LogFormat::combined;
    /// What the program says on standard output (what is usual) and standard error (trouble).
    LogLevel log_level = LogLevel::info;
    /// Worker threads; 0: as many as the processors and the control group's quota keep busy.
    std::uint32_t workers = 0;
    /// Bind each worker to a processor.
    bool pin = false;
    /// Connections that may wait to be accepted, as of listen(2).
    std::uint32_t backlog = 4096;
    /// Receive buffers of each worker: a power of two, at most 32768.
    std::uint32_t receive_buffers = 512;
    /// Bytes of each receive buffer.
    std::uint32_t receive_buffer_bytes = 16 * 1024;
    /// Submission entries of each ring: a power of two.
    std::uint32_t ring_entries = 4096;
    /// Connections of all workers together; 0: as many as the descriptor limit allows.
    std::uint32_t connections_max = 0;
    /// Connections of one peer: an IPv4 address or an IPv6 /64 network. 0: no limit.
    std::uint32_t connections_per_ip_max = 0;
    /// How long all goes on as before when the server is told to stop, except that it says it is
    /// not ready: load balancers need time to notice.
    std::uint64_t drain_delay_ms = 0;
    /// How long running exchanges may take to finish when the server stops.
    std::uint64_t drain_timeout_ms = 30'000;
    core::TimeLimits times{};
    Limits http{};
};

}  // namespace enduring::http
