// THE connection state machine: what happens to a connection, from accept to the release of its
// slot, and when. Pure: events and time come in, actions go out. It knows no socket, no HTTP and no
// io_uring; the loop turns completions into events and actions into submissions.
//
// A connection ends in steps: the last response is flushed, the sending side is shut, what the peer
// still sends is read and discarded (else the kernel would answer it with a reset, and the peer
// could lose the response), everything outstanding in the kernel is cancelled and joined, the
// descriptor is closed, the slot is released.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
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
    broken,        ///< reset by the peer, write time-out, or aborted by the server
    joined,        ///< nothing is outstanding in the kernel
    closed,        ///< the descriptor is closed
};
inline constexpr std::size_t trigger_count = 12;

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

/// What a session waits for after it was given input, time or an answer.
enum class Need : std::uint8_t { request, head, content, answer, room, nothing };

/// Why a connection was closed. Each closed connection has exactly one: the first that was given.
enum class Reason : std::uint8_t {
    none,            ///< not known yet
    peer,            ///< the peer closed between requests
    peer_truncated,  ///< the peer closed in the middle of a request
    peer_reset,      ///< the peer reset the connection, or became unreachable
    client_close,    ///< the request asked for it, or spoke HTTP/1.0 without keep-alive
    server_close,    ///< the handler asked for it
    keepalive_timeout,
    keepalive_requests,
    header_timeout,
    body_timeout,
    handler_timeout,
    write_timeout,
    protocol_error,  ///< a request that was refused with a 4xx or 5xx and close
    content_failed,  ///< a response begun could not be completed
    overload,        ///< the worker's memory for input was used up
    drain,           ///< the server is shutting down
    aborted,         ///< cut at the end of the drain
};
inline constexpr std::size_t reason_count = 17;

/// The reason's name in metrics.
[[nodiscard]] std::string_view name_of(Reason reason) noexcept;
[[nodiscard]] std::string_view name_of(Phase phase) noexcept;
[[nodiscard]] std::string_view name_of(Trigger trigger) noexcept;

/// What the session reports each time it ran.
struct Progress {
    Need need = Need::request;
    /// The session has as much input as it may keep: receive no more until it says otherwise.
    bool hold_input = false;
    /// A message ended since the last report, so that the next one's time begins anew.
    bool new_message = false;
    /// With Need::nothing: why.
    Reason reason = Reason::none;
};

/// Time limits in milliseconds; 0 is "no limit", for lingering "not at all".
struct TimeLimits {
    std::uint64_t keepalive_timeout_ms = 75'000;
    std::uint64_t header_timeout_ms = 10'000;
    std::uint64_t body_timeout_ms = 30'000;
    std::uint64_t handler_timeout_ms = 0;
    std::uint64_t write_timeout_ms = 60'000;
    std::uint64_t linger_timeout_ms = 2'000;
    std::uint64_t linger_max_ms = 30'000;
};

/// What the loop must do now. A set of bits; their order does not matter, except that time_out
/// comes last and release after everything.
struct Actions {
    enum Bit : std::uint16_t {
        time_out = 1,         ///< tell the session that its time is over, then report its progress
        shutdown_write = 2,   ///< shut the sending side
        arm_receive = 4,      ///< submit a multishot receive
        send = 8,             ///< submit the queued output
        cancel_receive = 16,  ///< cancel the receive
        cancel_send = 32,     ///< cancel the output operation
        reset_on_close = 64,  ///< let the close send a reset
        close = 128,          ///< close the descriptor
        release = 256,        ///< free the slot
    };
    std::uint16_t bits = 0;

    [[nodiscard]] constexpr bool has(Bit bit) const noexcept { return (bits & bit) != 0; }
    constexpr void add(Bit bit) noexcept { bits = static_cast<std::uint16_t>(bits | bit); }
    friend bool operator==(const Actions&, const Actions&) = default;
};

/// What happened. Made with the functions below.
struct Event {
    enum class Kind : std::uint8_t {
        accepted,
        progressed,
        discarded,
        peer_finished,
        receive_ended,
        receive_starved,
        receive_broken,
        buffers_returned,
        sent,
        send_broken,
        send_failed,
        send_ended,
        cancel_ended,
        time_passed,
        retire,
        abort,
        closed,
    };
    Kind kind;
    /// progressed and sent: output is waiting to be sent.
    bool output_waiting = false;
    Progress progress{};
};

namespace events {
/// The connection exists.
constexpr Event accepted() { return {Event::Kind::accepted}; }
/// The session ran. output_waiting: something is queued that no operation has taken yet.
constexpr Event progressed(Progress progress, bool output_waiting) {
    return {Event::Kind::progressed, output_waiting, progress};
}
/// Bytes came and were thrown away (flushing, lingering or later).
constexpr Event discarded() { return {Event::Kind::discarded}; }
/// End of input, which also ends the receive. While the connection is open the session is told next
/// and its progress reported.
constexpr Event peer_finished() { return {Event::Kind::peer_finished}; }
/// The receive ended without a fault: cancelled, or the kernel ended the multishot.
constexpr Event receive_ended() { return {Event::Kind::receive_ended}; }
/// The receive ended because no buffer was left.
constexpr Event receive_starved() { return {Event::Kind::receive_starved}; }
/// The receive ended with an error of the connection.
constexpr Event receive_broken() { return {Event::Kind::receive_broken}; }
/// Buffers are there again.
constexpr Event buffers_returned() { return {Event::Kind::buffers_returned}; }
/// The output operation ended and made progress. output_waiting: there is more to send.
constexpr Event sent(bool output_waiting) { return {Event::Kind::sent, output_waiting}; }
/// The output operation ended with an error of the connection.
constexpr Event send_broken() { return {Event::Kind::send_broken}; }
/// The output operation ended because the content cannot be had (a file became shorter).
constexpr Event send_failed() { return {Event::Kind::send_failed}; }
/// The output operation ended without progress: it was cancelled, or only prepared the next one (a
/// file was read, the socket became writable).
constexpr Event send_ended() { return {Event::Kind::send_ended}; }
/// A cancellation was answered, whatever it said.
constexpr Event cancel_ended() { return {Event::Kind::cancel_ended}; }
/// Time may have passed a deadline.
constexpr Event time_passed() { return {Event::Kind::time_passed}; }
/// Close when idle (drain). The session must have been told, so that a running exchange is the
/// last.
constexpr Event retire() { return {Event::Kind::retire}; }
/// Cut the connection now.
constexpr Event abort() { return {Event::Kind::abort}; }
/// The descriptor is closed.
constexpr Event closed() { return {Event::Kind::closed}; }
}  // namespace events

/// The machine. Copyable, so that a test can walk all reachable states. Not thread-safe.
class Lifecycle {
  public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    /// Takes an event at a time (milliseconds, never going back) and says what to do.
    [[nodiscard]] Actions step(const Event& event, std::uint64_t now_ms, const TimeLimits& limits);

    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    [[nodiscard]] Reason reason() const noexcept { return reason_; }
    /// When time_passed() is due; never if nothing has a limit.
    [[nodiscard]] std::uint64_t deadline_ms() const noexcept {
        return read_deadline_ms_ < write_deadline_ms_ ? read_deadline_ms_ : write_deadline_ms_;
    }
    /// Input still goes to the session; later it is discarded.
    [[nodiscard]] bool is_open() const noexcept { return phase_ < Phase::flushing; }
    /// A request or a response is in progress: cutting the connection now would be seen.
    [[nodiscard]] bool owes() const noexcept {
        return (phase_ >= Phase::head && phase_ <= Phase::stalled) ||
               (phase_ <= Phase::flushing && (output_waiting_ || sending_));
    }
    /// An operation of this kind is in the kernel, or about to be submitted.
    [[nodiscard]] bool receiving() const noexcept { return receiving_; }
    [[nodiscard]] bool sending() const noexcept { return sending_; }
    [[nodiscard]] unsigned cancels() const noexcept { return cancels_; }
    [[nodiscard]] bool starved() const noexcept { return starved_; }
    [[nodiscard]] bool peer_finished() const noexcept { return peer_finished_; }
    [[nodiscard]] std::uint64_t read_deadline_ms() const noexcept { return read_deadline_ms_; }
    [[nodiscard]] std::uint64_t write_deadline_ms() const noexcept { return write_deadline_ms_; }
    [[nodiscard]] bool output_waiting() const noexcept { return output_waiting_; }
    [[nodiscard]] bool input_held() const noexcept { return hold_input_; }

  private:
    void move(Trigger trigger, std::uint64_t now_ms, const TimeLimits& limits);
    void enter(std::uint64_t now_ms, const TimeLimits& limits);
    void take_progress(const Event& event, std::uint64_t now_ms, const TimeLimits& limits);
    void take_time(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions);
    void break_off(Reason reason, bool reset, std::uint64_t now_ms, const TimeLimits& limits);
    void set_write_deadline(std::uint64_t now_ms, const TimeLimits& limits);
    void settle(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions);
    void give_reason(Reason reason) noexcept {
        reason_ = reason_ == Reason::none ? reason : reason_;
    }

    std::uint64_t read_deadline_ms_ = never;
    std::uint64_t write_deadline_ms_ = never;
    std::uint64_t linger_end_ms_ = never;
    Phase phase_ = Phase::opening;
    Reason reason_ = Reason::none;
    std::uint8_t cancels_ = 0;
    bool receiving_ : 1 = false;
    bool sending_ : 1 = false;
    bool output_waiting_ : 1 = false;
    bool hold_input_ : 1 = false;
    bool starved_ : 1 = false;
    bool peer_finished_ : 1 = false;
    bool receive_cancelled_ : 1 = false;
    bool send_cancelled_ : 1 = false;
    bool reset_ : 1 = false;
    bool retiring_ : 1 = false;
    bool timing_out_ : 1 = false;
};

}  // namespace enduring::core
