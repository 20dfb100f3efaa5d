#include "http/coroutine.hpp"

namespace enduring::http::detail {

void ContentState::await(const std::shared_ptr<ContentState>& state, const Suspended& waiting) {
    state->waiting = waiting;
    if (!std::exchange(state->begun, true)) {
        state->content.on_piece(
            [state](std::string_view piece, bool last) { state->take(piece, last); });
    } else if (std::exchange(state->paused, false)) {
        state->content.resume();
    }
}

void ContentState::take(std::string_view new_piece, bool is_last) {
    piece = new_piece;
    last = is_last;
    const Suspended waiter = std::exchange(waiting, {});
    ENDURING_CHECK(waiter.home != nullptr, "a piece of a content comes that nobody awaits");
    waiter.home->resume(waiter);
    if (!last && waiting.home == nullptr) {
        paused = true;
        content.pause();
    }
}

}  // namespace enduring::http::detail
