// The kinds of things that may go wrong in a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace enduring::simulation {

enum class Fault : std::uint8_t {
    short_receive,    ///< a receive brings less than there is
    short_send,       ///< a send takes less than there is room for
    lost_more,        ///< a multishot operation ends though nothing is wrong
    few_buffers,      ///< the receive buffers are few
    scarcity,         ///< an accept fails for want of descriptors or memory
    accept_failed,    ///< an accept fails because of its connection
    receive_failed,   ///< a receive is interrupted
    send_failed,      ///< a send is interrupted, or fails for want of memory
    false_room,       ///< a socket is said to have room and has none
    late,             ///< an operation is done some time after it could be
    reordered,        ///< what completes at one moment does so in any order
    cancel_late,      ///< a cancellation finds the operation running
    few_submissions,  ///< the submission queue is short
    few_taken,        ///< the kernel takes only a part of the submissions
    few_completions,  ///< the completion queue is short, and overflows
    busy,             ///< the kernel refuses submissions
    interrupted,      ///< a wait ends without a reason
    file_short,       ///< a file became shorter, or cannot be read
    file_slow,        ///< a file is read late and in pieces
    stop,             ///< the whole process is stopped for some time
    slow_turns,       ///< the process is slow
    lost_output,      ///< a reset destroys what the client has not read
    clock_edge,       ///< the clock begins at an unusual time
};
inline constexpr std::size_t fault_count = 23;

[[nodiscard]] std::string_view name_of(Fault fault) noexcept;
[[nodiscard]] std::optional<Fault> fault_named(std::string_view name) noexcept;

}  // namespace enduring::simulation
