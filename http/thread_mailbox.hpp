// The mailbox that threads share: see mailbox.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "http/mailbox.hpp"

namespace enduring::http {

class ThreadMailbox final : public Mailbox {
  public:
    /// Makes the worker call run() soon. False: it could not be told now.
    using Wake = std::move_only_function<bool()>;

    explicit ThreadMailbox(Wake wake) : wake_(std::move(wake)) {}

    bool post(Function function) override {
        {
            const std::scoped_lock lock(mutex_);
            if (closed_) {
                return false;
            }
            functions_.push_back(std::move(function));
            has_mail_.store(true, std::memory_order_release);
            // One message is enough for all functions that come until the worker looks.
            if (std::exchange(told_, true)) {
                return true;
            }
        }
        // Telling may take long: the worker need not wait for it, unless it ends.
        const std::scoped_lock telling(wake_mutex_);
        if (wake_ == nullptr || !wake_()) {
            // Its next turn, or the next function, does it.
            const std::scoped_lock lock(mutex_);
            told_ = false;
        }
        return true;
    }

    [[nodiscard]] bool has_mail() const noexcept override {
        return has_mail_.load(std::memory_order_acquire);
    }
    std::uint64_t run() override {
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
    void close() override {
        std::vector<Function> functions;
        {
            const std::scoped_lock lock(mutex_);
            functions.swap(functions_);
            closed_ = true;
            has_mail_.store(false, std::memory_order_release);
        }
        const std::scoped_lock telling(wake_mutex_);
        wake_ = nullptr;
    }

  private:
    std::mutex wake_mutex_;
    Wake wake_;
    std::mutex mutex_;  // of what follows
    std::vector<Function> functions_;
    std::atomic<bool> has_mail_ = false;
    bool told_ = false;
    bool closed_ = false;
};

}  // namespace enduring::http
