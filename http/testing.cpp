#include "http/testing.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <system_error>

#include "http/text.hpp"
#include "http/thread_mailbox.hpp"

namespace enduring::http::test {

namespace {

// As the loop reads them; nothing if there is less.
std::optional<std::string> read_file(const core::FilePiece& piece) {
    std::string bytes(static_cast<std::size_t>(piece.size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t size = ::pread(piece.descriptor, bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(piece.offset + done));
        if (size <= 0) {
            return std::nullopt;
        }
        done += static_cast<std::size_t>(size);
    }
    return bytes;
}

// A receive buffer's: so a content comes in pieces, as it does in a server.
constexpr std::size_t receive_bytes = 4096;

[[noreturn]] void malformed(std::string_view bytes) {
    throw Failure("the server sent what is no response: " + std::string(bytes.substr(0, 200)));
}

std::uint64_t number_in(std::string_view text, std::string_view whole) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        malformed(whole);
    }
    return number;
}

// bytes: a head with its empty line.
Response parse_head(std::string_view bytes) {
    Response response;
    response.bytes = bytes;
    std::string_view rest = bytes.substr(0, bytes.size() - 2);
    for (bool first = true; !rest.empty(); first = false) {
        const std::size_t end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (first) {
            if (!line.starts_with("HTTP/1.") || line.size() < 13 || line[12] != ' ') {
                malformed(bytes);
            }
            response.status = static_cast<Status>(number_in(line.substr(9, 3), bytes));
            response.reason = line.substr(13);
            continue;
        }
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos) {
            malformed(bytes);
        }
        response.fields.push_back({.name = std::string(line.substr(0, colon)),
                                   .value = std::string(trim(line.substr(colon + 1)))});
    }
    return response;
}

bool has_field(const Request& request, std::string_view name) {
    return std::ranges::any_of(request.fields, [name](const Field& field) {
        return equals_ignoring_case(field.name, name);
    });
}

std::string hexadecimal(std::size_t number) {
    std::array<char, 16> digits;
    const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
    return {digits.data(), result.ptr};
}

Router one_handler(Handler&& handler, ContentMode mode) {
    // It stays one, so that what it holds is there once.
    const auto shared = std::make_shared<const Handler>(std::move(handler));
    Router router;
    for (const Method method : {Method::get, Method::post, Method::put, Method::delete_,
                                Method::options, Method::patch}) {
        router.on(
            method, "/{path...}",
            [shared](const http::Request& request, Responder responder) {
                (*shared)(request, std::move(responder));
            },
            mode);
    }
    return router;
}

}  // namespace

std::optional<std::string_view> Response::field(std::string_view name) const noexcept {
    for (const Field& field : fields) {
        if (equals_ignoring_case(field.name, name)) {
            return field.value;
        }
    }
    return std::nullopt;
}

// ---- one exchange ------------------------------------------------------------------------------

const Response& Exchange::response() const {
    if (failed()) {
        throw Failure("the connection ended without a whole response");
    }
    if (!done()) {
        throw Failure("the response has not come yet, or not wholly");
    }
    return state_->response;
}

void Exchange::write(std::string_view piece) const {
    if (piece.empty()) {
        return;
    }
    std::string bytes(piece);
    if (state_->sends_chunks) {
        bytes = hexadecimal(piece.size()) + "\r\n" + bytes + "\r\n";
    }
    connection_->send(bytes);
}

void Exchange::finish() const {
    if (std::exchange(state_->sends_chunks, false)) {
        connection_->send("0\r\n\r\n");
    }
}

bool Exchange::wait(std::chrono::milliseconds longest) const {
    connection_->client_.wait([this] { return done() || failed(); }, longest);
    return done();
}

// ---- what a connection's client sends ----------------------------------------------------------

void Connection::send(std::string_view bytes) {
    if (!wire_.closed) {
        client_.loop_.begin_turn();
        client_.loop_.give(wire_, bytes);
    }
    client_.run();
    if (wire_.closed) {
        end_of_input();  // also for what came after the end
    }
}

Exchange Connection::send_head(const Request& request, std::string_view framing) {
    std::string bytes(name_of(request.method));
    bytes.append(" ").append(request.target).append(" HTTP/1.");
    bytes.append(std::to_string(request.minor_version)).append("\r\n");
    if (!has_field(request, "Host")) {
        bytes += "Host: localhost\r\n";
    }
    for (const Field& field : request.fields) {
        bytes.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    bytes.append(framing).append("\r\n").append(request.content);
    Exchange exchange = Exchange(*this, request.method);
    awaited_.push_back(exchange.state_);
    send(bytes);
    return exchange;
}

Exchange Connection::start(const Request& request) {
    const bool expected = request.method == Method::post || request.method == Method::put ||
                          request.method == Method::patch;
    const bool says_length =
        has_field(request, "Content-Length") || has_field(request, "Transfer-Encoding");
    return send_head(request,
                     says_length || (request.content.empty() && !expected)
                         ? std::string()
                         : "Content-Length: " + std::to_string(request.content.size()) + "\r\n");
}

Exchange Connection::begin(const Request& request, std::optional<std::uint64_t> size) {
    if (!request.content.empty()) {
        throw Failure("the content of a request that comes in pieces is given to Exchange::write");
    }
    Exchange exchange =
        send_head(request, size ? "Content-Length: " + std::to_string(*size) + "\r\n"
                                : "Transfer-Encoding: chunked\r\n");
    exchange.state_->sends_chunks = !size;
    return exchange;
}

void Connection::write(std::string_view bytes) {
    raw_ = true;
    send(bytes);
}

Exchange Connection::expect(Method method) {
    Exchange exchange = Exchange(*this, method);
    awaited_.push_back(exchange.state_);
    read_responses();
    if (wire_.closed) {
        end_of_input();
    }
    return exchange;
}

void Connection::finish() {
    if (open()) {
        client_.loop_.finish_input(wire_);
    }
    client_.run();
}

void Connection::disconnect() {
    client_.loop_.close(wire_);
    // Whoever leaves has not got what he still awaits, though it was to end with the connection.
    for (const auto& state : awaited_) {
        state->failed = true;
    }
    awaited_.clear();
    client_.run();
}

void Connection::time_out() {
    if (!wire_.closed) {
        client_.loop_.time_out(wire_);
    }
    client_.run();
}

void Connection::retire() {
    if (!wire_.closed) {
        client_.loop_.retire(wire_);
    }
}

void Connection::read(std::size_t bytes_max) {
    if (!wire_.closed) {
        client_.loop_.read(wire_, bytes_max);
    }
    client_.run();
}

void Connection::resume_reading() {
    wire_.blocked = false;
    client_.run();
}

// ---- what it gets ------------------------------------------------------------------------------

// True: the connection has ended, and who is told of it may have done something.
bool Connection::settle() {
    read_responses();
    if (wire_.closed || !wire_.ended() || !wire_.output.empty()) {
        return false;
    }
    client_.loop_.close(wire_);
    end_of_input();
    return true;
}

void Connection::read_responses() {
    while (!awaited_.empty()) {
        Exchange::State& state = *awaited_.front();
        if (!state.head_read && !read_head(state)) {
            return;
        }
        if (!read_content(state)) {
            return;
        }
        state.done = true;
        awaited_.pop_front();
    }
}

// False: it is not there yet.
bool Connection::read_head(Exchange::State& state) {
    for (;;) {
        const std::size_t end = unread().find("\r\n\r\n");
        if (end == std::string_view::npos) {
            return false;
        }
        Response response = parse_head(unread().substr(0, end + 4));
        read_ += end + 4;
        const bool is_interim = code_of(response.status) < 200;
        (is_interim ? state.interim.emplace_back() : state.response) = std::move(response);
        if (!is_interim) {
            break;
        }
    }
    const Response& head = state.response;
    state.head_read = true;
    const auto length = head.field("Content-Length");
    state.response.chunked = head.field("Transfer-Encoding").has_value();
    if (state.method == Method::head || forbids_content(head.status)) {
        state.response.chunked = false;
    } else if (!head.chunked) {
        state.until_close = !length;
        state.content_left = length ? number_in(*length, head.bytes) : 0;
    }
    return true;
}

// False: it is not there yet.
bool Connection::read_content(Exchange::State& state) {
    Response& response = state.response;
    const auto take = [&](std::size_t size) {
        response.bytes += unread().substr(0, size);
        read_ += size;
    };
    if (!response.chunked) {
        const std::string_view piece =
            state.until_close ? unread()
                              : unread().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                                       state.content_left, unread().size())));
        response.content += piece;
        state.content_left -= state.until_close ? 0 : piece.size();
        take(piece.size());
        return !state.until_close && state.content_left == 0;
    }
    for (;;) {
        const ChunkedDecoder::Step step = state.decoder.decode(unread());
        response.content += step.content;
        take(step.taken);
        switch (step.outcome) {
            case ChunkedDecoder::Outcome::more:
                return false;
            case ChunkedDecoder::Outcome::content:
                break;
            case ChunkedDecoder::Outcome::complete:
                return true;
            case ChunkedDecoder::Outcome::invalid:
                malformed(response.bytes);
        }
    }
}

void Connection::end_of_input() noexcept {
    for (const auto& state : awaited_) {
        state->done = state->head_read && state->until_close && wire_.ended() && !wire_.cut;
        state->failed = !state->done;
    }
    awaited_.clear();
}

// ---- the server --------------------------------------------------------------------------------

// What the mailbox's threads wake the test with.
struct Client::Bell {
    std::mutex mutex{};
    std::condition_variable condition{};
    bool rung = false;

    void ring() {
        const std::scoped_lock lock(mutex);
        rung = true;
        condition.notify_one();
    }
    // False: the time is over.
    bool wait_until(std::chrono::steady_clock::time_point end) {
        std::unique_lock lock(mutex);
        const bool was_rung = condition.wait_until(lock, end, [this] { return rung; });
        rung = false;
        return was_rung;
    }
};

Client::Client(const Router& router, Options options)
    : Client(&router, Router(), std::move(options)) {}

Client::Client(Router&& router, Options options)
    : Client(nullptr, std::move(router), std::move(options)) {}

Client::Client(Handler handler, ContentMode mode, Options options)
    : Client(nullptr, one_handler(std::move(handler), mode), std::move(options)) {}

Client::Client(const Router* router, Router&& owned, Options&& options)
    : router_(std::move(owned)),
      bell_(std::make_shared<Bell>()),
      mailbox_(std::make_shared<ThreadMailbox>([bell = bell_] {
          bell->ring();
          return true;
      })),
      loop_({.peer = std::move(options.peer),
             .receive_bytes_max = receive_bytes,
             .read_file = read_file}) {
    loop_.start(router != nullptr ? *router : router_, options.limits, options.wall_clock,
                mailbox_);
}

Client::~Client() = default;

Connection& Client::connect() {
    connections_.push_back(std::unique_ptr<Connection>(new Connection(*this, loop_.connect())));
    return *connections_.back();
}

Connection& Client::idle_connection() {
    for (const auto& connection : connections_) {
        if (connection->idle()) {
            return *connection;
        }
    }
    return connect();
}

Response Client::send(const Request& request) { return start(request).response(); }

Response Client::get(std::string_view target, std::vector<Field> fields) {
    return send({.target = target, .fields = std::move(fields)});
}

Response Client::head(std::string_view target, std::vector<Field> fields) {
    return send({.method = Method::head, .target = target, .fields = std::move(fields)});
}

Response Client::post(std::string_view target, std::string_view content,
                      std::vector<Field> fields) {
    return send({.method = Method::post,
                 .target = target,
                 .fields = std::move(fields),
                 .content = content});
}

Response Client::send_bytes(std::string_view bytes) {
    Connection& connection = connect();
    connection.write(bytes);
    return connection.expect(bytes.starts_with("HEAD ") ? Method::head : Method::get).response();
}

void Client::advance(std::chrono::milliseconds time) {
    const std::uint64_t end_ms =
        loop_.clock_ms() + static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)) + 1;
    for (;;) {
        const std::uint64_t next_ms = loop_.service()->next_ms();
        if (next_ms > end_ms) {
            break;
        }
        loop_.clock_ms() = std::max(loop_.clock_ms(), next_ms);
        run();
    }
    loop_.clock_ms() = end_ms;
    run();
}

void Client::run() {
    loop_.begin_turn();
    for (bool changed = true; changed;) {
        changed = false;
        loop_.pump();
        for (const auto& connection : connections_) {
            changed = connection->settle() || changed;
        }
    }
}

bool Client::wait(const std::function<bool()>& condition, std::chrono::milliseconds longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    for (bool rung = true;; rung = bell_->wait_until(end)) {
        run();
        if (condition()) {
            return true;
        }
        if (!rung) {
            return false;
        }
    }
}

std::uint64_t Client::handlers_threw() const noexcept { return loop_.service()->handlers_threw(); }

}  // namespace enduring::http::test
