// Writes a response's octets into a connection's output: RFC 9112 §4 to §6. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/block_pool.hpp"
#include "core/send_queue.hpp"
#include "http/response.hpp"

namespace enduring::http {

/// What the exchange asks of the response, beyond what the handler said.
struct WriteContext {
    enum class Connection : std::uint8_t {
        unsaid,      ///< HTTP/1.1 that persists
        keep_alive,  ///< HTTP/1.0 that persists, or told how long it does
        close,
    };
    Connection connection = Connection::unsaid;
    std::uint32_t keepalive_timeout_s = 0;  ///< with keep_alive, 0: unsaid
    std::uint32_t requests_left = 0;        ///< with keep_alive, 0: unsaid
    bool head_only = false;                 ///< the request was HEAD
    bool chunked = false;                   ///< in place of a length: the content will be chunked
    bool without_length = false;            ///< the content will end with the connection
    std::string_view preamble{};            ///< Preamble's for the status and the type
};

/// Whether the output will hold much memory for this response until it is sent.
[[nodiscard]] bool takes_much_memory(const Response& response, bool head_only) noexcept;

/// The head and the content, in one run of bytes where they are small.
void write_response(core::SendQueue& output, core::BlockPool& blocks, Response&& response,
                    const WriteContext& context);

/// One chunk: RFC 9112 §7.1. Nothing for no bytes, which would be the last chunk.
void write_chunk(core::SendQueue& output, core::BlockPool& blocks, std::string_view bytes);
/// The end of a chunked content, without trailers.
void write_last_chunk(core::SendQueue& output, core::BlockPool& blocks);

/// "HTTP/1.1 100 Continue" with no fields.
void write_continue(core::SendQueue& output, core::BlockPool& blocks);

}  // namespace enduring::http
