#include "core/messenger.hpp"

#include <utility>

#include "core/sqe.hpp"

namespace enduring::core {

Result<std::unique_ptr<Messenger>> Messenger::open() {
    auto ring = Ring::open(RingOptions{.entries = 8, .completion_entries = 16, .any_thread = true});
    if (!ring) {
        return std::unexpected(ring.error());
    }
    return std::unique_ptr<Messenger>(new Messenger(std::move(*ring)));
}

bool Messenger::post(int ring_descriptor, Token token, std::int32_t result) {
    const std::scoped_lock lock(mutex_);
    // Only a failure completes here: see prepare_message.
    prepare_message(ring_->take_sqe(), ring_descriptor, static_cast<std::uint32_t>(result), token,
                    Token{Operation::command, 0, 0});
    bool posted = ring_->submit_and_wait(0) == 0;
    ring_->drain([&](const Completion& completion) {
        posted = posted && completion.result >= 0;
        return true;
    });
    return posted;
}

}  // namespace enduring::core
