#include "http/thread_mailbox.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace enduring::http {
namespace {

TEST(ThreadMailbox, CallsWhatWasLeftInOrderAndWakesOnce) {
    int woken = 0;
    ThreadMailbox mailbox([&] { return ++woken > 0; });
    std::vector<int> called;
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(mailbox.post([&called, i] { called.push_back(i); }));
    }
    EXPECT_EQ(woken, 1) << "one message is enough";
    EXPECT_TRUE(mailbox.has_mail());
    EXPECT_EQ(mailbox.run(), 0U);
    EXPECT_EQ(called, (std::vector{0, 1, 2}));
    EXPECT_FALSE(mailbox.has_mail());
    mailbox.post([] {});
    EXPECT_EQ(woken, 2);
    mailbox.run();
}

TEST(ThreadMailbox, AWorkerThatCouldNotBeToldIsToldAgain) {
    int woken = 0;
    ThreadMailbox mailbox([&] { return ++woken > 1; });
    int called = 0;
    EXPECT_TRUE(mailbox.post([&] { ++called; }));
    EXPECT_TRUE(mailbox.has_mail()) << "and a turn finds it anyway";
    EXPECT_TRUE(mailbox.post([&] { ++called; }));
    EXPECT_TRUE(mailbox.post([&] { ++called; }));
    EXPECT_EQ(woken, 2);
    mailbox.run();
    EXPECT_EQ(called, 3);
}

TEST(ThreadMailbox, WhatIsLeftMeanwhileWaitsForTheNextTurn) {
    ThreadMailbox mailbox({});
    int called = 0;
    mailbox.post([&] {
        ++called;
        mailbox.post([&] { ++called; });
    });
    mailbox.run();
    EXPECT_EQ(called, 1);
    EXPECT_TRUE(mailbox.has_mail());
    mailbox.run();
    EXPECT_EQ(called, 2);
}

TEST(ThreadMailbox, AnExceptionEndsWithItsFunction) {
    ThreadMailbox mailbox({});
    int called = 0;
    mailbox.post([] { throw std::runtime_error("no"); });
    mailbox.post([&] { ++called; });
    EXPECT_EQ(mailbox.run(), 1U);
    EXPECT_EQ(called, 1);
}

TEST(ThreadMailbox, AClosedOneTakesNothingAndKeepsNothing) {
    int woken = 0;
    ThreadMailbox mailbox([&] { return ++woken > 0; });
    auto held = std::make_shared<int>(0);
    mailbox.post([held] { ++*held; });
    mailbox.close();
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(mailbox.post([held] { ++*held; }));
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(woken, 1);
    mailbox.run();
    EXPECT_EQ(*held, 0);
}

TEST(ThreadMailbox, ThreadsMayPostWhileTheWorkerRunsAndCloses) {
    constexpr int threads = 4;
    constexpr int posts = 5'000;
    std::atomic<int> woken = 0;
    ThreadMailbox mailbox([&] { return ++woken > 0; });
    int called = 0;
    std::atomic<int> taken = 0;
    {
        std::vector<std::jthread> posters;
        for (int i = 0; i < threads; ++i) {
            posters.emplace_back([&] {
                for (int j = 0; j < posts; ++j) {
                    taken += mailbox.post([&] { ++called; }) ? 1 : 0;
                }
            });
        }
        while (called < threads * posts / 2) {
            mailbox.run();
        }
        mailbox.close();
    }
    EXPECT_LE(called, taken.load()) << "what was taken before the end may not have been called";
    EXPECT_GE(woken.load(), 1);
}

}  // namespace
}  // namespace enduring::http
