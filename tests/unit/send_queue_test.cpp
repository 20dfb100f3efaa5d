// The output queue, by hand and at random against a string of what is queued.
#include "core/send_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace enduring::core {
namespace {

/// Keeps a string alive and tells whether anybody still refers to it.
class Owned {
  public:
    explicit Owned(std::string bytes) : bytes_(std::make_shared<std::string>(std::move(bytes))) {}
    [[nodiscard]] SharedPiece piece() const { return {bytes_->data(), bytes_->size(), bytes_}; }
    [[nodiscard]] bool referred_to() const { return bytes_.use_count() > 1; }

  private:
    std::shared_ptr<std::string> bytes_;
};

class SendQueueTest : public testing::Test {
  protected:
    BlockPool pool_;
    SendQueue queue_;

    void TearDown() override {
        queue_.clear(pool_);
        EXPECT_TRUE(queue_.empty());
        EXPECT_EQ(queue_.size_bytes(), 0U);
        EXPECT_EQ(pool_.lent(), 0U) << "a block was not given back";
    }

    /// The bytes up to the first file.
    [[nodiscard]] std::string gathered(std::size_t slices_max = 64) const {
        std::array<Slice, 64> slices;
        const std::size_t count = queue_.gather(std::span(slices).first(slices_max));
        EXPECT_LE(count, slices_max);
        std::string bytes;
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_GT(slices[i].size, 0U) << "an empty run";
            bytes.append(slices[i].data, slices[i].size);
        }
        return bytes;
    }
};

TEST_F(SendQueueTest, HoldsNothingWhileEmpty) {
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(queue_.size_bytes(), 0U);
    EXPECT_EQ(gathered(), "");
    EXPECT_EQ(queue_.front_file(), nullptr);
    queue_.consume(0, pool_);
    queue_.append(std::string_view(), pool_);
    queue_.append(SharedPiece{"", 0, nullptr}, pool_);
    queue_.append(FilePiece{5, 0, nullptr, 3}, pool_);
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(pool_.lent(), 0U);
}

TEST_F(SendQueueTest, CopiesBytesInOrder) {
    std::string source = "one ";
    queue_.append(source, pool_);
    source = "two ";
    queue_.append(source, pool_);
    source = "xxxx";
    EXPECT_EQ(gathered(), "one two ");
    EXPECT_EQ(queue_.size_bytes(), 8U);
    EXPECT_EQ(pool_.lent(), 1U) << "small pieces share a block";
}

TEST_F(SendQueueTest, BytesThatFillABlockExactlyNeedNoSecondOne) {
    const std::string full(Block::payload_bytes, 'a');
    queue_.append(full, pool_);
    EXPECT_EQ(pool_.lent(), 1U);
    queue_.append("b", pool_);
    EXPECT_EQ(pool_.lent(), 2U);
    EXPECT_EQ(gathered(), full + "b");
    queue_.consume(full.size(), pool_);
    EXPECT_EQ(pool_.lent(), 1U) << "a block is given back as soon as it was sent";
    EXPECT_EQ(gathered(), "b");
}

TEST_F(SendQueueTest, LongBytesSpreadOverBlocks) {
    std::string bytes(3 * Block::payload_bytes + 17, 'x');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>('a' + i % 23);
    }
    queue_.append(bytes, pool_);
    EXPECT_EQ(pool_.lent(), 4U);
    EXPECT_EQ(gathered(), bytes);
    EXPECT_EQ(gathered(1), bytes.substr(0, Block::payload_bytes));
    EXPECT_EQ(gathered(0), "");
    queue_.consume(Block::payload_bytes + 5, pool_);
    EXPECT_EQ(gathered(), bytes.substr(Block::payload_bytes + 5));
    EXPECT_EQ(pool_.lent(), 3U);
}

TEST_F(SendQueueTest, ConsumedToTheEndItHoldsNothingAgain) {
    queue_.append("abc", pool_);
    queue_.consume(2, pool_);
    EXPECT_EQ(gathered(), "c");
    queue_.consume(1, pool_);
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(pool_.lent(), 0U);
    queue_.append("d", pool_);
    EXPECT_EQ(gathered(), "d");
}

TEST_F(SendQueueTest, WhatIsReservedCountsFromTheCommit) {
    std::span<char> room = queue_.reserve(10, pool_);
    ASSERT_GE(room.size(), 10U);
    std::memcpy(room.data(), "0123456789", 10);
    EXPECT_EQ(queue_.size_bytes(), 0U);
    EXPECT_EQ(gathered(), "") << "nothing is committed yet";
    queue_.commit(4);
    EXPECT_EQ(gathered(), "0123");
    EXPECT_EQ(queue_.size_bytes(), 4U);
    room = queue_.reserve(Block::payload_bytes - 4, pool_);
    EXPECT_EQ(room.size(), Block::payload_bytes - 4) << "the rest of the same block";
    EXPECT_EQ(pool_.lent(), 1U);
    room = queue_.reserve(Block::payload_bytes - 3, pool_);
    EXPECT_EQ(room.size(), Block::payload_bytes) << "the next block";
    EXPECT_EQ(pool_.lent(), 2U);
}

TEST_F(SendQueueTest, AnUnusedReservationDoesNotStandInTheWay) {
    static_cast<void>(queue_.reserve(100, pool_));
    queue_.append(SharedPiece{"shared", 6, nullptr}, pool_);
    EXPECT_EQ(gathered(), "shared");
    queue_.consume(6, pool_);
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(pool_.lent(), 0U);
}

TEST_F(SendQueueTest, AnUnusedReservationDoesNotHideAFile) {
    static_cast<void>(queue_.reserve(100, pool_));
    queue_.append(FilePiece{0, 10, nullptr, 3}, pool_);
    EXPECT_NE(queue_.front_file(), nullptr);
}

TEST_F(SendQueueTest, WhatIsBeingSentStaysWhereItIs) {
    queue_.append("in the kernel", pool_);
    std::array<Slice, 1> slices;
    ASSERT_EQ(queue_.gather(slices), 1U);
    const Slice sent = slices[0];
    for (int i = 0; i < 1'000; ++i) {
        queue_.append("appended meanwhile", pool_);
    }
    EXPECT_EQ(std::string_view(sent.data, sent.size), "in the kernel");
    queue_.consume(sent.size, pool_);
    EXPECT_EQ(gathered(1).substr(0, 18), "appended meanwhile");
}

TEST_F(SendQueueTest, SharedBytesAreNotCopiedAndTheOwnerGoesWithTheLastByte) {
    const Owned owned("shared bytes");
    const SharedPiece piece = owned.piece();
    queue_.append("<", pool_);
    queue_.append(owned.piece(), pool_);
    queue_.append(">", pool_);
    std::array<Slice, 4> slices;
    ASSERT_EQ(queue_.gather(slices), 3U);
    EXPECT_EQ(slices[1].data, piece.data) << "by reference";
    EXPECT_EQ(gathered(), "<shared bytes>");
    queue_.consume(12, pool_);
    EXPECT_EQ(gathered(), "s>");
    EXPECT_TRUE(owned.referred_to());
    EXPECT_EQ(queue_.size_bytes(), 2U);
    const std::weak_ptr<const void> owner = piece.owner;
    EXPECT_EQ(owner.use_count(), 3);  // owned, piece, the queue
    queue_.consume(1, pool_);
    EXPECT_EQ(owner.use_count(), 2);
    EXPECT_EQ(gathered(), ">");
}

TEST_F(SendQueueTest, GatherStopsAtAFile) {
    queue_.append("head", pool_);
    queue_.append(FilePiece{100, 50, nullptr, 7}, pool_);
    queue_.append("tail", pool_);
    EXPECT_EQ(queue_.size_bytes(), 58U);
    EXPECT_EQ(gathered(), "head");
    EXPECT_EQ(queue_.front_file(), nullptr);
    queue_.consume(4, pool_);
    EXPECT_EQ(gathered(), "");
    ASSERT_NE(queue_.front_file(), nullptr);
    EXPECT_EQ(queue_.front_file()->offset, 100U);
    EXPECT_EQ(queue_.front_file()->size, 50U);
    EXPECT_EQ(queue_.front_file()->descriptor, 7);
    queue_.consume(30, pool_);
    EXPECT_EQ(queue_.front_file()->offset, 130U);
    EXPECT_EQ(queue_.front_file()->size, 20U);
    queue_.consume(20, pool_);
    EXPECT_EQ(queue_.front_file(), nullptr);
    EXPECT_EQ(gathered(), "tail");
}

TEST_F(SendQueueTest, AFileMayBeLargerThanMemory) {
    constexpr std::uint64_t size = 1ULL << 40;
    queue_.append(FilePiece{0, size, nullptr, 7}, pool_);
    EXPECT_EQ(queue_.size_bytes(), size);
    queue_.consume(size - 1, pool_);
    EXPECT_EQ(queue_.front_file()->offset, size - 1);
    queue_.consume(1, pool_);
    EXPECT_TRUE(queue_.empty());
}

TEST_F(SendQueueTest, OneConsumeMayCrossPiecesOfEveryKind) {
    const Owned owned("shared");
    queue_.append("bytes", pool_);
    queue_.append(owned.piece(), pool_);
    queue_.append(FilePiece{0, 10, nullptr, 7}, pool_);
    queue_.append("end", pool_);
    queue_.consume(5 + 6 + 10 + 1, pool_);
    EXPECT_FALSE(owned.referred_to());
    EXPECT_EQ(gathered(), "nd");
    EXPECT_EQ(pool_.lent(), 1U);
}

TEST_F(SendQueueTest, ClearDropsEveryOwner) {
    const Owned shared("shared");
    const Owned file("stands for an open file");
    queue_.append("bytes", pool_);
    queue_.append(shared.piece(), pool_);
    queue_.append(FilePiece{0, 10, file.piece().owner, 7}, pool_);
    EXPECT_TRUE(shared.referred_to() && file.referred_to());
    queue_.clear(pool_);
    EXPECT_FALSE(shared.referred_to() || file.referred_to());
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(queue_.size_bytes(), 0U);
    EXPECT_EQ(pool_.lent(), 0U);
}

TEST(SendQueueDeathTest, MisuseIsABug) {
    BlockPool pool;
    SendQueue queue;
    EXPECT_DEATH(static_cast<void>(queue.reserve(Block::payload_bytes + 1, pool)),
                 "more than a block holds");
    EXPECT_DEATH(queue.commit(1), "committed more than was reserved");
    queue.append("abc", pool);
    EXPECT_DEATH(queue.commit(Block::payload_bytes - 2), "committed more than was reserved");
    EXPECT_DEATH(queue.consume(4, pool), "more was sent than was queued");
    queue.append(FilePiece{0, 10, nullptr, 7}, pool);
    EXPECT_DEATH(queue.commit(1), "committed more than was reserved");
    queue.clear(pool);
}

TEST(SendQueueDeathTest, AQueueThatStillHoldsBlocksMustNotGo) {
    const auto destroy_unsent = [] {
        BlockPool pool;
        SendQueue queue;
        queue.append("abc", pool);
    };
    EXPECT_DEATH(destroy_unsent(), "destroyed before it was cleared");
}

// ---- at random, against a string ---------------------------------------------------------------

/// Files stand in the model as pieces whose bytes are made from their offsets.
struct ModelPiece {
    std::string bytes;
    bool file = false;
    std::uint64_t offset = 0;
    std::weak_ptr<const void> owner{};
    bool owned = false;
};

class SendQueueAtRandom : public testing::TestWithParam<unsigned> {
  protected:
    std::mt19937_64 random_{GetParam()};
    BlockPool pool_{4};
    SendQueue queue_;
    std::deque<ModelPiece> model_;
    unsigned letter_ = 0;

    std::size_t below(std::size_t bound) { return random_() % bound; }
    std::size_t length() { return below(4) == 0 ? below(3 * Block::payload_bytes) : below(300); }
    std::string text(std::size_t size) {
        std::string bytes(size, ' ');
        for (char& byte : bytes) {
            byte = static_cast<char>('!' + letter_++ % 89);
        }
        return bytes;
    }

    void append() {
        ModelPiece piece{.bytes = text(length())};
        switch (below(5)) {
            case 0: {
                const auto owner = std::make_shared<const std::string>(piece.bytes);
                queue_.append(SharedPiece{owner->data(), owner->size(), owner}, pool_);
                piece.owner = owner;
                piece.owned = true;
                break;
            }
            case 1: {
                const auto owner = std::make_shared<const int>(0);
                piece.file = true;
                piece.offset = below(1'000'000);
                queue_.append(FilePiece{piece.offset, piece.bytes.size(), owner, 42}, pool_);
                piece.owner = owner;
                piece.owned = true;
                break;
            }
            case 2: {
                const std::size_t wanted = below(Block::payload_bytes + 1);
                const std::span<char> room = queue_.reserve(wanted, pool_);
                ASSERT_GE(room.size(), wanted);
                piece.bytes = text(below(3) == 0 ? 0 : below(wanted + 1));
                std::ranges::copy(piece.bytes, room.begin());
                queue_.commit(piece.bytes.size());
                break;
            }
            default:
                queue_.append(piece.bytes, pool_);
                break;
        }
        if (!piece.bytes.empty()) {
            model_.push_back(std::move(piece));
        }
    }

    void consume(std::uint64_t bytes) {
        queue_.consume(bytes, pool_);
        std::vector<std::weak_ptr<const void>> gone;
        while (!model_.empty() && bytes >= model_.front().bytes.size()) {
            bytes -= model_.front().bytes.size();
            gone.push_back(model_.front().owner);
            model_.pop_front();
        }
        if (bytes > 0) {
            model_.front().bytes.erase(0, bytes);
            model_.front().offset += bytes;
        }
        for (const auto& owner : gone) {
            ASSERT_TRUE(owner.expired()) << "an owner is kept although all was sent";
        }
    }

    void compare() {
        std::uint64_t size = 0;
        for (const ModelPiece& piece : model_) {
            size += piece.bytes.size();
            ASSERT_TRUE(!piece.owned || !piece.owner.expired()) << "an owner went too early";
        }
        ASSERT_EQ(queue_.size_bytes(), size);

        const bool file_first = !model_.empty() && model_.front().file;
        std::string expected;
        for (const ModelPiece& piece : model_) {
            if (piece.file) {
                break;
            }
            expected += piece.bytes;
        }
        std::array<Slice, 16> slices;
        const std::size_t wanted = 1 + below(slices.size());
        const std::size_t count = queue_.gather(std::span(slices).first(wanted));
        ASSERT_LE(count, wanted);
        ASSERT_EQ(count > 0, !expected.empty());
        std::string bytes;
        for (std::size_t i = 0; i < count; ++i) {
            bytes.append(slices[i].data, slices[i].size);
        }
        ASSERT_TRUE(expected.starts_with(bytes));
        if (count < wanted) {
            ASSERT_EQ(bytes.size(), expected.size()) << "something was left out";
        }
        ASSERT_EQ(queue_.front_file() != nullptr, file_first);
        if (file_first) {
            ASSERT_EQ(queue_.front_file()->offset, model_.front().offset);
            ASSERT_EQ(queue_.front_file()->size, model_.front().bytes.size());
        }
    }
};

TEST_P(SendQueueAtRandom, SendsWhatWasAppended) {
    for (unsigned round = 0; round < 5'000; ++round) {
        if (below(3) != 0) {
            ASSERT_NO_FATAL_FAILURE(append());
        } else if (queue_.size_bytes() > 0) {
            // Often one piece, sometimes a few bytes, sometimes all.
            const std::uint64_t first = model_.front().bytes.size();
            const std::array<std::uint64_t, 4> choices{
                first, 1 + below(first), 1 + below(queue_.size_bytes()), queue_.size_bytes()};
            const std::size_t rare = below(30) == 0 ? 4 : 3;
            ASSERT_NO_FATAL_FAILURE(consume(choices[below(rare)]));
        }
        ASSERT_NO_FATAL_FAILURE(compare());
    }
    ASSERT_NO_FATAL_FAILURE(consume(queue_.size_bytes()));
    EXPECT_EQ(queue_.size_bytes(), 0U);
    queue_.clear(pool_);
    EXPECT_EQ(pool_.lent(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SendQueueAtRandom, testing::Range(0U, 10U));

}  // namespace
}  // namespace enduring::core
