// The server's own states, for one worker: when it accepts, when it waits for room, and how it
// ends. Pure: events and time come in, actions go out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

namespace enduring::core {

enum class ServerState : std::uint8_t {
    serving,   ///< accepting
    full,      ///< no room, or no descriptors: accepting as before is paused
    draining,  ///< accepting has ended; exchanges that run are finished
    stopped,   ///< no connection is left
};

[[nodiscard]] std::string_view name_of(ServerState state) noexcept;

/// The machine. Not thread-safe; one per worker.
class Drain {
  public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    /// How long accepting waits after the system ran out of descriptors or memory, unless a
    /// connection of ours ends sooner: others may hold what we need, and nobody tells us.
    static constexpr std::uint64_t scarcity_retry_ms = 100;

    /// What the loop must do now. A set of bits. That it may accept again, or is done, it sees from
    /// the state.
    struct Actions {
        enum Bit : std::uint8_t {
            pause_accept = 1,
            close_listeners = 2,
            retire_connections = 4,
            abort_connections = 8,
        };
        std::uint8_t bits = 0;
        [[nodiscard]] constexpr bool has(Bit bit) const noexcept { return (bits & bit) != 0; }
        constexpr void add(Bit bit) noexcept { bits = static_cast<std::uint8_t>(bits | bit); }
        friend bool operator==(const Actions&, const Actions&) = default;
    };

    /// connections_max: at this many accepting pauses. delay_ms: between the wish to drain and its
    /// beginning; timeout_ms: how long the drain may take.
    explicit Drain(std::uint32_t connections_max, std::uint64_t delay_ms, std::uint64_t timeout_ms)
        : connections_max_(connections_max), delay_ms_(delay_ms), timeout_ms_(timeout_ms) {}

    /// The number of connections changed.
    [[nodiscard]] Actions on_connections(std::uint32_t count);
    /// An accept failed for want of descriptors or memory.
    [[nodiscard]] Actions on_scarcity(std::uint64_t now_ms);
    /// A descriptor was closed that may end the scarcity.
    [[nodiscard]] Actions on_descriptor_freed();
    /// Drain, after the delay: until then all goes on as before. What is left when the drain has
    /// taken its time is aborted. A further call ends the delay; or, when the drain has begun, its
    /// time.
    [[nodiscard]] Actions on_drain(std::uint64_t now_ms);
    /// Time may have passed the deadline.
    [[nodiscard]] Actions on_time(std::uint64_t now_ms);

    [[nodiscard]] ServerState state() const noexcept { return state_; }
    /// When on_time() is due.
    [[nodiscard]] std::uint64_t deadline_ms() const noexcept {
        return std::min(deadline_ms_, leave_ms_);
    }
    /// A drain was asked for; it has begun, or will when the delay is over.
    [[nodiscard]] bool leaving() const noexcept {
        return leave_ms_ != never || state_ >= ServerState::draining;
    }
    /// Descriptors or memory are short.
    [[nodiscard]] bool scarce() const noexcept { return scarce_; }
    /// Draining, and the time for it is over.
    [[nodiscard]] bool overdue() const noexcept {
        return state_ == ServerState::draining && deadline_ms_ == never;
    }

  private:
    Actions begin(std::uint64_t now_ms);
    Actions settle();

    std::uint32_t connections_max_;
    std::uint32_t connections_ = 0;
    std::uint64_t delay_ms_;
    std::uint64_t timeout_ms_;
    std::uint64_t leave_ms_ = never;     // when the delay is over
    std::uint64_t deadline_ms_ = never;  // of scarcity, or of the drain
    bool scarce_ = false;
    ServerState state_ = ServerState::serving;
};

}  // namespace enduring::core
