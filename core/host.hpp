// What a protocol's session is to its loop, and the loop to it: the whole interface between core
// and the layers above. Pure.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>

#include "core/address.hpp"
#include "core/block_pool.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"

namespace enduring::core {

/// Names a connection of one worker. Stays harmless when the connection has gone: the generation
/// then no longer matches.
struct ConnectionId {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;

    friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
};

/// What the loop offers to the protocol of its connections. Used only in the loop's thread.
template <class Session>
class Host {
  public:
    struct Access {
        Session* session = nullptr;
        SendQueue* output = nullptr;
    };

    /// Session and output of a connection that still listens to its session; nulls if it is gone or
    /// ending.
    [[nodiscard]] virtual Access find(ConnectionId id) = 0;
    /// The session has something to go on with (an answer came): the loop will call
    /// Protocol::resume for it before this turn's submissions.
    virtual void wake(ConnectionId id) = 0;
    /// Where output is written to.
    [[nodiscard]] virtual BlockPool& blocks() = 0;
    /// Where the connection comes from; nothing if it is gone, or the system does not tell.
    [[nodiscard]] virtual std::optional<Address> peer(ConnectionId id) = 0;
    /// The time of this turn.
    [[nodiscard]] virtual std::uint64_t now_ms() const = 0;

  protected:
    ~Host() = default;
};

/// What the loop asks of a protocol. One object per worker, used only in its thread; it owns what
/// the sessions share. Each function that gets an output gives the session's progress.
template <class P>
concept Protocol = requires(P protocol, typename P::Session& session, SendQueue& output,
                            std::span<const char> bytes, ConnectionId id, std::uint64_t now_us) {
    protocol.attach(static_cast<Host<typename P::Session>*>(nullptr));
    /// A turn begins: time has moved. Host::now_ms() is the same time in milliseconds.
    protocol.begin_turn(now_us);
    /// Whether end_turn() must be called for this turn, if it is not called anyway.
    { protocol.measures_turn() } -> std::same_as<bool>;
    /// The turn's work is done, and the loop is about to hand its submissions to the kernel and to
    /// wait. Nothing may be sent or woken any more.
    protocol.end_turn(now_us);
    /// When the next turn must begin at the latest, as far as the protocol is concerned.
    { protocol.next_ms() } -> std::same_as<std::uint64_t>;
    /// Another thread has left something to do, and sent Command::run.
    protocol.run_posted();
    /// The last turn is over: nothing will be asked any more.
    protocol.end();
    /// A connection was accepted.
    protocol.open(session, id);
    /// Bytes came. They are valid during the call only; the session consumes or copies them.
    { protocol.receive(session, output, bytes) } -> std::same_as<Progress>;
    /// Room came into the output, or wake() was called.
    { protocol.resume(session, output) } -> std::same_as<Progress>;
    /// The peer will send no more.
    { protocol.finish_input(session, output) } -> std::same_as<Progress>;
    /// The time of the current phase is over: the answer must be Need::nothing.
    { protocol.time_out(session, output) } -> std::same_as<Progress>;
    /// The running exchange is to be the last one, for this reason; with
    /// Reason::connections_per_ip not even that: whatever is asked is refused.
    protocol.retire(session, Reason::drain);
    /// The connection is over: give everything back.
    protocol.close(session);
};

}  // namespace enduring::core
