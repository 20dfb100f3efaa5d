// Calls handlers and looks at their responses, for tests: without sockets, threads and waiting. The
// session, the parser and the writer are those of the server; the loop is test::Loop. Needs no test
// framework.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/address.hpp"
#include "core/reason.hpp"
#include "http/chunked.hpp"
#include "http/handler.hpp"
#include "http/limits.hpp"
#include "http/method.hpp"
#include "http/request.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/status.hpp"
#include "http/test_loop.hpp"

namespace enduring::http::test {

/// Why a test cannot go on: there is no response where one is asked for, or what the server sent is
/// no HTTP.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A response as a client reads it. Owns what it holds.
struct Response {
    struct Field {
        std::string name;
        std::string value;
    };

    Status status = Status::ok;
    std::string reason{};         ///< the status line's phrase
    std::vector<Field> fields{};  ///< in their order
    std::string content{};        ///< without its transfer coding
    bool chunked = false;         ///< the content came in chunks
    std::string bytes{};          ///< all of it, as it came

    /// The value of the first field of that name (any case), or nothing.
    [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const noexcept;
};

/// A request as a client sends it. The views need live during the call only. Host, and
/// Content-Length where there is a content or the method has one, are added unless they are among
/// the fields; with Transfer-Encoding among them the content is sent as it is.
struct Request {
    Method method = Method::get;  ///< not Method::other: see Connection::write()
    std::string_view target = "/";
    std::vector<Field> fields{};
    std::string_view content{};
    unsigned minor_version = 1;  ///< 0 or 1
};

class Client;
class Connection;

/// A request that was sent, and the response as far as it has come. A handle: copies mean the same
/// exchange. What came can be read when the client has gone; all else needs it.
class Exchange {
  public:
    /// The response has come wholly.
    [[nodiscard]] bool done() const noexcept { return state_->done; }
    /// The connection ended before: none, or not all of the response, will come.
    [[nodiscard]] bool failed() const noexcept { return state_->failed; }
    /// The response. Throws Failure unless done().
    [[nodiscard]] const Response& response() const;
    /// What has come of the response so far; null before its head is there.
    [[nodiscard]] const Response* begun() const noexcept {
        return state_->head_read ? &state_->response : nullptr;
    }
    /// The responses before the response: 100 (RFC 9110 §15.2).
    [[nodiscard]] const std::vector<Response>& interim() const noexcept { return state_->interim; }

    /// For requests of Client::begin(): sends a piece of the content, and says that it is complete.
    void write(std::string_view piece) const;
    void finish() const;

    /// The connection that carries it: to end it, or to stop reading.
    [[nodiscard]] Connection& connection() const noexcept { return *connection_; }

    /// Waits in real time until the response is there, for answers of other threads. False: it is
    /// not, and the time is over or the connection has ended.
    bool wait(std::chrono::milliseconds longest = std::chrono::seconds(10)) const;

  private:
    friend class Connection;
    friend class Client;

    struct State {
        Method method = Method::get;
        bool sends_chunks = false;
        bool head_read = false;
        bool until_close = false;
        bool done = false;
        bool failed = false;
        std::uint64_t content_left = 0;
        ChunkedDecoder decoder{};
        Response response{};
        std::vector<Response> interim{};
    };

    Exchange(Connection& connection, Method method)
        : connection_(&connection), state_(std::make_shared<State>()) {
        state_->method = method;
    }

    Connection* connection_;
    std::shared_ptr<State> state_;
};

/// A connection, seen from its client. Made and owned by a Client, as long as that lives.
class Connection {
  public:
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Sends a request; behind others that are not answered yet, too.
    Exchange start(const Request& request);
    /// Sends the head of a request whose content comes in pieces: see Exchange::write(). size: the
    /// content's length; without one it is sent in chunks.
    Exchange begin(const Request& request, std::optional<std::uint64_t> size = std::nullopt);

    /// Sends bytes as they are.
    void write(std::string_view bytes);
    /// The next response that nobody waits for: for requests that were sent by write(), and for
    /// what the server says by itself. method: of the request.
    Exchange expect(Method method = Method::get);

    /// The client sends no more, and goes on reading.
    void finish();
    /// The client is gone: the server notices it as a reset.
    void disconnect();
    /// The server's time for what the connection waits for is over: 408, 503, or the end.
    void time_out();
    /// The server is to stop: what it answers now is the last; see Responder::should_end(). An idle
    /// connection would be closed, which a test need not see.
    void retire();

    /// The client takes no byte until resume_reading(), beyond what read() takes.
    void stop_reading() noexcept { wire_.blocked = true; }
    void read(std::size_t bytes_max);
    void resume_reading();

    /// The server takes further requests on this connection.
    [[nodiscard]] bool open() const noexcept { return !wire_.closed && !wire_.ended(); }
    /// Why the session ended it; none: it has not. After a time-out the server counts that instead.
    [[nodiscard]] core::Reason reason() const noexcept { return wire_.progress.reason; }
    /// The server has reset it.
    [[nodiscard]] bool cut() const noexcept { return wire_.cut; }
    /// All that has come, as it came.
    [[nodiscard]] std::string_view received() const noexcept { return wire_.received; }
    /// Bytes that were sent and that the server has not received, since it has enough for now.
    [[nodiscard]] std::size_t unreceived() const noexcept { return wire_.unreceived.size(); }

  private:
    friend class Client;
    friend class Exchange;

    Connection(Client& client, LoopConnection& wire) : client_(client), wire_(wire) {}

    [[nodiscard]] bool idle() const noexcept {
        return open() && awaited_.empty() && read_ == wire_.received.size() && !raw_ &&
               wire_.progress.need == core::Need::request && !wire_.blocked;
    }
    void send(std::string_view bytes);
    Exchange send_head(const Request& request, std::string_view framing);
    bool settle();
    void read_responses();
    bool read_head(Exchange::State& state);
    bool read_content(Exchange::State& state);
    void end_of_input() noexcept;
    [[nodiscard]] std::string_view unread() const noexcept {
        return std::string_view(wire_.received).substr(read_);
    }

    Client& client_;
    LoopConnection& wire_;
    std::deque<std::shared_ptr<Exchange::State>> awaited_;
    std::size_t read_ = 0;
    bool raw_ = false;  // bytes were sent of which nothing is known
};

/// What may be set for a Client.
struct Options {
    Limits limits{};
    /// For the Date field; the default stands still, at Sun, 06 Nov 1994 08:49:37 GMT.
    Service::WallClock wall_clock = [] { return std::int64_t{784'111'777} * 1000; };
    /// As Loop::Options::peer.
    std::optional<core::Address> peer =
        core::Address{.kind = core::Address::Kind::host, .host = "192.0.2.1"};
};

/// A server of one worker, and its clients. Time stands still but for advance(). Everything happens
/// in the calls: when one returns, the server has nothing left to do but to wait. Not thread-safe;
/// used by one thread, and not by handlers. Responders that a test keeps must go before it.
class Client {
  public:
    /// The router must outlive the client and not change.
    explicit Client(const Router& router, Options options = {});
    /// Takes the router.
    explicit Client(Router&& router, Options options = {});
    /// One handler, for every path, and every method that a route can have. Its parameter "path" is
    /// the path without the first '/'.
    explicit Client(Handler handler, ContentMode mode = ContentMode::buffered,
                    Options options = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Sends a request and gives the response, what the server refuses included. On a connection
    /// that is open and idle, else on a new one. Throws Failure if the response is not there at
    /// once: see start().
    Response send(const Request& request);
    Response get(std::string_view target, std::vector<Field> fields = {});
    Response head(std::string_view target, std::vector<Field> fields = {});
    Response post(std::string_view target, std::string_view content,
                  std::vector<Field> fields = {});
    /// Sends bytes as they are, on a connection of their own.
    Response send_bytes(std::string_view bytes);

    /// Sends a request whose response may come later.
    Exchange start(const Request& request) { return idle_connection().start(request); }
    /// As Connection::begin().
    Exchange begin(const Request& request, std::optional<std::uint64_t> size = std::nullopt) {
        return idle_connection().begin(request, size);
    }
    /// A new connection.
    Connection& connect();

    /// Lets so much time pass, and runs the timers that are due meanwhile, each at its time. The
    /// server's clock has whole milliseconds and no timer is early, so one more passes: a timer
    /// that was set before for this time runs.
    void advance(std::chrono::milliseconds time);
    /// Sends answers that a test gave to responders it keeps, and runs what other threads have left
    /// until now.
    void run();
    /// Goes on until the condition holds, whenever another thread has left something. False: the
    /// real time is over.
    bool wait(const std::function<bool()>& condition,
              std::chrono::milliseconds longest = std::chrono::seconds(10));

    /// Where other threads leave functions: what Responder::mailbox() gives.
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept { return mailbox_; }
    /// Handlers, and functions called later for them, that ended with an exception.
    [[nodiscard]] std::uint64_t handlers_threw() const noexcept;

  private:
    friend class Connection;
    struct Bell;

    Client(const Router* router, Router&& owned, Options&& options);
    Connection& idle_connection();

    Router router_;
    std::shared_ptr<Bell> bell_;  // rung when another thread has left something
    std::shared_ptr<Mailbox> mailbox_;
    Loop loop_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace enduring::http::test
