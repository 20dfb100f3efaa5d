#include "http/coroutine.hpp"

namespace enduring::http::detail {

namespace {

// Lives as long as the exchange keeps the function that takes pieces.
class Source {
  public:
    explicit Source(std::shared_ptr<ContentState> state) noexcept : state_(std::move(state)) {}
    Source(Source&&) noexcept = default;
    Source& operator=(Source&&) = delete;
    ~Source() {
        if (state_ != nullptr) {
            state_->drop();
        }
    }

    void take(std::string_view piece, bool last) const { state_->take(piece, last); }

  private:
    std::shared_ptr<ContentState> state_;
};

}  // namespace

void ContentState::await(const std::shared_ptr<ContentState>& state, const Suspended& waiting) {
    state->waiting = waiting;
    if (!std::exchange(state->begun, true)) {
        state->content.on_piece([source = Source(state)](std::string_view piece, bool last) {
            source.take(piece, last);
        });
    } else if (state->over) {
        state->drop();
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

void ContentState::drop() noexcept {
    over = true;
    if (const Suspended waiter = std::exchange(waiting, {}); waiter.home != nullptr) {
        waiter.home->cancel(waiter.number);
    }
}

}  // namespace enduring::http::detail
