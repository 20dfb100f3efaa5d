#include "tests/bench/micro/exchanges.hpp"

#include <utility>

#include "core/check.hpp"

namespace enduring::bench {

namespace {

constexpr std::string_view host = "Host: 127.0.0.1:8080\r\n";

std::string get(std::string_view fields = {}) {
    return std::string("GET /pipeline HTTP/1.1\r\n").append(host).append(fields) + "\r\n";
}

// About 500 bytes in ten fields, of which one differs.
std::string browser_fields(std::size_t number) {
    return "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
           "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
           "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br\r\n"
           "Referer: http://127.0.0.1/catalogue/page\r\nCookie: session=4f9d0c7be1a2" +
           std::to_string(1000 + number) +
           "; theme=light\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Mode: navigate\r\n"
           "Priority: u=0, i\r\n";
}

std::vector<Exchange> make_exchanges() {
    std::vector<Exchange> made;
    made.push_back({"get", {get()}});
    std::string batch;
    for (unsigned i = 0; i < 16; ++i) {
        batch += get();
    }
    made.push_back({"get-pipelined", {batch}, 16});
    // More than a worker remembers.
    Exchange varied{"get-browser", {}, 64};
    Exchange short_ones{"get-varied", {}, 64};
    for (std::size_t i = 0; i < 64; ++i) {
        varied.pieces.push_back(get(browser_fields(i)));
        short_ones.pieces.push_back(get("X: " + std::to_string(1000 + i) + "\r\n"));
    }
    made.push_back(std::move(varied));
    made.push_back(std::move(short_ones));
    const std::string whole = get();
    made.push_back({"get-split", {whole.substr(0, 20), whole.substr(20)}});
    const std::string post = std::string("POST /echo HTTP/1.1\r\n").append(host);
    made.push_back({"post", {post + "Content-Length: 100\r\n\r\n" + std::string(100, 'x')}});
    made.push_back({"post-chunked",
                    {post + "Transfer-Encoding: chunked\r\n\r\n32\r\n" + std::string(50, 'x') +
                     "\r\n32\r\n" + std::string(50, 'x') + "\r\n0\r\n\r\n"}});
    made.push_back({"not-found", {std::string("GET /x HTTP/1.1\r\n").append(host) + "\r\n"}});
    return made;
}

http::Router make_router() {
    http::Router router;
    router.get("/pipeline", [](const http::Request&, http::Responder responder) {
        responder.send(http::Status::ok, "text/plain", "ok");
    });
    router.post("/echo", [](const http::Request& request, http::Responder responder) {
        responder.send(http::Status::ok, "text/plain", request.content());
    });
    return router;
}

http::Limits make_limits() {
    http::Limits limits;
    limits.requests_max = 0;
    return limits;
}

}  // namespace

const std::vector<Exchange>& exchanges() {
    static const std::vector<Exchange> made = make_exchanges();
    return made;
}

Connection::Connection()
    : router_(make_router()),
      service_(router_, make_limits(), [] { return std::int64_t{784'111'777} * 1000; }) {
    service_.attach(this);
    service_.begin_turn(1'000'000);
    service_.open(session_, {});
}

Connection::~Connection() {
    service_.close(session_);
    output_.clear(pool_);
}

void Connection::run(const Exchange& exchange) {
    for (const std::string& piece : exchange.pieces) {
        core::Progress progress = service_.receive(session_, output_, piece);
        while (true) {
            output_.consume(output_.size_bytes(), pool_);
            if (!std::exchange(woken_, false) && progress.need != core::Need::room) {
                break;
            }
            progress = service_.resume(session_, output_);
        }
        ENDURING_CHECK(progress.need == core::Need::request || progress.need == core::Need::head,
                       "a request has no answer");
    }
}

}  // namespace enduring::bench
