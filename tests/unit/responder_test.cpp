// The right and duty to answer: exactly once, whatever happens to the responder.
#include "http/responder.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "idle_exchanges.hpp"

namespace enduring::http {
namespace {

struct Answer {
    core::ConnectionId connection;
    std::uint32_t number;
    Status status;
    std::string content_type;
    std::string content;

    friend bool operator==(const Answer&, const Answer&) = default;
};

class Recorder final : public IdleExchanges {
  public:
    void answer(core::ConnectionId connection, std::uint32_t number, Response&& response) override {
        const auto* view = std::get_if<std::string_view>(&response.take_content());
        const auto* own = std::get_if<std::string>(&response.take_content());
        answers.push_back({connection, number, response.status(),
                           std::string(response.content_type()),
                           view != nullptr  ? std::string(*view)
                           : own != nullptr ? *own
                                            : "?"});
    }
    [[nodiscard]] bool is_waiting(core::ConnectionId connection,
                                  std::uint32_t number) const noexcept override {
        return connection == waiting_connection && number == waiting_number;
    }

    std::vector<Answer> answers;
    core::ConnectionId waiting_connection{7, 3};
    std::uint32_t waiting_number = 5;
};

constexpr core::ConnectionId connection{7, 3};

Answer failure(std::uint32_t number) {
    return {connection, number, Status::internal_server_error, "text/plain",
            "500 Internal Server Error\n"};
}

TEST(ResponderTest, GivesTheAnswerToItsRequest) {
    Recorder recorder;
    {
        Responder responder(recorder, connection, 5);
        responder.send(Status::created, "a/b", "text");
        Responder other(recorder, connection, 6);
        Response response(Status::no_content);
        other.send(std::move(response));
    }
    const std::vector<Answer> expected{{connection, 5, Status::created, "a/b", "text"},
                                       {connection, 6, Status::no_content, "", ""}};
    EXPECT_EQ(recorder.answers, expected);
}

TEST(ResponderTest, UnansweredItAnswers500AtItsEnd) {
    Recorder recorder;
    {
        const Responder responder(recorder, connection, 5);
        EXPECT_TRUE(recorder.answers.empty());
    }
    EXPECT_EQ(recorder.answers, std::vector{failure(5)});
}

TEST(ResponderTest, TheDutyMovesWithIt) {
    Recorder recorder;
    {
        Responder first(recorder, connection, 5);
        {
            Responder second(std::move(first));
            EXPECT_TRUE(second.alive());
            Responder third(std::move(second));
            third.send(Status::ok, "", "moved");
        }
        EXPECT_EQ(recorder.answers.size(), 1U);
    }
    EXPECT_EQ(recorder.answers.size(), 1U) << "what was moved from has no duty";
}

TEST(ResponderTest, AssignedToItAnswersTheRequestThatItHad) {
    Recorder recorder;
    {
        Responder kept(recorder, connection, 5);
        Responder other(recorder, connection, 6);
        kept = std::move(other);
        EXPECT_EQ(recorder.answers, std::vector{failure(5)});
        kept.send(Status::ok, "", "six");
        EXPECT_EQ(recorder.answers.at(1).number, 6U);
        // An empty one may be filled again.
        kept = Responder(recorder, connection, 7);
        EXPECT_EQ(recorder.answers.size(), 2U);
    }
    ASSERT_EQ(recorder.answers.size(), 3U);
    EXPECT_EQ(recorder.answers.at(2), failure(7));
}

TEST(ResponderTest, AssignedToItselfItKeepsItsDuty) {
    Recorder recorder;
    Responder responder(recorder, connection, 5);
    Responder& same = responder;
    responder = std::move(same);
    EXPECT_TRUE(recorder.answers.empty());
    responder.send(Status::ok, "", "once");
    EXPECT_EQ(recorder.answers.size(), 1U);
}

TEST(ResponderTest, IsAliveWhileItIsWaitedFor) {
    Recorder recorder;
    Responder responder(recorder, connection, 5);
    EXPECT_TRUE(responder.alive());
    recorder.waiting_number = 6;
    EXPECT_FALSE(responder.alive());
    recorder.waiting_number = 5;
    recorder.waiting_connection.generation = 4;
    EXPECT_FALSE(responder.alive());
    recorder.waiting_connection = connection;
    responder.send(Status::ok, "", "");
    EXPECT_FALSE(responder.alive()) << "it was answered";
    Responder empty(std::move(responder));
    EXPECT_FALSE(empty.alive());
}

TEST(ResponderTest, ARemoteOneAnswersInTheWorkersThread) {
    Recorder recorder;
    Responder responder(recorder, connection, 5);
    {
        RemoteResponder remote = std::move(responder).remote();
        std::string content = "from far";
        remote.send(Status::ok, std::string("a/b"), content);
        content = "changed!";
        EXPECT_TRUE(recorder.answers.empty()) << "not before the worker looks";
    }
    recorder.mailbox()->run();
    const std::vector<Answer> expected{{connection, 5, Status::ok, "a/b", "from far"}};
    EXPECT_EQ(recorder.answers, expected);
}

TEST(ResponderTest, ARemoteOneAnswers500AtItsEndIfNothingElse) {
    Recorder recorder;
    {
        RemoteResponder remote = Responder(recorder, connection, 5).remote();
        RemoteResponder other = Responder(recorder, connection, 6).remote();
        other = std::move(remote);
        recorder.mailbox()->run();
        EXPECT_EQ(recorder.answers, std::vector{failure(6)}) << "its place was taken";
    }
    recorder.mailbox()->run();
    EXPECT_EQ(recorder.answers, (std::vector{failure(6), failure(5)}));
}

TEST(ResponderTest, ARemoteOneMayOutliveItsWorker) {
    Recorder recorder;
    RemoteResponder remote = Responder(recorder, connection, 5).remote();
    recorder.mailbox()->close();
    remote.send(Status::ok, "", "too late");
    EXPECT_TRUE(recorder.answers.empty());
}

TEST(ResponderDeathTest, ASecondAnswerIsABug) {
    Recorder recorder;
    Responder responder(recorder, connection, 5);
    responder.send(Status::ok, "", "first");
    EXPECT_DEATH(responder.send(Status::ok, "", "second"), "answered twice");
    Responder source(recorder, connection, 5);
    const Responder target(std::move(source));
    EXPECT_DEATH(source.send(Status::ok, "", "moved from"), "answered twice");
    EXPECT_DEATH(static_cast<void>(std::move(source).remote()), "answered already");
    EXPECT_DEATH(static_cast<void>(source.timers()), "knows no timers");
}

}  // namespace
}  // namespace enduring::http
