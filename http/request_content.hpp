// A request's content as it comes, for routes with ContentMode::streamed. Pure.
#pragma once

#include <cstdint>

#include "core/host.hpp"
#include "http/pieces.hpp"

namespace enduring::http {

class Coroutines;
class Exchanges;

/// Made by Responder::content(). May be copied and kept; harmless when its exchange has ended, but
/// not after its server has gone. For the worker's thread.
class RequestContent {
  public:
    RequestContent(Exchanges& exchanges, core::ConnectionId connection,
                   std::uint32_t number) noexcept
        : exchanges_(&exchanges), connection_(connection), number_(number) {}

    /// Asks for the content: the function is called with each piece as it comes, but not before the
    /// handler has returned. Until then nothing is received beyond what is there, and a client that
    /// expects 100 (RFC 9110 §10.1.1) is not told to go on; nor is it when the response has begun
    /// before. Once. The limit of a content's size and its time-outs hold: what breaks them ends
    /// the exchange.
    ///
    /// A response that is complete before the content is closes the connection; so does a function
    /// that throws, after 500.
    void on_piece(ContentFunction function) const;

    /// No further pieces until resume(): the client is made to wait, and its time does not run,
    /// nor does that of the content's least rate.
    void pause() const;
    void resume() const;

  private:
    friend class Coroutines;

    /// That coroutine answers the request: it is destroyed if the exchange ends before it has.
    void serve_by(std::uint64_t coroutine) const;

    Exchanges* exchanges_;
    core::ConnectionId connection_;
    std::uint32_t number_;
};

}  // namespace enduring::http
