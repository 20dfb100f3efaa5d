// How other threads have a worker do something: they leave functions, it calls them in its thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace enduring::http {

/// post() may be called from any thread at any time, also when the worker has ended; the rest is
/// the worker's.
class Mailbox {
  public:
    using Function = std::move_only_function<void()>;
    /// Makes the worker call run() soon. False: it could not be told now.
    using Wake = std::move_only_function<bool()>;

    explicit Mailbox(Wake wake) : wake_(std::move(wake)) {}

    /// The worker will call the function, after those that were left before. False: the worker has
    /// ended, and the function has been destroyed.
    bool post(Function function) {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            return false;
        }
        functions_.push_back(std::move(function));
        // One message for all functions that come until the worker looks. If it could not be told,
        // its next turn or the next function does it.
        if (!told_) {
            has_mail_.store(true, std::memory_order_release);
            told_ = wake_ != nullptr && wake_();
        }
        return true;
    }

    /// There may be something to run.
    [[nodiscard]] bool has_mail() const noexcept {
        return has_mail_.load(std::memory_order_acquire);
    }
    /// Calls what has been left until now. Gives how many ended with an exception, which ends
    /// there.
    std::uint64_t run() {
        std::vector<Function> functions;
        {
            const std::scoped_lock lock(mutex_);
            functions.swap(functions_);
            told_ = false;
            has_mail_.store(false, std::memory_order_release);
        }
        std::uint64_t threw = 0;
        for (Function& function : functions) {
            try {
                function();
            } catch (...) {
                ++threw;
            }
            function = nullptr;
        }
        return threw;
    }
    /// Destroys what waits, and takes nothing any more.
    void close() {
        std::vector<Function> functions;
        const std::scoped_lock lock(mutex_);
        functions.swap(functions_);
        closed_ = true;
        has_mail_.store(false, std::memory_order_release);
    }

  private:
    std::mutex mutex_;
    Wake wake_;
    std::vector<Function> functions_;
    std::atomic<bool> has_mail_ = false;
    bool told_ = false;
    bool closed_ = false;
};

}  // namespace enduring::http
