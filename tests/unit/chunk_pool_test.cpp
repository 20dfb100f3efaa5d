#include "core/chunk_pool.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace enduring::core {
namespace {

TEST(ChunkPool, LendsUpToItsMaximum) {
    ChunkPool pool(3);
    std::set<Chunk*> chunks;
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(pool.lent(), i);
        Chunk* chunk = pool.take();
        ASSERT_NE(chunk, nullptr);
        EXPECT_TRUE(chunks.insert(chunk).second) << "lent twice";
    }
    EXPECT_EQ(pool.take(), nullptr);
    EXPECT_EQ(pool.lent(), 3U);
    for (Chunk* chunk : chunks) {
        pool.give(chunk);
    }
    EXPECT_EQ(pool.lent(), 0U);
    EXPECT_NE(pool.take(), nullptr);
}

TEST(ChunkPool, OneThatCameBackServesTheNext) {
    ChunkPool pool(1);
    Chunk* chunk = pool.take();
    EXPECT_EQ(pool.take(), nullptr);
    pool.give(chunk);
    EXPECT_EQ(pool.take(), chunk);
    EXPECT_EQ(pool.lent(), 1U);
    pool.give(chunk);
}

TEST(ChunkPool, UsesTheSameChunksAgainBeforeItAddsOthers) {
    ChunkPool pool(8);
    Chunk* first = pool.take();
    Chunk* second = pool.take();
    pool.give(first);
    pool.give(second);
    for (int i = 0; i < 4; ++i) {
        Chunk* chunk = pool.take();
        EXPECT_TRUE(chunk == first || chunk == second);
        pool.give(chunk);
    }
}

TEST(ChunkPool, AChunkComesEmptyAndIsWritableToItsEnd) {
    ChunkPool pool(1);
    Chunk* chunk = pool.take();
    EXPECT_EQ(chunk->filled, 0U);
    chunk->filled = 17;
    chunk->data[0] = 'a';
    chunk->data[Chunk::size_bytes - 1] = 'z';
    pool.give(chunk);
    EXPECT_EQ(pool.take()->filled, 0U);
}

TEST(ChunkPool, MayHaveNone) {
    ChunkPool pool(0);
    EXPECT_EQ(pool.take(), nullptr);
    EXPECT_EQ(pool.lent(), 0U);
}

}  // namespace
}  // namespace enduring::core
