#include "http/file_cache.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "http/open_file.hpp"

namespace enduring::http {
namespace {

constexpr std::int64_t now = 1'000'000;

KnownFile file_of(std::size_t size, std::int64_t modified_s = now - 100) {
    KnownFile file;
    file.state = {.device = 1, .inode = 2, .size = size, .modified_s = modified_s};
    file.content = std::string(size, 'x');
    return file;
}

// For a test that has no more use for the file.
std::shared_ptr<const KnownFile> keep(FileCache& cache, std::string_view path, KnownFile file,
                                      std::int64_t now_seconds) {
    return cache.keep(path, file, now_seconds);
}

TEST(FileCache, GivesWhatWasKeptForItsPath) {
    FileCache cache(100'000);
    const auto kept = keep(cache, "a", file_of(10), now);
    ASSERT_NE(kept, nullptr);
    EXPECT_EQ(kept->content, "xxxxxxxxxx");
    EXPECT_EQ(cache.find("a", now), kept);
    EXPECT_EQ(cache.find("b", now), nullptr);
    cache.drop("a");
    EXPECT_EQ(cache.find("a", now), nullptr);
    cache.drop("a");
}

TEST(FileCache, ALaterFileTakesThePlaceOfAnEarlier) {
    FileCache cache(100'000);
    keep(cache, "a", file_of(10), now);
    keep(cache, "a", file_of(20), now);
    EXPECT_EQ(cache.find("a", now)->content.size(), 20U);
    EXPECT_LT(cache.bytes(), 1'000U) << "the earlier one has gone";
}

// Two changes within one tick of the file system's clock look like one.
TEST(FileCache, WhatHasJustChangedIsNotKept) {
    FileCache cache(100'000);
    EXPECT_EQ(keep(cache, "a", file_of(10, now), now), nullptr);
    EXPECT_EQ(keep(cache, "a", file_of(10, now - 1), now), nullptr);
    EXPECT_EQ(keep(cache, "a", file_of(10, now + 50), now), nullptr) << "nor what comes from later";
    KnownFile changed = file_of(10);
    changed.state.changed_s = now - 1;
    EXPECT_EQ(keep(cache, "a", std::move(changed), now), nullptr) << "a time that was set back";
    EXPECT_EQ(cache.find("a", now), nullptr);
    EXPECT_NE(keep(cache, "a", file_of(10, now - 2), now), nullptr);
}

TEST(FileCache, IsReadAgainAfterSomeTime) {
    FileCache cache(100'000);
    keep(cache, "a", file_of(10), now);
    EXPECT_NE(cache.find("a", now + 9), nullptr);
    EXPECT_EQ(cache.find("a", now + 10), nullptr);
    EXPECT_EQ(cache.bytes(), 0U);
    keep(cache, "a", file_of(10), now);
    EXPECT_EQ(cache.find("a", now - 1), nullptr) << "the clock was set back";
}

TEST(FileCache, TheLongestUnusedMakesRoom) {
    FileCache cache(35'000);
    for (const char* path : {"a", "b", "c"}) {
        ASSERT_NE(keep(cache, path, file_of(10'000), now), nullptr);
    }
    EXPECT_NE(cache.find("a", now), nullptr);
    ASSERT_NE(keep(cache, "d", file_of(10'000), now), nullptr);
    EXPECT_EQ(cache.find("b", now), nullptr);
    EXPECT_NE(cache.find("a", now), nullptr);
    EXPECT_NE(cache.find("c", now), nullptr);
    EXPECT_LE(cache.bytes(), 35'000U);
}

TEST(FileCache, WhatIsBeingSentCountsUntilItIsSent) {
    FileCache cache(25'000);
    auto first = keep(cache, "a", file_of(10'000), now);
    auto second = keep(cache, "b", file_of(10'000), now);
    EXPECT_EQ(keep(cache, "c", file_of(10'000), now), nullptr) << "nothing can go";
    EXPECT_NE(cache.find("a", now), nullptr);
    cache.drop("b");
    EXPECT_EQ(keep(cache, "c", file_of(10'000), now), nullptr) << "what was dropped is still there";
    second.reset();
    EXPECT_NE(keep(cache, "c", file_of(10'000), now), nullptr);
    EXPECT_NE(keep(cache, "d", file_of(10'000), now), nullptr) << "in the place of c";
    EXPECT_NE(cache.find("a", now), nullptr) << "which is in use";
}

TEST(FileCache, NothingGoesIfThatMakesNoRoom) {
    FileCache cache(35'000);
    const auto sent = keep(cache, "a", file_of(20'000), now);
    keep(cache, "b", file_of(10'000), now);
    KnownFile large = file_of(30'000);
    EXPECT_EQ(cache.keep("c", large, now), nullptr);
    EXPECT_EQ(large.content.size(), 30'000U) << "its owner may still send it";
    EXPECT_NE(cache.find("b", now), nullptr);
    EXPECT_NE(keep(cache, "d", file_of(12'000), now), nullptr);
    EXPECT_EQ(cache.find("b", now), nullptr);
    EXPECT_EQ(cache.find("a", now), sent);
}

TEST(FileCache, WhatIsBeingSentOutlivesTheCache) {
    std::shared_ptr<const KnownFile> file;
    {
        FileCache cache(25'000);
        file = keep(cache, "a", file_of(10'000), now);
    }
    EXPECT_EQ(file->content, std::string(10'000, 'x'));
}

TEST(FileCache, WhatStaysOpenIsForgottenAtOnce) {
    FileCache cache(100'000);
    const auto open = std::make_shared<const OpenFile>(-1);
    KnownFile changed = file_of(0, now);
    changed.open = open;
    EXPECT_NE(cache.keep("a", changed, now), nullptr) << "its content is read anew each time";
    keep(cache, "b", file_of(10), now);
    KnownFile other = file_of(0);
    other.open = open;
    EXPECT_NE(cache.keep("c", other, now), nullptr);
    cache.drop("c");
    EXPECT_EQ(open.use_count(), 2);
    EXPECT_EQ(cache.drop_open(), 1U);
    EXPECT_EQ(open.use_count(), 1);
    EXPECT_EQ(cache.find("a", now), nullptr);
    EXPECT_NE(cache.find("b", now), nullptr);
    EXPECT_EQ(cache.drop_open(), 0U);
}

TEST(FileCache, OnlySoManyStayOpen) {
    for (const std::size_t most : {0U, 1U, 3U}) {
        FileCache cache(100'000, most);
        for (const std::string_view path : {"a", "b", "c", "d"}) {
            KnownFile file = file_of(0);
            file.open = std::make_shared<const OpenFile>(-1);
            EXPECT_EQ(cache.keep(path, file, now) != nullptr, most > 0);
        }
        EXPECT_EQ(cache.find("a", now), nullptr) << "the longest unused has gone";
        EXPECT_EQ(cache.find("d", now) != nullptr, most > 0);
        EXPECT_EQ(cache.drop_open(), most);
    }
}

TEST(FileCache, ACacheOfNothingKeepsNothing) {
    FileCache cache(0);
    EXPECT_FALSE(cache.would_keep(file_of(0).state, now));
    EXPECT_EQ(keep(cache, "a", file_of(0), now), nullptr);
    FileCache small(1'000);
    EXPECT_EQ(keep(small, "a", file_of(10'000), now), nullptr);
    EXPECT_NE(keep(small, "a", file_of(10), now), nullptr);
}

}  // namespace
}  // namespace enduring::http
