#include "core/drain.hpp"

#include <algorithm>
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

Drain::Actions Drain::on_drain(std::uint64_t now_ms, std::uint64_t timeout_ms) {
    Actions actions;
    if (state_ == ServerState::stopped) {
        return actions;
    }
    if (state_ != ServerState::draining) {
        state_ = ServerState::draining;
        scarce_ = false;
        deadline_ms_ = never;
        actions.add(Actions::close_listeners);
        actions.add(Actions::retire_connections);
    }
    deadline_ms_ = std::min(deadline_ms_, now_ms + timeout_ms);
    actions.bits = static_cast<std::uint8_t>(actions.bits | settle().bits);
    return actions;
}

Drain::Actions Drain::on_time(std::uint64_t now_ms) {
    Actions actions;
    if (now_ms < deadline_ms_) {
        return actions;
    }
    deadline_ms_ = never;
    if (state_ == ServerState::draining) {
        aborted_ = std::max(aborted_, connections_);  // a second call must not forget the first
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
        actions.add(Actions::resume_accept);
    } else if (state_ == ServerState::draining && connections_ == 0) {
        state_ = ServerState::stopped;
        deadline_ms_ = never;
        actions.add(Actions::stop);
    }
    return actions;
}

std::string_view name_of(ServerState state) noexcept {
    constexpr std::array<std::string_view, 4> names{"serving", "full", "draining", "stopped"};
    return names[static_cast<std::size_t>(state)];
}

}  // namespace enduring::core
