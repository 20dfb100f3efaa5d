// What a request's head says about the message and the connection: where the content ends (RFC 9112
// §6), whether the connection persists (§9.3), what is expected (RFC 9110 §10.1.1), and whether the
// request is to be refused. One place for every rule of a head that is more than syntax. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/request_head.hpp"
#include "http/status.hpp"

namespace enduring::http {

struct Framing {
    enum class Content : std::uint8_t { none, sized, chunked };

    /// Not Status::ok: answer with it and close.
    Status refusal = Status::ok;
    Content content = Content::none;
    std::uint64_t content_bytes = 0;  ///< with Content::sized
    bool persistent = true;           ///< as far as the client is concerned
    bool expects_continue = false;    ///< HTTP/1.1 with "Expect: 100-continue"
    std::string_view path{};          ///< of the target, percent-encoded; "*" for OPTIONS *
    std::string_view query{};         ///< without the question mark
    std::string_view authority{};     ///< of an absolute target, else the Host field's value
};

/// base: the bytes that the head was parsed from; the views point into them.
[[nodiscard]] Framing frame(const RequestHead& head, const char* base);

}  // namespace enduring::http
