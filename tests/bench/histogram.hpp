// Counts durations with a relative error below 1 %, in constant space, without allocation.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace bench {

class Histogram {
  public:
    void add(std::uint64_t nanoseconds) {
        ++buckets_[index_of(nanoseconds)];
        ++count_;
        max_ = std::max(max_, nanoseconds);
    }

    // The smallest duration that the given share of all stays at or below, in nanoseconds.
    std::uint64_t quantile(double share) const {
        if (count_ == 0) {
            return 0;
        }
        auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t index = 0; index < buckets_.size(); ++index) {
            seen += buckets_[index];
            if (seen >= rank) {
                return std::min(upper_end(index), max_);
            }
        }
        return max_;
    }

    std::uint64_t max() const { return max_; }

  private:
    // Each power of two is divided into this many buckets; below it, each value has its own.
    static constexpr unsigned bits = 7;
    static constexpr std::uint64_t steps = 1 << bits;

    static std::size_t index_of(std::uint64_t value) {
        if (value < steps) {
            return value;
        }
        auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - bits;
        return (shift + 1) * steps + ((value >> shift) - steps);
    }

    static std::uint64_t upper_end(std::size_t index) {
        if (index < steps) {
            return index;
        }
        std::uint64_t shift = index / steps - 1;
        return ((index % steps + steps + 1) << shift) - 1;
    }

    std::array<std::uint64_t, (64 - bits + 1) * steps> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace bench
