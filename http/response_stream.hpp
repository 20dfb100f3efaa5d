// A response whose content is made in pieces. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/host.hpp"
#include "http/pieces.hpp"

namespace enduring::http {

class Exchanges;

/// Made by Responder::begin(). If the connection has gone meanwhile, nothing happens. One that is
/// destroyed unfinished cuts the connection, so that the client can tell that the response is not
/// whole. For the worker's thread, and not after its server has gone.
class ResponseStream {
  public:
    ResponseStream(Exchanges& exchanges, core::ConnectionId connection,
                   std::uint32_t number) noexcept
        : exchanges_(&exchanges), connection_(connection), number_(number) {}
    ResponseStream(ResponseStream&& other) noexcept
        : exchanges_(std::exchange(other.exchanges_, nullptr)),
          connection_(other.connection_),
          number_(other.number_) {}
    ResponseStream& operator=(ResponseStream&& other) noexcept;
    ~ResponseStream();

    /// Copies the bytes to the output. False: as much waits to be sent as should (Limits::
    /// output_bytes_max), go on when on_room() says so; or nobody wants more, as alive() tells: the
    /// client has gone, or has asked with HEAD. More bytes than were announced are a bug of the
    /// handler, and cut the connection.
    bool write(std::string_view bytes);
    /// Called each time that there is room again after write() gave false. May be set anew by the
    /// function itself.
    void on_room(EventFunction function);
    /// Called if the connection ends before finish(); not after it.
    void on_gone(EventFunction function);
    /// The content is complete. If less was written than was announced, the connection is cut.
    void finish();

    /// The client still waits for more.
    [[nodiscard]] bool alive() const noexcept;
    /// A response without an end should finish now: the server drains, or the connection is as old
    /// as it may be; or nobody wants more, see alive(). What is not finished when the server's time
    /// to drain is over is cut.
    [[nodiscard]] bool should_end() const noexcept;

  private:
    Exchanges* exchanges_;
    core::ConnectionId connection_;
    std::uint32_t number_;
};

}  // namespace enduring::http
