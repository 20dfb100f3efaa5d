// Connections to a service without a loop and without sockets, by test::Loop: what the tests of
// sessions say of them, and what holds for all of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/block_pool.hpp"
#include "core/lifecycle.hpp"
#include "http/limits.hpp"
#include "http/mailbox.hpp"
#include "http/responder.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/session.hpp"
#include "http/test_loop.hpp"

namespace enduring::http {

using TestConnection = test::LoopConnection;

class SessionFixture : public testing::Test {
  protected:
    static constexpr std::string_view head_fields =
        "Server: enduring\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    /// Every test makes its routes first and then calls this.
    Service& start(
        const Limits& limits = {},
        Service::WallClock clock = [] { return std::int64_t{784111777} * 1000; },
        std::shared_ptr<Mailbox> mailbox = nullptr) {
        service_ = &loop_.start(router_, limits, clock, std::move(mailbox));
        return *service_;
    }

    void TearDown() override {
        for (const auto& connection : connections_) {
            close(*connection);
        }
        // What a handler kept is answered late.
        held_.clear();
        if (service_ != nullptr) {
            EXPECT_EQ(service_->inputs().lent(), 0U) << "an input buffer was not given back";
        }
        EXPECT_EQ(pool_.output_bytes(), 0U) << "output was not given back";
    }

    TestConnection& connect() { return loop_.connect(); }

    void give(TestConnection& connection, std::string_view bytes) {
        if (!connection.ended()) {
            EXPECT_FALSE(connection.progress.hold_input)
                << "the loop would not have received these";
            loop_.give(connection, bytes);
        }
    }
    void finish_input(TestConnection& connection) { loop_.finish_input(connection); }
    void time_out(TestConnection& connection) {
        loop_.time_out(connection);
        EXPECT_TRUE(connection.ended()) << "a time-out must end the session";
    }
    void retire(TestConnection& connection, core::Reason reason = core::Reason::drain) {
        service_->retire(connection.session, reason);
    }
    void close(TestConnection& connection) { loop_.close(connection); }
    /// The client takes everything that waits, and goes on doing so.
    void unblock(TestConnection& connection) {
        connection.blocked = false;
        pump();
    }

    /// Answers the first of the requests that handlers have kept.
    void answer(std::string_view content) {
        ASSERT_FALSE(held_.empty());
        Responder responder = std::move(held_.front());
        held_.pop_front();
        responder.send(Status::ok, "text/plain", content);
        pump();
    }
    Handler keep() {
        return
            [this](const Request&, Responder responder) { held_.push_back(std::move(responder)); };
    }

    void pump() { loop_.pump(); }
    void pass_ms(std::uint64_t time_ms) {
        loop_.clock_ms() += time_ms;
        loop_.begin_turn();
    }

    /// The client gets everything that was sent so far, and forgets it.
    std::string take_received(TestConnection& connection) {
        return std::exchange(connection.received, {});
    }
    /// One request on a connection of its own.
    std::string exchange(std::string_view request) {
        TestConnection& connection = connect();
        give(connection, request);
        std::string received = connection.received;
        close(connection);
        return received;
    }

    static std::string response(std::string_view status, std::string_view fields,
                                std::string_view content = {}) {
        return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(head_fields) +
               std::string(fields) + "\r\n" + std::string(content);
    }
    static std::string text(std::string_view status, std::string_view content,
                            std::string_view connection = {}) {
        return response(
            status,
            "Content-Type: text/plain\r\n" +
                (connection.empty() ? std::string()
                                    : "Connection: " + std::string(connection) + "\r\n") +
                "Content-Length: " + std::to_string(content.size()) + "\r\n",
            content);
    }
    /// What the server says by itself.
    static std::string error(std::string_view status, std::string_view connection = {}) {
        return text(status, std::string(status) + "\n", connection);
    }

    void take(TestConnection& connection, core::Progress progress) {
        loop_.take(connection, progress);
    }

    Router router_;
    std::deque<Responder> held_;

  private:
    void check(const TestConnection& connection) {
        const core::Progress& progress = connection.progress;
        EXPECT_EQ(progress.need == core::Need::nothing, progress.reason != core::Reason::none)
            << "the end has a reason, and nothing else has";
        if (connections_.size() == 1 &&
            (progress.need == core::Need::request || progress.need == core::Need::nothing)) {
            EXPECT_EQ(loop_.service()->inputs().lent(), 0U) << "an idle connection holds memory";
        }
    }

    test::Loop loop_{{.read_file =
                          [](const core::FilePiece& piece) {
                              return "<file " + std::to_string(piece.offset) + "+" +
                                     std::to_string(piece.size) + ">";
                          },
                      .on_progress = [this](TestConnection& connection) { check(connection); }}};

  protected:
    Service* service_ = nullptr;
    core::BlockPool& pool_ = loop_.blocks();
    std::vector<std::unique_ptr<TestConnection>>& connections_ = loop_.connections();
    std::uint64_t& now_ = loop_.clock_ms();
};

}  // namespace enduring::http
