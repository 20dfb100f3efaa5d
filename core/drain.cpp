#include "core/drain.hpp"

#include <array>

namespace enduring::core {

Drain::Actions Drain::on_connections(std::uint32_t count) {
    connections_ = count;
    return settle();
}

Drain::Actions Drain::on_scarcity(std::uint64_t now_ms) {
    if (state_ == ServerState::serving || state_ == ServerState::full) {
        scarce_ = true;
        deadline_ms_ = now_ms + scarcity_retry_ms;
        settle();
        // All accepts end, also those that a full server makes: the connection that could not be
        // accepted would wake none that is armed, but one that is armed anew looks for it.
        Actions actions;
        actions.add(Actions::pause_accept);
        return actions;
    }
    return settle();
}

Drain::Actions Drain::on_descriptor_freed() {
    if (scarce_) {
        scarce_ = false;
        deadline_ms_ = never;
    }
    return settle();
}

Drain::Actions Drain::on_drain(std::uint64_t now_ms) {
    if (state_ == ServerState::stopped) {
        return {};
    }
    if (state_ == ServerState::draining) {
        deadline_ms_ = std::min(deadline_ms_, now_ms);
        return {};
    }
    if (delay_ms_ != 0 && leave_ms_ == never) {
        leave_ms_ = now_ms + delay_ms_;
        return {};
    }
    return begin(now_ms);
}

Drain::Actions Drain::begin(std::uint64_t now_ms) {
    Actions actions;
    state_ = ServerState::draining;
    scarce_ = false;
    leave_ms_ = never;
    deadline_ms_ = now_ms + timeout_ms_;
    actions.add(Actions::close_listeners);
    actions.add(Actions::retire_connections);
    settle();
    return actions;
}

Drain::Actions Drain::on_time(std::uint64_t now_ms) {
    Actions actions;
    if (now_ms >= leave_ms_) {
        return begin(now_ms);
    }
    if (now_ms < deadline_ms_) {
        return actions;
    }
    deadline_ms_ = never;
    if (state_ == ServerState::draining) {
        if (connections_ > 0) {
            actions.add(Actions::abort_connections);
        }
        return actions;
    }
    scarce_ = false;
    return settle();
}

Drain::Actions Drain::settle() {
    Actions actions;
    const bool room = connections_ < connections_max_ && !scarce_;
    if (state_ == ServerState::serving && !room) {
        state_ = ServerState::full;
        actions.add(Actions::pause_accept);
    } else if (state_ == ServerState::full && room) {
        state_ = ServerState::serving;
    } else if (state_ == ServerState::draining && connections_ == 0) {
        state_ = ServerState::stopped;
        deadline_ms_ = never;
    }
    return actions;
}

std::string_view name_of(ServerState state) noexcept {
    constexpr std::array<std::string_view, 4> names{"serving", "full", "draining", "stopped"};
    return names[static_cast<std::size_t>(state)];
}

}  // namespace enduring::core
