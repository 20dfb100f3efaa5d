// THE connection state machine: what happens to a connection, from accept to the release of its
// slot, and when. Pure: events and time come in, actions go out. It knows no socket, no HTTP and no
// io_uring; the loop turns completions into events and actions into submissions.
//
// A connection ends in steps: the last response is flushed, the sending side is shut, what the peer
// still sends is read and discarded (else the kernel would answer it with a reset, and the peer
// could lose the response), everything outstanding in the kernel is cancelled and joined, the
// descriptor is closed, the slot is released.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/phase.hpp"
#include "core/rate_meter.hpp"
#include "core/reason.hpp"

namespace enduring::core {

/// What a session waits for after it was given input, time or an answer.
enum class Need : std::uint8_t { request, head, content, answer, room, nothing };

/// What the session reports each time it ran. As small as this it is made and given in a register.
struct alignas(std::uint32_t) Progress {
    Need need = Need::request;
    /// The session has as much input as it may keep: receive no more until it says otherwise.
    bool hold_input : 1 = false;
    /// A message ended since the last report, so that the next one's time begins anew.
    bool new_message : 1 = false;
    /// With Need::answer: what the handler takes or makes in pieces has gone on, so that its time
    /// begins anew.
    bool moved : 1 = false;
    /// With Need::nothing: the output is not whole, for want of memory. The connection is cut, so
    /// that the peer can tell.
    bool broken : 1 = false;
    /// With Need::nothing: why.
    Reason reason = Reason::none;
};

/// Times in milliseconds, rates in bytes a second; 0 is "no limit", for lingering "not at all".
struct TimeLimits {
    std::uint64_t keepalive_timeout_ms = 75'000;
    std::uint64_t header_timeout_ms = 10'000;
    std::uint64_t body_timeout_ms = 30'000;
    std::uint64_t handler_timeout_ms = 0;
    std::uint64_t write_timeout_ms = 60'000;
    std::uint64_t linger_timeout_ms = 2'000;
    std::uint64_t linger_max_ms = 30'000;
    /// Spread by a tenth up and down, so that connections that began together do not end together.
    std::uint64_t connection_max_age_ms = 3'600'000;
    std::uint64_t body_bytes_per_s_min = 240;
    std::uint64_t write_bytes_per_s_min = 0;
    /// Who is retired before it has said anything must do so within this time.
    std::uint64_t last_call_ms = 2'000;
    /// Rates are averages since the content or the output began; before this time they are not
    /// judged.
    std::uint64_t rate_grace_ms = 5'000;
    /// No limit: how long the server itself could not run, in all so far. Rates and
    /// the time for writing leave it out.
    std::uint64_t absent_ms = 0;
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
        age = 512,            ///< tell the session that its next response is the last: it is old
    };
    std::uint16_t bits = 0;

    [[nodiscard]] constexpr bool has(Bit bit) const noexcept { return (bits & bit) != 0; }
    constexpr void add(Bit bit) noexcept { bits = static_cast<std::uint16_t>(bits | bit); }
    friend bool operator==(const Actions&, const Actions&) = default;
};

/// What happened. Made with the functions below; as small as this it is given in a register.
struct alignas(std::uint64_t) Event {
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
        evict,
        abort,
        closed,
    };
    Kind kind;
    /// progressed: as in Progress, and so are the other four.
    Need need = Need::request;
    bool hold_input : 1 = false;
    bool new_message : 1 = false;
    bool moved : 1 = false;
    bool broken : 1 = false;
    /// progressed and sent: output is waiting to be sent.
    bool output_waiting : 1 = false;
    /// progressed and retire: why.
    Reason reason = Reason::none;
    /// progressed: bytes that were received; sent: bytes that were taken; accepted: any number.
    std::uint32_t amount = 0;
};
static_assert(sizeof(Progress) == sizeof(std::uint32_t) && sizeof(Event) == sizeof(std::uint64_t));

namespace events {
/// The connection exists. draw: a number that spreads the ages of connections, random or counted.
constexpr Event accepted(std::uint32_t draw = 0) {
    return {.kind = Event::Kind::accepted, .amount = draw};
}
/// The session ran. output_waiting: something is queued that no operation has taken yet.
/// bytes_received: what made it run.
constexpr Event progressed(Progress progress, bool output_waiting,
                           std::uint32_t bytes_received = 0) {
    return {.kind = Event::Kind::progressed,
            .need = progress.need,
            .hold_input = progress.hold_input,
            .new_message = progress.new_message,
            .moved = progress.moved,
            .broken = progress.broken,
            .output_waiting = output_waiting,
            .reason = progress.reason,
            .amount = bytes_received};
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
constexpr Event sent(bool output_waiting, std::uint32_t bytes = 1) {
    return {.kind = Event::Kind::sent, .output_waiting = output_waiting, .amount = bytes};
}
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
/// Close when idle, for this reason. The session must have been told, so that a running exchange is
/// the last.
constexpr Event retire(Reason reason) { return {.kind = Event::Kind::retire, .reason = reason}; }
/// Close now, since another connection needs the place. Only while evictable().
constexpr Event evict() { return {Event::Kind::evict}; }
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
    [[nodiscard]] Actions step(Event event, std::uint64_t now_ms, const TimeLimits& limits);

    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    [[nodiscard]] Reason reason() const noexcept { return reason_; }
    /// When time_passed() is due; never if nothing has a limit.
    [[nodiscard]] std::uint64_t deadline_ms() const noexcept {
        return std::min({read_deadline_ms_, write_deadline_ms_, age_deadline_ms_});
    }
    /// Input still goes to the session; later it is discarded.
    [[nodiscard]] bool is_open() const noexcept { return phase_ < Phase::flushing; }
    /// A request or a response is in progress: cutting the connection now would be seen.
    [[nodiscard]] bool owes() const noexcept {
        return (phase_ >= Phase::head && phase_ <= Phase::stalled) ||
               (phase_ <= Phase::flushing && (output_waiting_ || sending_));
    }
    /// Nothing would be lost if it ended now: it is idle and its last response has gone, or it will
    /// be refused whatever it asks.
    [[nodiscard]] bool evictable() const noexcept {
        return (phase_ == Phase::idle && !output_waiting_ && !sending_) || surplus();
    }
    /// For evictable ones: since when. Who will be refused anyway comes before all others.
    [[nodiscard]] std::uint64_t quiet_since_ms() const noexcept {
        return surplus() ? 0 : phase_begin_ms_;
    }
    /// When the phase began; for idle: when the last response had gone.
    [[nodiscard]] std::uint64_t phase_begin_ms() const noexcept { return phase_begin_ms_; }
    /// No message has come since the read side's deadline was set, only empty lines.
    [[nodiscard]] bool awaits_message() const noexcept { return awaits_message_; }
    /// An operation of this kind is in the kernel, or about to be submitted.
    [[nodiscard]] bool receiving() const noexcept { return receiving_; }
    [[nodiscard]] bool sending() const noexcept { return sending_; }
    [[nodiscard]] unsigned cancels() const noexcept { return cancels_; }
    [[nodiscard]] bool starved() const noexcept { return starved_; }
    [[nodiscard]] bool peer_finished() const noexcept { return peer_finished_; }
    [[nodiscard]] std::uint64_t read_deadline_ms() const noexcept { return read_deadline_ms_; }
    [[nodiscard]] std::uint64_t write_deadline_ms() const noexcept { return write_deadline_ms_; }
    [[nodiscard]] std::uint64_t age_deadline_ms() const noexcept { return age_deadline_ms_; }
    [[nodiscard]] const RateMeter& content_rate() const noexcept { return content_rate_; }
    /// The content's rate is not measured for now: its meter is stopped.
    [[nodiscard]] bool content_stopped() const noexcept { return content_stopped_; }
    [[nodiscard]] const RateMeter& write_rate() const noexcept { return write_rate_; }
    [[nodiscard]] bool output_waiting() const noexcept { return output_waiting_; }
    [[nodiscard]] bool input_held() const noexcept { return hold_input_; }

  private:
    [[nodiscard]] bool surplus() const noexcept {
        return phase_ == Phase::opening && retire_reason_ == Reason::connections_per_ip;
    }
    void move(Trigger trigger, std::uint64_t now_ms, const TimeLimits& limits);
    void enter(std::uint64_t now_ms, const TimeLimits& limits);
    void retire(Reason reason, std::uint64_t now_ms, const TimeLimits& limits);
    void take_progress(Event event, std::uint64_t now_ms, const TimeLimits& limits);
    void measure_content(Phase before, Event event, std::uint64_t now_ms, const TimeLimits& limits);
    void take_time(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions);
    void break_off(Reason reason, bool reset, std::uint64_t now_ms, const TimeLimits& limits);
    void begin_output(std::uint64_t now_ms, const TimeLimits& limits);
    void set_write_deadline(std::uint64_t now_ms, const TimeLimits& limits);
    void set_content_deadline(std::uint64_t now_ms, const TimeLimits& limits);
    void leave_out_absence(std::uint64_t now_ms, const TimeLimits& limits) noexcept;
    void settle(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions);
    void give_reason(Reason reason) noexcept {
        reason_ = reason_ == Reason::none ? reason : reason_;
    }

    std::uint64_t read_deadline_ms_ = never;
    std::uint64_t write_deadline_ms_ = never;
    std::uint64_t age_deadline_ms_ = never;
    std::uint64_t write_absent_ms_ = 0;  // TimeLimits::absent_ms when the write deadline was set
    std::uint64_t phase_begin_ms_ = 0;
    RateMeter content_rate_;
    RateMeter write_rate_;
    Phase phase_ = Phase::opening;
    Reason reason_ = Reason::none;
    Reason retire_reason_ = Reason::none;  // none: not to be closed when idle
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
    bool timing_out_ : 1 = false;
    bool awaits_message_ : 1 = false;
    bool content_stopped_ : 1 = false;  // the content's rate is not measured now, and goes on later
    bool read_by_rate_ : 1 = false;     // the content's rate set the read side's deadline
    bool write_by_rate_ : 1 = false;    // the output's rate set the write side's deadline
};

}  // namespace enduring::core
