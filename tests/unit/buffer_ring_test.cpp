// The provided buffers, against the raw memory that the kernel reads: io_uring_buf_ring(3).
#include "core/buffer_ring.hpp"

#include <gtest/gtest.h>
#include <liburing.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace enduring::core {
namespace {

/// Stands where the kernel would: it knows the shared memory and takes buffers from its head.
class FakeRing {
  public:
    Result<void> register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t count,
                                      std::uint16_t group) {
        memory_ = memory;
        count_ = count;
        group_ = group;
        return {};
    }
    [[nodiscard]] std::uint16_t tail() const {
        return __atomic_load_n(&memory_->tail, __ATOMIC_ACQUIRE);
    }
    [[nodiscard]] std::uint16_t available() const {
        return static_cast<std::uint16_t>(tail() - head_);
    }
    io_uring_buf pick() {
        EXPECT_GT(available(), 0);
        return entries()[head_++ & (count_ - 1)];
    }
    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] std::uint16_t group() const { return group_; }

  private:
    // In C++ the header's flexible array lies one byte too far; the entries begin with the ring.
    [[nodiscard]] const io_uring_buf* entries() const {
        return reinterpret_cast<const io_uring_buf*>(memory_);
    }

    io_uring_buf_ring* memory_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint16_t head_ = 0;
    std::uint16_t group_ = 0;
};

TEST(BufferRing, TellsTheRingOfAllItsBuffers) {
    BufferRing buffers(8, 256);
    FakeRing ring;
    ASSERT_TRUE(buffers.attach(ring, 3).has_value());
    EXPECT_EQ(ring.count(), 8U);
    EXPECT_EQ(ring.group(), 3);
    EXPECT_EQ(buffers.count(), 8U);
    EXPECT_EQ(buffers.size_bytes(), 256U);
    EXPECT_EQ(buffers.lent(), 0U);
    EXPECT_EQ(ring.tail(), 8);
    std::set<std::uint64_t> addresses;
    for (std::uint16_t expected = 0; expected < 8; ++expected) {
        const io_uring_buf buffer = ring.pick();
        EXPECT_EQ(buffer.bid, expected);
        EXPECT_EQ(buffer.len, 256U);
        addresses.insert(buffer.addr);
    }
    EXPECT_EQ(addresses.size(), 8U);
    std::set<std::uint64_t> cache_sets;
    for (auto address = addresses.begin(); address != addresses.end(); ++address) {
        cache_sets.insert(*address / 64 % 4);
        if (address != addresses.begin()) {
            EXPECT_GE(*address - *std::prev(address), 256U) << "they do not overlap";
        }
    }
    EXPECT_EQ(cache_sets.size(), 4U) << "not all begin at multiples of their size";
}

TEST(BufferRing, PassesTheRingsErrorOn) {
    struct Refusing {
        Result<void> register_buffer_ring(io_uring_buf_ring*, std::uint32_t, std::uint16_t) {
            return fail("refused");
        }
    } ring;
    BufferRing buffers(2, 64);
    EXPECT_EQ(buffers.attach(ring, 0).error().what, "refused");
}

TEST(BufferRing, LendsTheBytesThatTheKernelWrote) {
    BufferRing buffers(4, 64);
    FakeRing ring;
    ASSERT_TRUE(buffers.attach(ring, 0).has_value());
    static_cast<void>(ring.pick());
    const io_uring_buf picked = ring.pick();
    std::memcpy(reinterpret_cast<void*>(picked.addr), "hello", 5);
    const std::span<const char> bytes = buffers.lend(picked.bid, 5);
    EXPECT_EQ(std::string_view(bytes.data(), bytes.size()), "hello");
    EXPECT_EQ(buffers.lent(), 1U);
    EXPECT_EQ(buffers.lend(0, 64).size(), 64U) << "up to its whole size";
    EXPECT_EQ(buffers.lend(2, 0).size(), 0U);
    EXPECT_EQ(buffers.lent(), 3U);
}

TEST(BufferRing, TheKernelSeesWhatCameBackOnlyAfterPublish) {
    BufferRing buffers(4, 64);
    FakeRing ring;
    ASSERT_TRUE(buffers.attach(ring, 0).has_value());
    std::vector<io_uring_buf> picked;
    for (int i = 0; i < 4; ++i) {
        picked.push_back(ring.pick());
        static_cast<void>(buffers.lend(picked.back().bid, 1));
    }
    buffers.give_back(2);
    buffers.give_back(0);
    EXPECT_EQ(buffers.lent(), 2U);
    EXPECT_EQ(ring.tail(), 4);
    buffers.publish();
    EXPECT_EQ(ring.tail(), 6);
    buffers.publish();
    EXPECT_EQ(ring.tail(), 6) << "once";
    for (const std::size_t expected : {2U, 0U}) {
        const io_uring_buf again = ring.pick();
        EXPECT_EQ(again.bid, expected);
        EXPECT_EQ(again.addr, picked[expected].addr);
        EXPECT_EQ(again.len, 64U);
    }
    EXPECT_EQ(ring.available(), 0);
}

TEST(BufferRing, NoBufferIsLostOverManyRounds) {
    constexpr std::uint32_t count = 16;
    BufferRing buffers(count, 32);
    FakeRing ring;
    ASSERT_TRUE(buffers.attach(ring, 0).has_value());
    std::mt19937 random(1);
    std::deque<std::uint16_t> lent;
    // More rounds than the tail, which wraps at 65536, can count.
    for (int round = 0; round < 200'000; ++round) {
        if (ring.available() > 0 && random() % 2 == 0) {
            const std::uint16_t buffer = ring.pick().bid;
            ASSERT_LT(buffer, count);
            static_cast<void>(buffers.lend(buffer, 1));
            lent.push_back(buffer);
        } else if (!lent.empty()) {
            const std::size_t index = random() % lent.size();
            buffers.give_back(lent[index]);
            lent.erase(lent.begin() + static_cast<std::ptrdiff_t>(index));
        }
        if (random() % 4 == 0) {
            buffers.publish();
            ASSERT_EQ(ring.available() + lent.size(), count);
        }
        ASSERT_EQ(buffers.lent(), lent.size());
    }
}

TEST(BufferRing, MayHaveAsManyAsTheKernelAllows) {
    BufferRing buffers(32'768, 16);
    FakeRing ring;
    ASSERT_TRUE(buffers.attach(ring, 0).has_value());
    EXPECT_EQ(ring.available(), 32'768);
    for (std::uint32_t i = 0; i < 32'768; ++i) {
        static_cast<void>(buffers.lend(ring.pick().bid, 16));
    }
    for (std::uint32_t i = 0; i < 32'768; ++i) {
        buffers.give_back(static_cast<std::uint16_t>(i));
    }
    buffers.publish();
    EXPECT_EQ(ring.available(), 32'768);
    EXPECT_EQ(buffers.lent(), 0U);
}

TEST(BufferRingDeathTest, EveryBufferComesBackExactlyOnce) {
    BufferRing buffers(4, 64);
    EXPECT_DEATH(buffers.give_back(1), "came back twice");
    static_cast<void>(buffers.lend(1, 10));
    EXPECT_DEATH(static_cast<void>(buffers.lend(1, 10)), "lent twice");
    buffers.give_back(1);
    EXPECT_DEATH(buffers.give_back(1), "came back twice");
}

TEST(BufferRingDeathTest, ACompletionCannotBringWhatIsNotThere) {
    BufferRing buffers(4, 64);
    EXPECT_DEATH(static_cast<void>(buffers.lend(4, 1)), "no such receive buffer");
    EXPECT_DEATH(static_cast<void>(buffers.lend(0, 65)), "no such receive buffer");
    EXPECT_DEATH(buffers.give_back(4), "came back twice");
}

TEST(BufferRingDeathTest, TheCountIsAPowerOfTwoThatTheKernelTakes) {
    EXPECT_DEATH(BufferRing(0, 64), "bad number of receive buffers");
    EXPECT_DEATH(BufferRing(12, 64), "bad number of receive buffers");
    EXPECT_DEATH(BufferRing(65'536, 64), "bad number of receive buffers");
}

}  // namespace
}  // namespace enduring::core
