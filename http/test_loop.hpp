// Stands in for core::Loop in tests of sessions: no ring, no sockets, no clock. A test gives bytes,
// time and answers, and looks at what would be sent. It does what core::Loop does for a protocol,
// and nothing else; it has no time-outs, but a test may say that the time is over. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/address.hpp"
#include "core/block_pool.hpp"
#include "core/host.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "http/limits.hpp"
#include "http/mailbox.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/session.hpp"

/// For tests of handlers. It is not called "testing", so that who uses both this library's names
/// and GoogleTest's means one thing by it.
namespace enduring::http::test {

/// One connection: the session, and the client's end of it.
struct LoopConnection {
    core::ConnectionId id{};
    Session session{};
    core::SendQueue output{};
    core::Progress progress{};
    std::string unreceived{};              ///< sent by the client; the session holds its input
    std::string received{};                ///< what the client got
    std::vector<core::FilePiece> files{};  ///< the files of which parts are in it
    unsigned messages = 0;                 ///< how often the end of a message was reported
    bool blocked = false;                  ///< the client takes nothing
    bool finishing = false;                ///< the client sends no more, once all has been received
    bool woken = false;
    bool cut = false;     ///< the server has reset the connection: what the client got is not whole
    bool closed = false;  ///< the session has been told

    [[nodiscard]] bool ended() const { return progress.need == core::Need::nothing; }
};

/// Owns connections and service. Not thread-safe; no function of it may be called by a handler.
class Loop final : private core::Host<Session> {
  public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    /// Reads a part of a file; nothing: it cannot be read, and the connection is cut.
    using ReadFile = std::function<std::optional<std::string>(const core::FilePiece& piece)>;

    /// What may be set before start().
    struct Options {
        /// The first connection's address; each further one has the next port. Nothing: the system
        /// does not tell.
        std::optional<core::Address> peer =
            core::Address{.kind = core::Address::Kind::host, .host = "192.0.2.1"};
        /// The most bytes that a session is given at once.
        std::size_t receive_bytes_max = unlimited;
        ReadFile read_file{};
        /// Is told of each progress.
        std::function<void(LoopConnection& connection)> on_progress{};
    };

    explicit Loop(Options options) : options_(std::move(options)) {}
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Makes the service; before everything else. Router: as the service says.
    Service& start(const Router& router, const Limits& limits, Service::WallClock wall_clock,
                   std::shared_ptr<Mailbox> mailbox);

    /// Time has moved: runs timers, and what other threads have left.
    void begin_turn();
    /// What the loop does between two events, until nothing is left to do.
    void pump();

    LoopConnection& connect();
    /// The client sends bytes. They arrive in memory that is gone afterwards. When the session has
    /// ended they are discarded.
    void give(LoopConnection& connection, std::string_view bytes);
    /// The client sends no more.
    void finish_input(LoopConnection& connection);
    /// The time of the session's phase is over.
    void time_out(LoopConnection& connection);
    /// The running exchange is to be the last.
    void retire(LoopConnection& connection) {
        service_->retire(connection.session, core::Reason::drain);
    }
    /// The client takes so much of what waits, though it is blocked.
    void read(LoopConnection& connection, std::size_t bytes_max);
    /// The connection is over.
    void close(LoopConnection& connection);
    /// The session has run.
    void take(LoopConnection& connection, core::Progress progress);

    [[nodiscard]] Service* service() const noexcept { return service_.get(); }
    [[nodiscard]] core::BlockPool& blocks() noexcept override { return pool_; }
    /// By slot.
    [[nodiscard]] std::vector<std::unique_ptr<LoopConnection>>& connections() noexcept {
        return connections_;
    }
    /// The time of the next turn; never moved back.
    [[nodiscard]] std::uint64_t& clock_ms() noexcept { return clock_ms_; }

  private:
    Access find(core::ConnectionId id) override;
    void wake(core::ConnectionId id) override { connections_.at(id.slot)->woken = true; }
    std::optional<core::Address> peer(core::ConnectionId id) override;
    [[nodiscard]] std::uint64_t now_ms() const override { return clock_ms_; }

    bool pump_one(LoopConnection& connection);
    bool receive(LoopConnection& connection);
    void send(LoopConnection& connection, std::size_t bytes_max);
    std::size_t send_file(LoopConnection& connection, std::size_t bytes_max);
    std::size_t send_bytes(LoopConnection& connection, std::size_t bytes_max);
    void cut(LoopConnection& connection);

    Options options_;
    core::BlockPool pool_;
    std::unique_ptr<Service> service_;
    std::vector<std::unique_ptr<LoopConnection>> connections_;
    std::uint64_t clock_ms_ = 1000;
};

}  // namespace enduring::http::test
