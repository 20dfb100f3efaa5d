// A number that one thread counts and others look at. Pure: to the thread that counts it is a plain
// number.
#pragma once

#include <atomic>
#include <cstdint>

namespace enduring::core {

/// A number that one thread writes and any thread may read, at the cost of a plain number.
class Counter {
  public:
    Counter() = default;
    Counter(const Counter& other) noexcept : value_(other) {}
    Counter& operator=(const Counter& other) noexcept {
        value_.store(other, std::memory_order_relaxed);
        return *this;
    }
    Counter& operator+=(std::uint64_t more) noexcept {
        value_.store(*this + more, std::memory_order_relaxed);
        return *this;
    }
    Counter& operator-=(std::uint64_t less) noexcept { return *this += ~less + 1; }
    Counter& operator++() noexcept { return *this += 1; }
    Counter& operator--() noexcept { return *this -= 1; }
    operator std::uint64_t() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace enduring::core
