// The server's own states, for one worker: when it accepts, when it waits for room, and how it
// ends. Pure: events and time come in, actions go out.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace enduring::core {

enum class ServerState : std::uint8_t {
    serving,   ///< accepting
    full,      ///< no room, or no descriptors: accepting is paused
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

    /// What the loop must do now. A set of bits.
    struct Actions {
        enum Bit : std::uint8_t {
            pause_accept = 1,
            resume_accept = 2,
            close_listeners = 4,
            retire_connections = 8,
            abort_connections = 16,
            stop = 32,
        };
        std::uint8_t bits = 0;
        [[nodiscard]] constexpr bool has(Bit bit) const noexcept { return (bits & bit) != 0; }
        constexpr void add(Bit bit) noexcept { bits = static_cast<std::uint8_t>(bits | bit); }
        friend bool operator==(const Actions&, const Actions&) = default;
    };

    /// connections_max: at this many accepting pauses.
    explicit Drain(std::uint32_t connections_max) : connections_max_(connections_max) {}

    /// The number of connections changed.
    [[nodiscard]] Actions on_connections(std::uint32_t count);
    /// An accept failed for want of descriptors or memory.
    [[nodiscard]] Actions on_scarcity(std::uint64_t now_ms);
    /// A descriptor was closed that may end the scarcity.
    [[nodiscard]] Actions on_descriptor_freed();
    /// Begin to drain; after timeout_ms what is left is aborted. A second call shortens the time.
    [[nodiscard]] Actions on_drain(std::uint64_t now_ms, std::uint64_t timeout_ms);
    /// Time may have passed the deadline.
    [[nodiscard]] Actions on_time(std::uint64_t now_ms);

    [[nodiscard]] ServerState state() const noexcept { return state_; }
    [[nodiscard]] std::uint64_t deadline_ms() const noexcept { return deadline_ms_; }
    /// Descriptors or memory are short.
    [[nodiscard]] bool scarce() const noexcept { return scarce_; }
    /// Draining, and the time for it is over.
    [[nodiscard]] bool overdue() const noexcept {
        return state_ == ServerState::draining && deadline_ms_ == never;
    }
    /// Connections that were left when the time was over.
    [[nodiscard]] std::uint32_t aborted() const noexcept { return aborted_; }

  private:
    Actions settle();

    std::uint32_t connections_max_;
    std::uint32_t connections_ = 0;
    std::uint32_t aborted_ = 0;
    std::uint64_t deadline_ms_ = never;
    bool scarce_ = false;
    ServerState state_ = ServerState::serving;
};

}  // namespace enduring::core
