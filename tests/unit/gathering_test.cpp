#include "http/gathering.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "http/thread_mailbox.hpp"

namespace enduring::http {
namespace {

using namespace std::chrono_literals;

class GatheringTest : public testing::Test {
  protected:
    /// Asks so many workers, whose duties are kept here.
    void begin(std::size_t workers) {
        Gathering::begin(
            workers, 1s, timers_, mailbox_,
            [this](std::size_t, SurveyReply reply) { replies_.push_back(std::move(reply)); },
            [this, witness = witness_](Surveys surveys) {
                ++calls_;
                surveys_ = std::move(surveys);
            });
    }
    /// The worker that was asked first of those that have not replied.
    void reply(std::uint64_t number) {
        replies_.front().send(WorkerSurvey{.output_bytes = number});
        replies_.pop_front();
    }
    [[nodiscard]] bool is_gone() const { return witness_.use_count() == 1; }

    Timers timers_;
    std::shared_ptr<Mailbox> mailbox_ = std::make_shared<ThreadMailbox>(nullptr);
    std::shared_ptr<int> witness_ = std::make_shared<int>();  // of what done holds
    std::deque<SurveyReply> replies_;
    int calls_ = 0;
    Surveys surveys_;
};

TEST_F(GatheringTest, EndsWithTheLastReply) {
    begin(2);
    reply(7);
    mailbox_->run();
    EXPECT_EQ(calls_, 0);
    reply(8);
    EXPECT_EQ(calls_, 0) << "in the worker's own thread";
    mailbox_->run();
    ASSERT_EQ(calls_, 1);
    EXPECT_EQ(surveys_.at(0)->output_bytes, 7U);
    EXPECT_EQ(surveys_.at(1)->output_bytes, 8U);
    EXPECT_EQ(timers_.size(), 0U);
    EXPECT_TRUE(is_gone());
}

TEST_F(GatheringTest, DoesNotWaitForOneThatHasEnded) {
    begin(2);
    reply(7);
    replies_.clear();
    mailbox_->run();
    ASSERT_EQ(calls_, 1);
    EXPECT_TRUE(surveys_.at(0));
    EXPECT_FALSE(surveys_.at(1));
}

TEST_F(GatheringTest, DoesNotWaitForeverForOneThatIsStuck) {
    timers_.run(0);
    begin(2);
    replies_.back().send({});
    replies_.pop_back();
    mailbox_->run();
    timers_.run(1'000);
    EXPECT_EQ(calls_, 0);
    timers_.run(1'001);
    ASSERT_EQ(calls_, 1);
    EXPECT_FALSE(surveys_.at(0));
    EXPECT_TRUE(surveys_.at(1));
    EXPECT_TRUE(is_gone());
    // What comes late finds nobody.
    reply(7);
    mailbox_->run();
    EXPECT_EQ(calls_, 1);
}

TEST_F(GatheringTest, GoesWithTheWorkerThatGathers) {
    begin(1);
    mailbox_->close();
    timers_.clear();
    EXPECT_TRUE(is_gone());
    reply(7);
    EXPECT_EQ(calls_, 0);
}

TEST_F(GatheringTest, RepliesMayComeFromThreads) {
    for (int round = 0; round < 100; ++round) {
        begin(2);
        std::thread first([duty = std::move(replies_[0])]() mutable { duty.send({}); });
        std::thread second([duty = std::move(replies_[1])]() mutable {
            const SurveyReply dropped = std::move(duty);
        });
        while (calls_ == round) {
            mailbox_->run();
        }
        first.join();
        second.join();
        replies_.clear();
        EXPECT_TRUE(is_gone());
    }
}

}  // namespace
}  // namespace enduring::http
