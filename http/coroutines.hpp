// The coroutines of a worker that answer requests. Pure.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "http/frame_pool.hpp"
#include "http/mailbox.hpp"
#include "http/request.hpp"
#include "http/responder.hpp"
#include "http/task.hpp"
#include "http/timers.hpp"

namespace enduring::http {

/// Owns them while they wait: one whose request is not waited for any more is destroyed where it
/// stands, and so are all when the worker ends. Not thread-safe.
class Coroutines {
  public:
    /// mailbox: null where there are no other threads.
    Coroutines(Timers& timers, const std::shared_ptr<Mailbox>& mailbox,
               std::size_t frame_bytes_max) noexcept
        : timers_(timers), mailbox_(mailbox), frames_(frame_bytes_max) {}
    ~Coroutines() { clear(); }
    Coroutines(const Coroutines&) = delete;
    Coroutines& operator=(const Coroutines&) = delete;

    /// Calls the function, and runs the coroutine that it gives until it waits for the first time.
    /// When frames take as much memory as they may, answers 503. Throws what the coroutine throws.
    template <class Function>
    void serve(const Function& function, const Request& request, Responder responder) {
        if (!frames_.takes_new()) {
            refuse(std::move(responder));
            return;
        }
        const RequestContent exchange = responder.content();
        const FramePool::Use use(frames_);
        begin(function(request, std::move(responder)), exchange);
    }

    /// For what is awaited: a coroutine begins to wait.
    [[nodiscard]] Suspended suspend(std::uint64_t number, std::coroutine_handle<> handle) noexcept;
    /// What it has waited for has come: runs it until it waits again. Throws what it throws when it
    /// ends.
    void resume(Suspended suspended);
    [[nodiscard]] bool waits(const Suspended& suspended) const noexcept;
    /// Destroys a coroutine that waits, or that runs, when it waits next.
    void cancel(std::uint64_t number) noexcept;
    /// Destroys all.
    void clear() noexcept;

    [[nodiscard]] Timers& timers() noexcept { return timers_; }
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept { return mailbox_; }
    [[nodiscard]] const FramePool& frames() const noexcept { return frames_; }
    /// How many there are.
    [[nodiscard]] std::size_t size() const noexcept { return alive_.size(); }

  private:
    struct Entry {
        Task<void> task;
        std::uint64_t wait = 0;
        bool running = false;
        bool cancelled = false;
    };

    static void refuse(Responder responder);
    void begin(Task<void> task, const RequestContent& exchange);

    Timers& timers_;
    const std::shared_ptr<Mailbox>& mailbox_;
    FramePool frames_;
    std::unordered_map<std::uint64_t, Entry> alive_;
    std::uint64_t last_number_ = 0;
};

}  // namespace enduring::http
