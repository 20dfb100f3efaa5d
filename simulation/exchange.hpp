// A request as a client sends it, and what it must get for it: the reference that answers are
// judged by. It is made from the meaning of the requests and the server's settings, by no code of
// the server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "http/testing.hpp"
#include "simulation/timeline.hpp"

namespace enduring::simulation {

/// What is wrong with a response; nothing if it is right.
using Verdict = std::function<std::string(const http::test::Response& response)>;

struct Exchange {
    std::string request;
    std::size_t head_bytes = 0;  ///< of the request
    unsigned status = 200;
    std::string_view content{};
    bool without_content = false;  ///< the response's head may tell a size, but nothing follows
    bool closes = false;           ///< the response must say that it is the last
    bool refused = false;          ///< any refusal (4xx, 5xx) that closes is right
    bool may_be_cut = false;       ///< the handler may break its response off
    bool awaits_continue = false;  ///< the client waits for 100 before it sends the content
    std::uint64_t delay_us = 0;    ///< until the handler answers

    /// If set, it says of the whole response whether it is right, instead of status and content
    /// above. How the handler makes it, and when, is then not known beyond what follows.
    Verdict verdict{};
    std::optional<std::uint64_t> within_us{};  ///< the longest that the handler takes
    bool may_be_too_large = false;             ///< the content may exceed what is taken
    bool may_end_early = false;  ///< it may be answered before its content is there, and then the
                                 ///< connection ends

    // When the request came to the server's kernel.
    std::uint64_t first_us = Timeline::never;
    std::uint64_t first_run_us = 0;
    std::uint64_t head_us = Timeline::never;  ///< the end of its head
    std::uint64_t last_us = Timeline::never;  ///< its end
    std::uint64_t latest_us = 0;              ///< the latest piece
    /// When the server had last sent something, and how much in all, when it began.
    std::uint64_t sent_us = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t longest_gap_us = 0;  ///< between pieces of the content
    std::uint64_t paid_until_us = 0;   ///< by the least rate of the content
    bool too_slow = false;             ///< by that rate

    /// The request's first line.
    [[nodiscard]] std::string_view line() const noexcept {
        return std::string_view(request).substr(0, request.find("\r\n"));
    }
};

/// The content of a response that no handler made; empty if there is no such response.
[[nodiscard]] std::string_view text_of_status(unsigned status);

}  // namespace enduring::simulation
