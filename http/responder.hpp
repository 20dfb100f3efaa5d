// The right and duty to answer one request: now, or later in the same worker's thread. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "core/host.hpp"
#include "http/mailbox.hpp"
#include "http/pieces.hpp"
#include "http/remote_responder.hpp"
#include "http/request_content.hpp"
#include "http/response.hpp"
#include "http/response_stream.hpp"
#include "http/timers.hpp"

namespace enduring::http {

class Coroutines;
class Exchanges;

/// Given to a handler with each request. Answer before the handler returns, or move the responder
/// away and answer later: in the thread of the worker that called the handler, and not after its
/// server has gone. If the connection has gone meanwhile, answering does nothing; alive() tells. A
/// responder that is destroyed unanswered answers 500. Not thread-safe.
class Responder {
  public:
    Responder(Exchanges& exchanges, core::ConnectionId connection, std::uint32_t number) noexcept
        : exchanges_(&exchanges), connection_(connection), number_(number) {}
    Responder(Responder&& other) noexcept
        : exchanges_(std::exchange(other.exchanges_, nullptr)),
          connection_(other.connection_),
          number_(other.number_) {}
    Responder& operator=(Responder&& other) noexcept;
    ~Responder();

    /// Answers. Once; a second answer is a bug and aborts.
    void send(Response&& response);
    /// Answers with a text.
    void send(Status status, std::string_view content_type, std::string_view content);

    /// The client still waits for this answer.
    [[nodiscard]] bool alive() const noexcept;
    /// The server wants this answer now: it drains, or the connection is as old as it may be, so
    /// that an answer that is held back for news to come should be given; or nobody waits for it
    /// any more. What is still unanswered when the server's time to drain is over is cut.
    [[nodiscard]] bool should_end() const noexcept;

    /// Begins an answer whose content is made in pieces, and sends its head; this responder is
    /// spent then. size: the content's length; without one it is sent in chunks (RFC 9112 §7.1), to
    /// HTTP/1.0 until the connection closes. The response must have no content of its own.
    [[nodiscard]] ResponseStream begin(Response&& head,
                                       std::optional<std::uint64_t> size = std::nullopt) &&;
    /// The request's content as it comes, for routes with ContentMode::streamed.
    [[nodiscard]] RequestContent content() const;
    /// Called if the exchange ends before it is answered: the connection is gone, or a time-out or
    /// a limit has ended it. What the function holds is destroyed when the exchange ends.
    void on_gone(EventFunction function);

    /// To answer from another thread: this responder is spent then.
    [[nodiscard]] RemoteResponder remote() &&;
    /// The worker's timers, for its thread.
    [[nodiscard]] Timers& timers() const;
    /// The worker's coroutines: see coroutine().
    [[nodiscard]] Coroutines& coroutines() const;
    /// Where any thread may leave functions for the worker, for as long as it likes.
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const;

  private:
    Exchanges* exchanges_;
    core::ConnectionId connection_;
    std::uint32_t number_;
};

/// Where a worker's answers go; implemented by the service.
class Exchanges {
  public:
    /// Takes the answer to the number-th request of that connection, if it is still waited for.
    virtual void answer(core::ConnectionId connection, std::uint32_t number,
                        Response&& response) = 0;
    [[nodiscard]] virtual bool is_waiting(core::ConnectionId connection,
                                          std::uint32_t number) const noexcept = 0;
    /// It is not, or the session is to end.
    [[nodiscard]] virtual bool should_end(core::ConnectionId connection,
                                          std::uint32_t number) const noexcept = 0;

    // For exchanges in pieces. If they are not waited for, nothing happens.
    virtual void begin(core::ConnectionId connection, std::uint32_t number, Response&& head,
                       std::optional<std::uint64_t> size) = 0;
    virtual bool write(core::ConnectionId connection, std::uint32_t number,
                       std::string_view bytes) = 0;
    virtual void finish(core::ConnectionId connection, std::uint32_t number, bool whole) = 0;
    virtual void on_content(core::ConnectionId connection, std::uint32_t number,
                            ContentFunction function) = 0;
    virtual void on_room(core::ConnectionId connection, std::uint32_t number,
                         EventFunction function) = 0;
    virtual void on_gone(core::ConnectionId connection, std::uint32_t number,
                         EventFunction function) = 0;
    virtual void pause(core::ConnectionId connection, std::uint32_t number, bool pauses) = 0;
    virtual void serve_by(core::ConnectionId connection, std::uint32_t number,
                          std::uint64_t coroutine) = 0;

    [[nodiscard]] virtual std::optional<core::Address> peer(core::ConnectionId connection) = 0;
    [[nodiscard]] virtual Timers& timers() noexcept = 0;
    [[nodiscard]] virtual Coroutines& coroutines() noexcept = 0;
    [[nodiscard]] virtual const std::shared_ptr<Mailbox>& mailbox() const noexcept = 0;

  protected:
    ~Exchanges() = default;
};

}  // namespace enduring::http
