// What an exchange keeps whose content, or whose response, comes in pieces. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "core/reason.hpp"
#include "http/status.hpp"

namespace enduring::http {

/// Takes a piece of a request's content, valid during the call only; last: it is complete. The last
/// piece may be empty, others are not.
using ContentFunction = std::move_only_function<void(std::string_view piece, bool last)>;
using EventFunction = std::move_only_function<void()>;

struct Pieces {
    enum class Mode : std::uint8_t { none, sized, chunked, until_close };

    ContentFunction on_content;             ///< without it the content waits
    EventFunction on_room;                  ///< the response's output has room again
    bool on_room_set = false;               ///< ... was set since this was false
    EventFunction on_gone;                  ///< the exchange ended before its response was complete
    std::uint64_t coroutine = 0;            ///< ... is destroyed then; 0: none
    std::uint64_t response_bytes_left = 0;  ///< of a response whose length is known
    Status status = Status::ok;             ///< of the response
    core::Reason reason = core::Reason::none;  ///< why the connection ends after the response
    Mode mode = Mode::none;                    ///< of the response
    bool awaits_continue = false;              ///< the client waits for 100
    bool done = false;                         ///< the response is complete
};

}  // namespace enduring::http
