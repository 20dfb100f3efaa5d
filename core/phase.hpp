// The phases of a connection and the table of transitions between them: the shape of the lifecycle.
// What is done in each, and when a trigger comes, is the lifecycle's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace enduring::core {

/// Where a connection is in its life. The session's needs move it between the first six.
enum class Phase : std::uint8_t {
    opening,    ///< accepted; no byte has come
    idle,       ///< between requests
    head,       ///< part of a request's head has come
    content,    ///< part of a request's content has come
    handling,   ///< a request is complete, its answer is not
    stalled,    ///< input waits until the peer has taken more of the output
    flushing,   ///< the last response is being sent; what comes in is discarded
    lingering,  ///< the sending side is shut; what comes in is discarded
    joining,    ///< waiting until the kernel has given back every operation
    closing,    ///< the descriptor is being closed
    released,   ///< over; the slot may be used again
};
inline constexpr std::size_t phase_count = 11;

/// What moves a connection from phase to phase: the columns of the transition table.
enum class Trigger : std::uint8_t {
    need_request,  ///< the session waits for the next request
    need_head,     ///< ... for the rest of a head
    need_content,  ///< ... for the rest of a content
    need_answer,   ///< ... for the handler
    need_room,     ///< ... for room in the output
    need_nothing,  ///< the last response has been queued
    flushed,       ///< all output has been taken by the kernel
    quiet,         ///< idle or linger time is over
    retired,       ///< the server wants idle connections gone
    evicted,       ///< another connection needs the place of this one, which is quiet
    broken,        ///< reset by the peer, write time-out, or aborted by the server
    joined,        ///< nothing is outstanding in the kernel
    closed,        ///< the descriptor is closed
};
inline constexpr std::size_t trigger_count = 13;

/// One cell of the table.
struct Transition {
    Phase from;
    Trigger trigger;
    Phase to;
};

/// The phase that follows. A trigger that cannot happen in a phase is a bug and aborts.
[[nodiscard]] Phase next_phase(Phase from, Trigger trigger);
/// Whether the table has this cell.
[[nodiscard]] bool has_transition(Phase from, Trigger trigger) noexcept;

[[nodiscard]] std::string_view name_of(Phase phase) noexcept;
[[nodiscard]] std::string_view name_of(Trigger trigger) noexcept;

}  // namespace enduring::core
