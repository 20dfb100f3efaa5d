// Connections to a service without a loop and without sockets: a test gives bytes, time and answers
// and looks at what would be sent. It does what core::Loop does for a protocol, and nothing else.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/block_pool.hpp"
#include "core/host.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "http/limits.hpp"
#include "http/mailbox.hpp"
#include "http/responder.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/session.hpp"

namespace enduring::http {

/// One client's end.
struct TestConnection {
    core::ConnectionId id{};
    Session session{};
    core::SendQueue output{};
    core::Progress progress{};
    std::string received{};                ///< what the client got; a file is "<file OFFSET+SIZE>"
    std::vector<core::FilePiece> files{};  ///< of these
    unsigned messages = 0;                 ///< how often the end of a message was reported
    bool blocked = false;                  ///< the client takes nothing
    bool woken = false;
    bool closed = false;

    [[nodiscard]] bool ended() const { return progress.need == core::Need::nothing; }
};

class SessionFixture : public testing::Test, private core::Host<Session> {
  protected:
    static constexpr std::string_view head_fields =
        "Server: enduring\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    /// Every test makes its routes first and then calls this.
    Service& start(
        const Limits& limits = {},
        Service::WallClock clock = [] { return std::int64_t{784111777} * 1000; },
        std::shared_ptr<Mailbox> mailbox = nullptr) {
        service_ = std::make_unique<Service>(router_, limits, clock, std::move(mailbox));
        service_->attach(this);
        service_->begin_turn(now_);
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

    TestConnection& connect() {
        connections_.push_back(std::make_unique<TestConnection>());
        TestConnection& connection = *connections_.back();
        connection.id = {static_cast<std::uint32_t>(connections_.size() - 1), 1};
        service_->open(connection.session, connection.id);
        return connection;
    }

    /// The bytes arrive in memory that is gone afterwards. When the session has ended they are
    /// discarded, as the loop does.
    void give(TestConnection& connection, std::string_view bytes) {
        if (connection.ended()) {
            return;
        }
        EXPECT_FALSE(connection.progress.hold_input) << "the loop would not have received these";
        const auto buffer = std::make_unique_for_overwrite<char[]>(bytes.size());
        bytes.copy(buffer.get(), bytes.size());
        take(connection, service_->receive(connection.session, connection.output,
                                           {buffer.get(), bytes.size()}));
        pump();
    }
    void finish_input(TestConnection& connection) {
        if (!connection.ended()) {
            take(connection, service_->finish_input(connection.session, connection.output));
            pump();
        }
    }
    void time_out(TestConnection& connection) {
        take(connection, service_->time_out(connection.session, connection.output));
        EXPECT_TRUE(connection.ended()) << "a time-out must end the session";
        pump();
    }
    void retire(TestConnection& connection, core::Reason reason = core::Reason::drain) {
        service_->retire(connection.session, reason);
    }
    void close(TestConnection& connection) {
        if (!connection.closed) {
            service_->close(connection.session);
            connection.output.clear(pool_);
            connection.closed = true;
        }
    }
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

    /// What the loop does between two events.
    void pump() {
        for (bool changed = true; changed;) {
            changed = false;
            for (const auto& connection : connections_) {
                changed = pump_one(*connection) || changed;
            }
        }
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
        return response(status,
                        (connection.empty() ? std::string()
                                            : "Connection: " + std::string(connection) + "\r\n") +
                            "Content-Type: text/plain\r\nContent-Length: " +
                            std::to_string(content.size()) + "\r\n",
                        content);
    }
    /// What the server says by itself.
    static std::string error(std::string_view status, std::string_view connection = {}) {
        return text(status, std::string(status) + "\n", connection);
    }

    void take(TestConnection& connection, core::Progress progress) {
        connection.progress = progress;
        connection.messages += progress.new_message ? 1 : 0;
        EXPECT_EQ(progress.need == core::Need::nothing, progress.reason != core::Reason::none)
            << "the end has a reason, and nothing else has";
        if (connections_.size() == 1 &&
            (progress.need == core::Need::request || progress.need == core::Need::nothing)) {
            EXPECT_EQ(service_->inputs().lent(), 0U) << "an idle connection holds memory";
        }
    }

    Router router_;
    std::unique_ptr<Service> service_;
    core::BlockPool pool_;
    std::deque<Responder> held_;
    std::vector<std::unique_ptr<TestConnection>> connections_;
    std::uint64_t now_ = 1000;

  private:
    Access find(core::ConnectionId id) override {
        if (id.slot >= connections_.size()) {
            return {};
        }
        TestConnection& connection = *connections_[id.slot];
        if (connection.closed || connection.ended() || connection.id != id) {
            return {};
        }
        return {&connection.session, &connection.output};
    }
    void wake(core::ConnectionId id) override { connections_.at(id.slot)->woken = true; }
    core::BlockPool& blocks() override { return pool_; }
    std::optional<core::Address> peer(core::ConnectionId id) override {
        return core::Address{.kind = core::Address::Kind::host,
                             .host = "192.0.2.1",
                             .port = static_cast<std::uint16_t>(id.slot)};
    }
    [[nodiscard]] std::uint64_t now_ms() const override { return now_; }

    bool pump_one(TestConnection& connection) {
        if (connection.closed) {
            return false;
        }
        bool changed = false;
        if (std::exchange(connection.woken, false) && !connection.ended()) {
            take(connection, service_->resume(connection.session, connection.output));
            changed = true;
        }
        if (!connection.blocked && !connection.output.empty()) {
            send_all(connection);
            changed = true;
            if (connection.progress.need == core::Need::room) {
                take(connection, service_->resume(connection.session, connection.output));
            }
        }
        return changed;
    }

    void send_all(TestConnection& connection) {
        core::SendQueue& output = connection.output;
        while (!output.empty()) {
            if (const core::FilePiece* file = output.front_file()) {
                connection.received += "<file " + std::to_string(file->offset) + "+" +
                                       std::to_string(file->size) + ">";
                connection.files.push_back(*file);
                output.consume(file->size, pool_);
                continue;
            }
            std::array<core::Slice, 16> slices;
            const std::size_t count = output.gather(slices);
            std::size_t size = 0;
            for (std::size_t i = 0; i < count; ++i) {
                connection.received.append(slices[i].data, slices[i].size);
                size += slices[i].size;
            }
            if (size == 0) {
                output.clear(pool_);
                return;
            }
            output.consume(size, pool_);
        }
    }
};

}  // namespace enduring::http
