// The way of log lines from one worker to the thread that writes them: a bounded ring of bytes,
// without locks. The worker never waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>

#include "http/log_sink.hpp"

namespace enduring::http {

/// Wakes the one thread that waits for it.
class Bell {
  public:
    /// From any thread, after what the other thread is to find was stored with the usual memory
    /// order (std::memory_order_seq_cst). It costs a look at a shared flag if nobody sleeps.
    void ring() noexcept {
        if (asleep_.load() && asleep_.exchange(false)) {
            semaphore_.release();
        }
    }
    /// Until it rings, unless is_wanted() gives true: that is asked once more before sleeping, by
    /// loads of the usual memory order, so that nothing is missed.
    template <class IsWanted>
    void wait(IsWanted&& is_wanted) {
        asleep_.store(true);
        // If what is wanted is there, somebody may have rung for it just now.
        if (!is_wanted() || !asleep_.exchange(false)) {
            semaphore_.acquire();
        }
    }

  private:
    std::atomic<bool> asleep_ = false;
    std::binary_semaphore semaphore_{0};
};

/// take() is for one other thread, the counts are for any.
class LogChannel final : public LogSink {
  public:
    /// bytes: a power of two.
    LogChannel(std::size_t bytes, Bell& bell);

    bool put(std::string_view line) noexcept override;
    void drop() noexcept override { dropped_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_relaxed);
    }

    /// Moves all lines that are there to the end of the text, whose memory must suffice: size().
    /// Whether there were any.
    bool take(std::string& text);
    [[nodiscard]] bool empty() const noexcept {
        return head_.load(std::memory_order_acquire) == tail_.load();
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
    Bell& bell_;
    std::atomic<std::uint64_t> dropped_ = 0;
    // Positions only grow. Each is written by one of the two threads.
    alignas(64) std::atomic<std::uint64_t> tail_ = 0;  // the worker's
    alignas(64) std::atomic<std::uint64_t> head_ = 0;  // the writing thread's
};

}  // namespace enduring::http
