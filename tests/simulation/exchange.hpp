// A request as a client sends it, and what it must get for it: the reference that answers are
// judged by. It is made from the meaning of the requests and the server's settings, by no code of
// the server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/plan.hpp"
#include "simulation/random.hpp"
#include "simulation/timeline.hpp"

namespace enduring::simulation {

struct Exchange {
    std::string request;
    std::size_t head_bytes = 0;  ///< of the request
    unsigned status = 200;
    std::string_view content{};
    std::string made_content{};    ///< if the content is no view of something that lasts
    bool without_content = false;  ///< the response's head may tell a size, but nothing follows
    bool closes = false;           ///< the response must say that it is the last
    bool refused = false;          ///< any refusal (4xx, 5xx) that closes is right
    bool may_be_cut = false;       ///< a file that may become shorter
    bool awaits_continue = false;  ///< the client waits for 100 before it sends the content
    std::uint64_t delay_us = 0;    ///< until the handler answers

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
};

/// What a client does that is not hostile: bits of what its requests may be.
struct ExchangeKinds {
    bool large = false;  ///< contents that exceed what the kernel buffers
    bool files = true;
    bool hostile = false;  ///< requests that must be refused
    bool final = false;    ///< the last one of the client
};

[[nodiscard]] Exchange make_exchange(Random& random, const Plan& plan, bool files_fail,
                                     const ExchangeKinds& kinds);

/// The content of a response that no handler made.
[[nodiscard]] std::string_view text_of_status(unsigned status);

}  // namespace enduring::simulation
