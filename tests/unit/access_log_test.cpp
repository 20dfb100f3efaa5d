// The way of lines to their target: nothing lost while it takes them, nobody held up when it does
// not.
#include "http/access_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace enduring::http {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

TEST(LogChannel, GivesLinesInOrderRoundItsEnd) {
    Bell bell;
    LogChannel channel(64, bell);
    std::string text;
    EXPECT_FALSE(channel.take(text));
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        const std::string line = "line " + std::to_string(i) + " of many\n";
        ASSERT_TRUE(channel.put(line));
        EXPECT_FALSE(channel.empty());
        ASSERT_TRUE(channel.put(line));
        expected += line + line;
        EXPECT_TRUE(channel.take(text));
        EXPECT_TRUE(channel.empty());
    }
    EXPECT_EQ(text, expected);
    EXPECT_EQ(channel.dropped(), 0U);
}

TEST(LogChannel, DropsWholeLinesForWhichThereIsNoRoom) {
    Bell bell;
    LogChannel channel(16, bell);
    EXPECT_TRUE(channel.put("0123456789\n"));
    EXPECT_FALSE(channel.put("no room\n"));
    EXPECT_TRUE(channel.put("0123\n")) << "to the last byte";
    EXPECT_FALSE(channel.put("\n"));
    EXPECT_EQ(channel.dropped(), 2U);
    std::string text;
    EXPECT_TRUE(channel.take(text));
    EXPECT_EQ(text, "0123456789\n0123\n");
    EXPECT_TRUE(channel.put("0123456789abcde\n"));
}

TEST(LogChannel, TwoThreadsLoseNothing) {
    Bell bell;
    LogChannel channel(256, bell);
    constexpr int lines = 100'000;
    std::thread worker([&] {
        for (int i = 0; i < lines; ++i) {
            const std::string line = std::to_string(i) + "\n";
            while (!channel.put(line)) {
                std::this_thread::yield();
            }
        }
    });
    std::string text;
    std::string expected;
    for (int i = 0; i < lines; ++i) {
        expected += std::to_string(i) + "\n";
    }
    while (text.size() < expected.size()) {
        if (!channel.take(text)) {
            bell.wait([&] { return !channel.empty(); });
        }
    }
    worker.join();
    EXPECT_TRUE(text == expected);
}

class AccessLogTest : public testing::Test {
  protected:
    AccessLogTest() {
        std::string path = (fs::temp_directory_path() / "access_log_test.XXXXXX").string();
        EXPECT_NE(::mkdtemp(path.data()), nullptr);
        directory_ = path;
    }
    ~AccessLogTest() override { fs::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const {
        return (directory_ / name).string();
    }
    [[nodiscard]] std::string content(const std::string& name) const {
        std::ifstream file(directory_ / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static void await(const AccessLog& log, std::uint64_t written) {
        for (int i = 0; i < 2'000 && log.written() < written; ++i) {
            std::this_thread::sleep_for(5ms);
        }
        EXPECT_EQ(log.written(), written);
    }

    fs::path directory_;
};

TEST_F(AccessLogTest, WritesTheLinesOfAllWorkersBehindWhatIsThere) {
    std::ofstream(path("log")) << "old\n";
    {
        auto log = std::move(*AccessLog::open(path("log"), 2));
        ASSERT_TRUE(log->start().has_value());
        log->channel(0).put("a\n");
        await(*log, 1);
        log->channel(1).put("b\n");
        await(*log, 2);
        log->channel(0).put("c\n");
    }
    EXPECT_EQ(content("log"), "old\na\nb\nc\n") << "and at the end what is left";
}

TEST_F(AccessLogTest, ABusyWorkersLinesAreAllThere) {
    constexpr unsigned lines = 50'000;
    auto log = std::move(*AccessLog::open(path("log"), 2));
    ASSERT_TRUE(log->start().has_value());
    const auto work = [&](unsigned worker) {
        for (unsigned i = 0; i < lines; ++i) {
            while (!log->channel(worker).put(std::to_string(worker) + " " + std::to_string(i) +
                                             "\n")) {
                std::this_thread::sleep_for(1ms);
            }
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    log->stop();
    EXPECT_EQ(log->written(), 2 * lines);
    std::array<unsigned, 2> next{};
    std::ifstream file(directory_ / "log");
    unsigned worker = 0;
    unsigned number = 0;
    while (file >> worker >> number) {
        ASSERT_LT(worker, 2U);
        ASSERT_EQ(number, next[worker]++);
    }
    EXPECT_EQ(next, (std::array<unsigned, 2>{lines, lines}));
}

TEST_F(AccessLogTest, GoesOnInANewFileWhenTheOldOneIsRenamed) {
    auto log = std::move(*AccessLog::open(path("log"), 1));
    ASSERT_TRUE(log->start().has_value());
    log->channel(0).put("a\n");
    await(*log, 1);
    fs::rename(path("log"), path("log.1"));
    log->channel(0).put("b\n");
    await(*log, 2);
    log->reopen();
    for (int i = 0; i < 5'000 && !fs::exists(path("log")); ++i) {
        std::this_thread::sleep_for(1ms);
    }
    log->channel(0).put("c\n");
    await(*log, 3);
    log->stop();
    EXPECT_EQ(content("log.1"), "a\nb\n");
    EXPECT_EQ(content("log"), "c\n");
    struct stat status{};
    ASSERT_EQ(::stat(path("log").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0133U, 0U) << "nobody else may write or run it";
}

TEST_F(AccessLogTest, StaysWithTheOldFileWhenThereCanBeNoNewOne) {
    ASSERT_TRUE(fs::create_directory(path("d")));
    auto log = std::move(*AccessLog::open(path("d/log"), 1));
    ASSERT_TRUE(log->start().has_value());
    fs::rename(path("d"), path("e"));
    testing::internal::CaptureStderr();
    log->reopen();
    for (std::uint64_t i = 1; i <= 3; ++i) {
        log->channel(0).put("a\n");
        await(*log, i);
    }
    log->stop();
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("cannot be opened again: No such file or directory"), std::string::npos);
    EXPECT_EQ(content("e/log"), "a\na\na\n");
}

TEST_F(AccessLogTest, AFullTargetCostsLinesAndSaysSo) {
    testing::internal::CaptureStderr();
    auto log = std::move(*AccessLog::open("/dev/full", 1));
    ASSERT_TRUE(log->start().has_value());
    log->channel(0).put("a\n");
    log->channel(0).put("b\n");
    for (int i = 0; i < 2'000 && log->dropped() < 2; ++i) {
        std::this_thread::sleep_for(5ms);
    }
    for (int i = 0; i < 3; ++i) {
        log->channel(0).put("c\n");
        std::this_thread::sleep_for(30ms);
    }
    log->stop();
    EXPECT_EQ(log->dropped(), 5U);
    EXPECT_EQ(log->written(), 0U);
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("lines of the access log were dropped: No space left on device"),
              std::string::npos)
        << said;
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << "not for each line: " << said;
}

/// A pipe that is read when the test likes.
class AccessLogToPipe : public AccessLogTest {
  protected:
    AccessLogToPipe() {
        EXPECT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
        // Both ends, so that neither opening waits.
        reader_ = ::open(path("pipe").c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        EXPECT_GE(reader_, 0);
    }
    ~AccessLogToPipe() override { ::close(reader_); }

    std::string read_all() const {
        std::string text;
        std::array<char, 65536> bytes{};
        for (ssize_t size = 0; (size = ::read(reader_, bytes.data(), bytes.size())) > 0;) {
            text.append(bytes.data(), static_cast<std::size_t>(size));
        }
        return text;
    }

    int reader_ = -1;
};

TEST_F(AccessLogToPipe, ThatNobodyReadsHoldsNobodyUp) {
    constexpr std::size_t channel_bytes = 1 << 16;
    testing::internal::CaptureStderr();
    auto log = std::move(*AccessLog::open(path("pipe"), 1, channel_bytes));
    ASSERT_TRUE(log->start().has_value());
    const std::string line = std::string(999, 'x') + "\n";
    const auto begin = std::chrono::steady_clock::now();
    constexpr std::uint64_t lines = 1'000;
    for (std::uint64_t i = 0; i < lines; ++i) {
        log->channel(0).put(line);
        if (i % 10 == 0) {
            std::this_thread::sleep_for(1ms);
        }
    }
    EXPECT_GT(log->dropped(), 0U);
    log->stop(200ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s) << "it gives up";
    const std::string text = read_all();
    EXPECT_EQ(log->written() + log->dropped(), lines) << "each is counted once";
    EXPECT_EQ(text.size() / line.size(), log->written());
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("lines of the access log were dropped"), std::string::npos) << said;
}

TEST_F(AccessLogToPipe, ThatIsReadAgainGetsWholeLines) {
    auto log = std::move(*AccessLog::open(path("pipe"), 1, 1 << 15));
    ASSERT_TRUE(log->start().has_value());
    // Longer than what is written to a pipe at once, so that lines would be cut.
    const std::string line = std::string(9'999, 'y') + "\n";
    std::string text;
    constexpr std::uint64_t lines = 200;
    testing::internal::CaptureStderr();
    for (std::uint64_t i = 0; i < lines; ++i) {
        log->channel(0).put(line);
        std::this_thread::sleep_for(1ms);
        if (i > lines / 2) {
            text += read_all();
        }
    }
    for (int i = 0; i < 2'000 && log->written() + log->dropped() < lines; ++i) {
        text += read_all();
        std::this_thread::sleep_for(1ms);
    }
    log->stop();
    text += read_all();
    testing::internal::GetCapturedStderr();
    EXPECT_GT(log->dropped(), 0U) << "it was slow";
    EXPECT_EQ(text.size(), log->written() * line.size());
    for (std::size_t at = 0; at < text.size(); at += line.size()) {
        ASSERT_EQ(text.compare(at, line.size(), line), 0) << at;
    }
}

// How long a server takes to end does not depend on who reads its log.
TEST_F(AccessLogToPipe, ASlowReaderIsNotWaitedForWhenItEnds) {
    testing::internal::CaptureStderr();
    auto log = std::move(*AccessLog::open(path("pipe"), 1));
    ASSERT_TRUE(log->start().has_value());
    for (int i = 0; i < 1'000; ++i) {
        log->channel(0).put(std::string(999, 'x') + "\n");
    }
    std::atomic<bool> ends = false;
    std::thread reader([&] {
        std::array<char, 4096> bytes{};
        while (!ends) {
            (void)::read(reader_, bytes.data(), bytes.size());
            std::this_thread::sleep_for(20ms);
        }
    });
    const auto begin = std::chrono::steady_clock::now();
    log->stop(300ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s) << "the whole would take 5 s";
    ends = true;
    reader.join();
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(log->written() + log->dropped(), 1'000U);
}

TEST_F(AccessLogToPipe, ManyWorkersAreNotWaitedForOneByOne) {
    constexpr unsigned workers = 64;
    testing::internal::CaptureStderr();
    auto log = std::move(*AccessLog::open(path("pipe"), workers, 1 << 16));
    ASSERT_TRUE(log->start().has_value());
    for (unsigned worker = 0; worker < workers; ++worker) {
        for (int i = 0; i < 60; ++i) {
            log->channel(worker).put(std::string(999, 'x') + "\n");
        }
    }
    const auto begin = std::chrono::steady_clock::now();
    log->stop(100ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(log->written() + log->dropped(), 60U * workers);
}

TEST_F(AccessLogTest, APipeWithoutAReaderIsRefused) {
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    const auto log = AccessLog::open(path("pipe"), 1);
    ASSERT_FALSE(log.has_value());
    EXPECT_TRUE(log.error().what.ends_with("nobody reads it")) << log.error().what;
}

TEST_F(AccessLogTest, APipeInTheFilesPlaceHoldsNobodyUp) {
    auto log = std::move(*AccessLog::open(path("log"), 1));
    ASSERT_TRUE(log->start().has_value());
    fs::rename(path("log"), path("log.1"));
    ASSERT_EQ(::mkfifo(path("log").c_str(), 0600), 0);
    testing::internal::CaptureStderr();
    log->reopen();
    log->channel(0).put("a\n");
    await(*log, 1);
    log->stop();
    EXPECT_NE(testing::internal::GetCapturedStderr().find("opened again: nobody reads it"),
              std::string::npos);
    EXPECT_EQ(content("log.1"), "a\n");
}

TEST_F(AccessLogTest, ALineThatWasCutIsEndedFirst) {
    std::ofstream(path("log")) << "whole\ncut";
    {
        auto log = std::move(*AccessLog::open(path("log"), 1));
        ASSERT_TRUE(log->start().has_value());
        log->channel(0).put("a\n");
        await(*log, 1);
        log->channel(0).put("b\n");
        await(*log, 2);
    }
    EXPECT_EQ(content("log"), "whole\ncut\na\nb\n");
}

TEST_F(AccessLogTest, NothingIsMadeBeforeTheStart) {
    auto log = std::move(*AccessLog::open(path("log"), 1));
    EXPECT_FALSE(fs::exists(path("log")));
    ASSERT_TRUE(log->start().has_value());
    EXPECT_TRUE(fs::exists(path("log")));
}

TEST_F(AccessLogTest, LinesDoNotWaitForOthers) {
    auto log = std::move(*AccessLog::open(path("log"), 1));
    ASSERT_TRUE(log->start().has_value());
    auto fastest = std::chrono::steady_clock::duration::max();
    for (std::uint64_t i = 1; i <= 20; ++i) {
        std::this_thread::sleep_for(25ms);  // so that the thread sleeps
        const auto begin = std::chrono::steady_clock::now();
        log->channel(0).put("a\n");
        while (log->written() < i && std::chrono::steady_clock::now() - begin < 10s) {
            std::this_thread::sleep_for(100us);
        }
        fastest = std::min(fastest, std::chrono::steady_clock::now() - begin);
    }
    EXPECT_EQ(log->written(), 20U);
    EXPECT_LT(fastest, 500ms);
}

TEST_F(AccessLogTest, StandardOutputHasSeveralNames) {
    for (const char* name : {"stdout", "-", "/dev/stdout"}) {
        EXPECT_TRUE(AccessLog::is_standard_output(name)) << name;
    }
    EXPECT_FALSE(AccessLog::is_standard_output("/var/log/stdout"));
}

TEST_F(AccessLogTest, WhatCannotBeOpenedIsSaid) {
    const auto log = AccessLog::open(path("none/log"), 1);
    ASSERT_FALSE(log.has_value());
    EXPECT_NE(log.error().what.find(path("none/log")), std::string::npos);
    EXPECT_NE(log.error().what.find("No such file or directory"), std::string::npos);
    EXPECT_NE(log.error().remedy.find("stdout"), std::string::npos);
}

}  // namespace
}  // namespace enduring::http
