#include "http/coroutines.hpp"

#include "core/check.hpp"
#include "http/service.hpp"

namespace enduring::http {

Suspended detail::TaskPromise::suspend(std::coroutine_handle<> handle) const noexcept {
    ENDURING_CHECK(home_ != nullptr, "a task that no worker runs awaits something");
    return home_->suspend(number_, handle);
}

void Coroutines::refuse(Responder responder) {
    responder.send(error_response(Status::service_unavailable));
}

void Coroutines::begin(Task<void> task, const RequestContent& exchange) {
    const std::uint64_t number = ++last_number_;
    const auto handle = task.handle();
    alive_.emplace(number, Entry{.task = std::move(task)});
    handle.promise().begin(this, number, nullptr);
    resume(suspend(number, handle));
    if (!alive_.contains(number)) {
        return;
    }
    try {
        exchange.serve_by(number);
    } catch (...) {
        cancel(number);
        throw;
    }
}

Suspended Coroutines::suspend(std::uint64_t number, std::coroutine_handle<> handle) noexcept {
    const auto found = alive_.find(number);
    ENDURING_CHECK(found != alive_.end(), "a coroutine that has ended waits");
    return {this, number, ++found->second.wait, handle};
}

bool Coroutines::waits(const Suspended& suspended) const noexcept {
    const auto found = alive_.find(suspended.number);
    return found != alive_.end() && found->second.wait == suspended.wait;
}

void Coroutines::resume(Suspended suspended) {
    if (!waits(suspended)) {
        return;
    }
    const auto found = alive_.find(suspended.number);
    Entry& entry = found->second;
    ENDURING_CHECK(!entry.running, "a coroutine is resumed while it runs");
    const FramePool::Use use(frames_);
    ++entry.wait;  // nothing else resumes it from there
    entry.running = true;
    suspended.handle.resume();
    entry.running = false;
    if (entry.task.handle().done()) {
        const auto ended = alive_.extract(suspended.number);
        ended.mapped().task.handle().promise().rethrow();
    } else if (entry.cancelled) {
        static_cast<void>(alive_.extract(suspended.number));
    }
}

void Coroutines::cancel(std::uint64_t number) noexcept {
    const auto found = alive_.find(number);
    if (found == alive_.end()) {
        return;
    }
    if (found->second.running) {
        found->second.cancelled = true;
    } else {
        // What it holds is destroyed when it is not among them any more.
        static_cast<void>(alive_.extract(found));
    }
}

void Coroutines::clear() noexcept {
    while (!alive_.empty()) {
        static_cast<void>(alive_.extract(alive_.begin()));
    }
}

}  // namespace enduring::http
