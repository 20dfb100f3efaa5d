#include "core/heap.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace enduring::core {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool own_heap = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool own_heap = false;
#else
constexpr bool own_heap = true;
#endif
#else
constexpr bool own_heap = true;
#endif

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * 4096;
}

/// Many small pieces; every hundredth stays, so that the heap cannot shrink by itself.
std::vector<std::unique_ptr<char[]>> burst(std::size_t bytes) {
    constexpr std::size_t piece = 4'000;
    std::vector<std::unique_ptr<char[]>> pieces;
    for (std::size_t i = 0; i < bytes / piece; ++i) {
        pieces.push_back(std::make_unique<char[]>(piece));
    }
    std::vector<std::unique_ptr<char[]>> kept;
    for (std::size_t i = 0; i < pieces.size(); i += 100) {
        kept.push_back(std::move(pieces[i]));
    }
    return kept;
}

TEST(HeapTrimmer, GivesTheMemoryOfABurstBackOnce) {
    if (!own_heap) {
        GTEST_SKIP() << "a sanitizer has a heap of its own";
    }
    constexpr std::size_t burst_bytes = 100UL * 1024 * 1024;
    HeapTrimmer trimmer;
    const auto look = [&] {
        trimmer.on_turn(0, false);
        trimmer.on_turn(trimmer.next_ms(), true);
        return trimmer.trims();
    };
    const std::uint64_t before = look();
    const auto kept = burst(burst_bytes);
    const std::size_t burst_resident = resident_bytes();
    trimmer.on_turn(0, false);
    trimmer.on_turn(HeapTrimmer::interval_ms - 1, false);
    EXPECT_EQ(trimmer.trims(), before) << "it is not time yet";
    EXPECT_EQ(trimmer.next_ms(), HeapTrimmer::interval_ms);
    trimmer.on_turn(HeapTrimmer::interval_ms, true);
    EXPECT_EQ(trimmer.trims(), before + 1);
    EXPECT_EQ(trimmer.next_ms(), HeapTrimmer::never) << "who does nothing is left alone";
    trimmer.on_turn(HeapTrimmer::interval_ms, true);
    EXPECT_EQ(trimmer.next_ms(), HeapTrimmer::never);
    EXPECT_LT(resident_bytes() + burst_bytes / 2, burst_resident);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(look(), before + 1) << "what was given back is not looked at again";
    }
    const auto more = burst(burst_bytes);
    EXPECT_EQ(look(), before + 2) << "but the same burst again is";
}

TEST(HeapTrimmer, LittleIsKept) {
    HeapTrimmer trimmer;
    trimmer.on_turn(0, false);
    trimmer.on_turn(HeapTrimmer::interval_ms, true);
    const std::uint64_t before = trimmer.trims();
    const auto kept = burst(HeapTrimmer::free_bytes_min / 4);
    trimmer.on_turn(0, false);
    trimmer.on_turn(HeapTrimmer::interval_ms, true);
    EXPECT_EQ(trimmer.trims(), before);
}

}  // namespace
}  // namespace enduring::core
