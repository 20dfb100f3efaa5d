#include "core/block_pool.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace enduring::core {
namespace {

TEST(BlockPool, CountsWhatIsOut) {
    BlockPool pool;
    EXPECT_EQ(pool.lent(), 0U);
    EXPECT_EQ(pool.kept(), 0U);
    Block* first = pool.take();
    Block* second = pool.take();
    EXPECT_NE(first, second);
    EXPECT_EQ(pool.lent(), 2U);
    pool.give(first);
    EXPECT_EQ(pool.lent(), 1U);
    EXPECT_EQ(pool.kept(), 1U);
    pool.give(second);
    EXPECT_EQ(pool.lent(), 0U);
    EXPECT_EQ(pool.kept(), 2U);
}

TEST(BlockPool, CountsWhatIsChargedToo) {
    BlockPool pool;
    Block* block = pool.take();
    pool.charge(1'000);
    pool.charge(10);
    EXPECT_EQ(pool.output_bytes(), Block::size_bytes + 1'010);
    pool.discharge(1'000);
    pool.give(block);
    EXPECT_EQ(pool.output_bytes(), 10U);
    pool.discharge(10);
    EXPECT_EQ(pool.output_bytes(), 0U);
}

TEST(BlockPool, TheLastGivenIsTheFirstTaken) {
    BlockPool pool;
    Block* cold = pool.take();
    Block* hot = pool.take();
    pool.give(cold);
    pool.give(hot);
    EXPECT_EQ(pool.take(), hot);
    EXPECT_EQ(pool.take(), cold);
    EXPECT_EQ(pool.kept(), 0U);
    pool.give(cold);
    pool.give(hot);
}

TEST(BlockPool, EveryBlockComesFresh) {
    BlockPool pool;
    Block* block = pool.take();
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(block->next, nullptr);
        EXPECT_EQ(block->begin, 0U);
        EXPECT_EQ(block->end, 0U);
        EXPECT_EQ(block->kind, PieceKind::bytes);
        block->next = block;
        block->begin = 5;
        block->end = 9;
        block->kind = PieceKind::file;
        pool.give(block);
        ASSERT_EQ(pool.take(), block);
    }
    pool.give(block);
}

TEST(BlockPool, KeepsNoMoreThanItsMaximum) {
    BlockPool pool(2);
    std::vector<Block*> blocks;
    for (int i = 0; i < 5; ++i) {
        blocks.push_back(pool.take());
    }
    for (Block* block : blocks) {
        pool.give(block);
    }
    EXPECT_EQ(pool.kept(), 2U);
    EXPECT_EQ(pool.lent(), 0U);
}

TEST(BlockPool, MayKeepNothing) {
    BlockPool pool(0);
    pool.give(pool.take());
    EXPECT_EQ(pool.kept(), 0U);
    EXPECT_EQ(pool.lent(), 0U);
}

TEST(BlockPool, BlocksAreAlignedAndWritableToTheirEnd) {
    BlockPool pool;
    Block* block = pool.take();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block->payload) % 16, 0U);
    static_assert(sizeof(Block) == 4096 && Block::payload_bytes == 4064);
    block->payload[0] = 'a';
    block->payload[Block::payload_bytes - 1] = 'z';
    pool.give(block);
}

TEST(BlockPoolDeathTest, MoreCannotComeBackThanWentOut) {
    BlockPool pool;
    Block* block = pool.take();
    pool.give(block);
    EXPECT_DEATH(pool.give(block), "came back that was never lent");
}

}  // namespace
}  // namespace enduring::core
