#include "core/messenger.hpp"

#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include "core/sqe.hpp"

namespace enduring::core {

namespace {
constexpr unsigned tries_max = 100;
}

Result<std::unique_ptr<Messenger>> Messenger::open() {
    auto ring = Ring::open(RingOptions{.entries = 8, .completion_entries = 16, .any_thread = true});
    if (!ring) {
        return std::unexpected(ring.error());
    }
    return std::unique_ptr<Messenger>(new Messenger(std::move(*ring)));
}

bool Messenger::post(int ring_descriptor, Token token, std::int32_t result) {
    const std::scoped_lock lock(mutex_);
    const std::uint32_t capacity = ring_->sqe_room();
    for (unsigned tries = 0; tries < tries_max; ++tries) {
        if (tries > 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        if (ring_->sqe_room() == capacity) {
            prepare_message(ring_->take_sqe(), ring_descriptor, static_cast<std::uint32_t>(result),
                            token, Token{Operation::command, 0, 0});
        }
        ring_->submit_and_wait(0);
        bool refused = ring_->sqe_room() != capacity;  // the kernel has not even taken it
        // Only a failure completes here: see prepare_message.
        ring_->drain([&](const Completion& completion) {
            refused = refused || completion.result < 0;
            return true;
        });
        if (!refused) {
            return true;
        }
    }
    ring_->forget_unsubmitted();
    return false;
}

}  // namespace enduring::core
