// Asks a server that runs whether it answers: for the health checks of container engines, whose
// images hold no other program that could. It blocks, and uses no ring, so that it works wherever
// the server does and without what the server needs.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace enduring::http {

/// What a probe asks for, made of "http://HOST[:PORT][/TARGET]" or "unix:PATH[:/TARGET]".
struct ProbeUrl {
    std::string host;   ///< name or address without brackets; empty with a path
    std::string port;   ///< a number
    std::string path;   ///< of a unix(7) socket, else empty
    std::string field;  ///< for Host (RFC 9110 §7.2)
    std::string target;

    friend bool operator==(const ProbeUrl&, const ProbeUrl&) = default;
};

/// The error says what is allowed.
[[nodiscard]] core::Result<ProbeUrl> parse_probe_url(std::string_view text);

/// Sends one GET, and reads the head of the final answer; gives its status code. All together takes
/// no longer than the patience, but for the look-up of a name.
[[nodiscard]] core::Result<unsigned> probe(const ProbeUrl& url, std::chrono::milliseconds patience);

/// A server that answers so is well: 404, too, is an answer of one that works.
[[nodiscard]] constexpr bool is_well(unsigned status) noexcept { return status < 500; }

}  // namespace enduring::http
