// One connection's HTTP/1 exchanges, in order: takes bytes, calls handlers, writes answers, decides
// when the connection ends. Pure: no socket, no time; it is told of both. Small, since every
// connection has one; what an incomplete message needs is borrowed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/host.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "http/exchange_meter.hpp"
#include "http/framing.hpp"
#include "http/head_memory.hpp"
#include "http/input_buffer.hpp"
#include "http/limits.hpp"
#include "http/pieces.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "http/writer.hpp"

namespace enduring::http {

class Service;

/// The functions are those of core::Protocol; the service is what the worker's sessions share.
class Session {
  public:
    void open(core::ConnectionId id) noexcept { id_ = id; }
    core::Progress receive(Service& service, core::SendQueue& output, std::string_view bytes);
    core::Progress resume(Service& service, core::SendQueue& output);
    core::Progress finish_input(Service& service, core::SendQueue& output);
    core::Progress time_out(Service& service, core::SendQueue& output);
    /// Memory ran out in one of the above: the session ends, and its output is not whole.
    core::Progress break_off(Service& service) noexcept;
    void retire(core::Reason reason) noexcept {
        retire_reason_ = retire_reason_ == core::Reason::none ? reason : retire_reason_;
    }
    void close(Service& service);

    /// It was told to end: by a drain, or for its age.
    [[nodiscard]] bool is_retired() const noexcept { return retire_reason_ != core::Reason::none; }
    /// How many there were so far, the running one included.
    [[nodiscard]] std::uint32_t requests() const noexcept { return requests_; }
    /// The number-th request of this connection waits for its answer.
    [[nodiscard]] bool is_waiting(std::uint32_t number) const noexcept {
        return (state_ == State::answer || (state_ == State::content && streamed_)) &&
               requests_ == number;
    }
    // For the request that waits. After those that give true, resume() must be called.
    /// The answer.
    bool answer(Service& service, core::SendQueue& output, Response&& response);
    /// The head of an answer whose content comes in pieces, a piece, and its end.
    bool begin(Service& service, core::SendQueue& output, Response&& head,
               std::optional<std::uint64_t> size);
    bool write_piece(Service& service, core::SendQueue& output, std::string_view bytes);
    bool finish(Service& service, core::SendQueue& output, bool whole);
    /// As much output waits as should.
    [[nodiscard]] bool is_full() const noexcept { return full_; }
    /// Who takes the content.
    bool take_pieces(Service& service, core::SendQueue& output, ContentFunction function);
    bool pause(bool pauses) noexcept;
    /// What may be told to whoever makes or takes pieces.
    Pieces& pieces(Service& service);

  private:
    enum class State : std::uint8_t {
        head,     // between requests, or in a head
        content,  // in a request's content
        answer,   // the handler has not answered yet, or not wholly
        ended,    // nothing is read any more
    };

    // A complete head and where it lies.
    struct Received {
        const RequestHead& head;
        const char* base;
        std::uint32_t size;
    };

    core::Progress run(Service& service, core::SendQueue& output, std::string_view fresh);
    bool take_head(Service& service, core::SendQueue& output, std::string_view& fresh);
    bool take_content(Service& service, core::SendQueue& output, std::string_view& fresh);
    bool take_sized(Service& service, core::SendQueue& output, std::string_view& source);
    bool take_chunked(Service& service, core::SendQueue& output, std::string_view& source);
    bool take_streamed(Service& service, core::SendQueue& output, std::string_view& source);
    bool next_piece(Service& service, core::SendQueue& output, std::string_view& source,
                    std::string_view& piece, bool& last);
    void deliver(Service& service, core::SendQueue& output, std::string_view piece, bool last);
    void begin_pieces(Service& service, const Framing& framing, bool awaits_continue);
    void put_head(Service& service, core::SendQueue& output, Response&& head,
                  std::optional<std::uint64_t> size);
    void complete_response(Service& service) noexcept;
    void tell_room(Service& service, const core::SendQueue& output);
    void drop_pieces(Service& service) noexcept;
    // Calls what is the user's; false: it threw. Defined where Service is.
    template <class Function>
    bool call(Service& service, Function&& function) noexcept;
    void skip_empty_lines(std::string_view& fresh);
    bool parse_kept(Service& service, core::SendQueue& output, std::string_view& fresh);
    bool parse_in_place(Service& service, core::SendQueue& output, std::string_view& fresh);
    void begin_request(Service& service, const RequestHead& head, const char* base,
                       const Framing& framing) noexcept;
    void begin_known(Service& service, core::SendQueue& output, const KnownHead& known);
    void begin_exchange(Service& service, core::SendQueue& output, const Received& received,
                        const Framing& framing, const Router::Match& match,
                        std::string_view& fresh);
    void begin_content(Service& service, core::SendQueue& output, const Received& received,
                       const Framing& framing, const Router::Match& match, std::string_view& fresh);
    void finish_content(Service& service, core::SendQueue& output);
    void forget_content();
    void dispatch(Service& service, core::SendQueue& output, const Request& request,
                  const Router::Match& match);
    void call_handler(Service& service, const Request& request, const Router::Match& match);
    void answer_without_handler(Service& service, core::SendQueue& output, const Request& request,
                                const Router::Match& match);
    bool refuse_if_bad(Service& service, core::SendQueue& output, const Framing& framing);
    void refuse(Service& service, core::SendQueue& output, Status status, core::Reason reason);
    void write(Service& service, core::SendQueue& output, Response&& response) noexcept;
    void put(Service& service, core::SendQueue& output, Response&& response);
    /// Why the connection ends after this response; none: it does not.
    [[nodiscard]] core::Reason ending_after(const Limits& limits,
                                            bool server_closes) const noexcept;
    void describe_connection(const Limits& limits, bool closes,
                             WriteContext& context) const noexcept;
    void end(core::Reason reason) noexcept;
    void spoil_output(core::Reason reason) noexcept;
    /// The connection ends after this exchange, though the client would go on.
    void refuse_to_persist() noexcept {
        persistent_ = false;
        reason_ = core::Reason::server_close;
    }
    void forget_request(Service& service, std::string_view bytes) noexcept;

    void keep(Service& service, std::string_view bytes);
    void consume(std::string_view& fresh, std::size_t bytes) noexcept;
    [[nodiscard]] std::string_view source(std::string_view fresh) const noexcept;
    [[nodiscard]] bool has_pending() const noexcept {
        return input_ != nullptr && !input_->unconsumed().empty();
    }
    void bound_input(Service& service, core::SendQueue& output);
    void give_input_back(Service& service);
    [[nodiscard]] core::Progress progress(const Service& service) const noexcept;
    [[nodiscard]] core::Progress report(const Service& service) noexcept;

    std::unique_ptr<InputBuffer> input_;
    core::ConnectionId id_;
    std::uint32_t requests_ = 0;
    ExchangeMeter::Moment begun_at_ = 0;  // the turn in which the last head was complete
    std::uint16_t answers_unsent_ = 0;    // at most Limits::pipelined_max
    State state_ = State::head;
    core::Reason reason_ = core::Reason::none;
    core::Reason retire_reason_ = core::Reason::none;  // not none: the running exchange is the last
    std::uint8_t method_ = methodless;                 // of the last head
    bool persistent_ : 1 = true;                       // as far as client and server have said
    bool head_only_ : 1 = false;                       // the request is HEAD
    bool old_version_ : 1 = false;                     // the request is HTTP/1.0
    bool is_chunked_ : 1 = false;                      // the content is
    bool buffered_ : 1 = false;                        // the content is kept
    bool streamed_ : 1 = false;                        // the content is taken in pieces
    bool paused_ : 1 = false;                          // ... but not now
    bool begun_ : 1 = false;                           // the answer's head has been written
    bool full_ : 1 = false;                            // ... and its content must wait
    bool moved_ : 1 = false;                           // a piece came or went since the last report
    bool in_handler_ : 1 = false;                      // the handler is running
    bool stalled_ : 1 = false;                         // the output is full
    bool input_finished_ : 1 = false;                  // the peer will send no more
    bool broken_ : 1 = false;                          // the output is not whole
    bool new_message_ : 1 = false;                     // a message has ended since the last report
};
static_assert(sizeof(Session) == 32, "every connection has one");

}  // namespace enduring::http
