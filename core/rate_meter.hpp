// Whether bytes move fast enough: on average since they began to, and judged only after a grace
// period. Pure: time is an argument.
#pragma once

#include <algorithm>
#include <cstdint>

namespace enduring::core {

/// Each byte pays for some time, at the lowest rate that is allowed; who has paid for less time
/// than has passed is too slow. Not thread-safe.
class RateMeter {
  public:
    /// The first byte may come now.
    void begin(std::uint64_t now_ms) noexcept {
        begin_ms_ = now_ms;
        paid_until_us_ = now_ms * us_per_ms;
    }
    /// Bytes have moved. Nobody pays beyond credit_until_ms: who was fast at first and then nearly
    /// stops is found out soon.
    void add(std::uint64_t bytes, std::uint64_t bytes_per_s_min,
             std::uint64_t credit_until_ms) noexcept {
        paid_until_us_ += (bytes * us_per_s + bytes_per_s_min - 1) / bytes_per_s_min;
        if (credit_until_ms < ~std::uint64_t{0} / us_per_ms) {
            paid_until_us_ = std::min(paid_until_us_, credit_until_ms * us_per_ms);
        }
    }
    /// Time does not count until go_on(), nothing else may be asked meanwhile. What has been paid
    /// for stays so, and of the grace no more than is left.
    void stop(std::uint64_t now_ms) noexcept { shift(0 - now_ms); }
    void go_on(std::uint64_t now_ms) noexcept { shift(now_ms); }

    /// When it is too late, unless more bytes move before.
    [[nodiscard]] std::uint64_t deadline_ms(std::uint64_t grace_ms) const noexcept {
        return std::max(begin_ms_ + grace_ms, paid_until_ms());
    }

    [[nodiscard]] std::uint64_t begin_ms() const noexcept { return begin_ms_; }
    /// Until when the bytes have paid, rounded up.
    [[nodiscard]] std::uint64_t paid_until_ms() const noexcept {
        return (paid_until_us_ + us_per_ms - 1) / us_per_ms;
    }

  private:
    static constexpr std::uint64_t us_per_ms = 1000;
    static constexpr std::uint64_t us_per_s = 1'000'000;

    // While it is stopped, both are relative to the time at which it was, modulo 2^64.
    void shift(std::uint64_t time_ms) noexcept {
        begin_ms_ += time_ms;
        paid_until_us_ += time_ms * us_per_ms;
    }

    std::uint64_t begin_ms_ = 0;
    std::uint64_t paid_until_us_ = 0;
};

}  // namespace enduring::core
