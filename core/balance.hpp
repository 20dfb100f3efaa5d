// How many connections each worker has, seen by all of them: the only memory that workers share.
// Whoever takes a connection counts it for the worker that will have it, so that a burst is spread
// before the first message arrives.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace enduring::core {

/// Thread-safe. Counts may be a moment old; they only steer.
class Balance {
  public:
    explicit Balance(unsigned workers)
        : workers_(workers), counts_(std::make_unique<Count[]>(workers)), accepting_(workers) {}

    void add(unsigned worker) noexcept {
        counts_[worker].value.fetch_add(1, std::memory_order_relaxed);
    }
    void remove(unsigned worker) noexcept {
        counts_[worker].value.fetch_sub(1, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t count(unsigned worker) const noexcept {
        return counts_[worker].value.load(std::memory_order_relaxed);
    }
    /// A worker has begun to drain: it takes and hands over no new connection from now on. Release
    /// and acquire order this after the counts of all that it handed over before.
    void stop_accepting() noexcept { accepting_.fetch_sub(1, std::memory_order_acq_rel); }
    /// Whether a worker is full, and none of its connections can make room.
    void set_stuck(unsigned worker, bool stuck) noexcept {
        counts_[worker].stuck.store(stuck, std::memory_order_relaxed);
    }
    [[nodiscard]] bool stuck(unsigned worker) const noexcept {
        return counts_[worker].stuck.load(std::memory_order_relaxed);
    }

    /// Workers that may still hand over.
    [[nodiscard]] unsigned accepting() const noexcept {
        return accepting_.load(std::memory_order_acquire);
    }
    [[nodiscard]] unsigned workers() const noexcept { return workers_; }

    /// Connections of all workers.
    [[nodiscard]] std::uint32_t total() const noexcept {
        std::uint32_t sum = 0;
        for (unsigned i = 0; i < workers_; ++i) {
            sum += count(i);
        }
        return sum;
    }

    /// The worker that should have the next connection that `self` accepted: itself, unless it is
    /// full, or the least loaded one that is not stuck has fewer by more than a sixteenth and two.
    /// Moving costs two completions, so small differences stay.
    [[nodiscard]] unsigned choose(unsigned self, bool self_full = false) const noexcept {
        const std::uint32_t mine = count(self);
        unsigned least = self;
        std::uint32_t least_count = mine;
        for (unsigned i = 0; i < workers_; ++i) {
            const std::uint32_t other = count(i);
            if (other < least_count && !stuck(i)) {
                least = i;
                least_count = other;
            }
        }
        return self_full || mine > least_count + least_count / 16 + 2 ? least : self;
    }

    /// Of the workers other than `self`, the least loaded one that can take a newcomer of a stuck
    /// worker: it is not stuck, and has fewer connections than `bound`. Or `self`.
    [[nodiscard]] unsigned choose_other(unsigned self, std::uint32_t bound) const noexcept {
        unsigned least = self;
        std::uint32_t least_count = bound;
        for (unsigned i = 0; i < workers_; ++i) {
            const std::uint32_t other = count(i);
            if (i != self && other < least_count && !stuck(i)) {
                least = i;
                least_count = other;
            }
        }
        return least;
    }

  private:
    struct alignas(64) Count {
        std::atomic<std::uint32_t> value{0};
        std::atomic<bool> stuck{false};
    };
    unsigned workers_;
    std::unique_ptr<Count[]> counts_;
    std::atomic<unsigned> accepting_;
};

}  // namespace enduring::core
