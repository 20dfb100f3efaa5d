// Random numbers that are the same for the same seed, everywhere. Streams made from one seed with
// different numbers are independent, so that what one part of a run draws does not move another's.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace enduring::simulation {

/// SplitMix64. Not thread-safe.
class Random {
  public:
    explicit Random(std::uint64_t seed, std::uint64_t stream = 0) noexcept
        : state_(mix(seed * golden + mix(stream + golden))) {}

    std::uint64_t next() noexcept { return mix(state_ += golden); }
    /// 0 to end - 1; 0 if end is 0.
    std::uint64_t below(std::uint64_t end) noexcept {
        // The upper half of the product, by halves: a wide type is no standard C++.
        const std::uint64_t number = next() >> 32;
        return end >> 32 == 0 ? (number * end) >> 32 : next() % end;
    }
    std::uint64_t between(std::uint64_t first, std::uint64_t last) noexcept {
        return first + below(last - first + 1);
    }
    bool chance(std::uint64_t per_mille) noexcept { return below(1000) < per_mille; }
    template <class T>
    T pick(std::initializer_list<T> choices) noexcept {
        return choices.begin()[below(choices.size())];
    }

  private:
    static constexpr std::uint64_t golden = 0x9e37'79b9'7f4a'7c15;
    static constexpr std::uint64_t mix(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
        return z ^ (z >> 31);
    }

    std::uint64_t state_;
};

}  // namespace enduring::simulation
