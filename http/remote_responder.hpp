// The right and duty to answer one request from another thread. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "core/host.hpp"
#include "http/mailbox.hpp"
#include "http/response.hpp"

namespace enduring::http {

class Exchanges;

/// Made by Responder::remote(). May be moved to any thread, and used there, by one at a time; also
/// when its server has gone. What it sends goes to the request's worker through IORING_OP_MSG_RING,
/// with one message for all that is left there at once; if the connection has gone meanwhile,
/// nothing happens. One that is destroyed unanswered answers 500.
class RemoteResponder {
  public:
    RemoteResponder(std::shared_ptr<Mailbox> mailbox, Exchanges& exchanges,
                    core::ConnectionId connection, std::uint32_t number) noexcept
        : mailbox_(std::move(mailbox)),
          exchanges_(&exchanges),
          connection_(connection),
          number_(number) {}
    RemoteResponder(RemoteResponder&& other) noexcept = default;
    RemoteResponder& operator=(RemoteResponder&& other) noexcept;
    ~RemoteResponder();

    /// Answers; texts are copied before it returns. Once; a second answer is a bug and aborts.
    void send(Response&& response);
    /// Answers with a text.
    void send(Status status, std::string_view content_type, std::string_view content);

  private:
    std::shared_ptr<Mailbox> mailbox_;  // null: answered, or moved away
    Exchanges* exchanges_;              // valid in functions that the mailbox runs
    core::ConnectionId connection_;
    std::uint32_t number_;
};

}  // namespace enduring::http
