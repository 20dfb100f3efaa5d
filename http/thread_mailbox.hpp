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
