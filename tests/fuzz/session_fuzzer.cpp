// A session with all that a service gives it: any cut of the input gives the same answers, the same
// calls of handlers and the same end as none; the answers are well-formed responses, not more than
// requests, in the order of the requests, and none behind one that closes.
//
// The first byte of an input chooses limits and a client (see Variant), the rest is what it sends.
//
// Where cuts may make a difference:
// - "Expect: 100-continue": what is answered depends on whether content has come together with the
//   head (RFC 9110 §10.1.1: a server may omit the 100 then). So where the input has one, pieces
//   that end with a head are joined with the next one before answers are compared; cut anywhere,
//   they are only looked at by themselves.
// - How often the end of a message is reported, and when input is to be held: both are about the
//   time between two pieces. They are not compared.
// - The Date: no time passes here.
// - Memory for input that is used up (503): it depends on what is kept. The limit is out of reach.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/limits.hpp"
#include "http/router.hpp"
#include "tests/fuzz/client.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/responses.hpp"

namespace enduring::http {
namespace {

constexpr std::size_t input_bytes_max = 4096;

// The bits of the first byte, so that '@' is what is usual.
struct Variant {
    explicit Variant(char byte)
        : tight((byte & 1) != 0),
          reads_late((byte & 2) != 0),
          finishes_input((byte & 4) != 0),
          keepalive_field((byte & 8) != 0) {}

    [[nodiscard]] Limits limits() const {
        Limits limits;
        if (tight) {
            limits.head = {.head_bytes_max = 256, .target_bytes_max = 32, .fields_max = 6};
            limits.content_bytes_max = 16;
            limits.discard_bytes_max = 8;
            limits.requests_max = 4;
            limits.pipelined_max = 2;
            limits.output_bytes_max = 512;
            limits.held_bytes_max = 64;
        }
        limits.keepalive_field = keepalive_field;
        limits.keepalive_timeout_s = keepalive_field ? 75 : 0;
        return limits;
    }

    bool tight;
    bool reads_late;
    bool finishes_input;
    bool keepalive_field;
};

// The client whose input is being taken.
Client* current = nullptr;

void note_call(const Request& request) {
    std::string& calls = current->calls();
    current->methods().push_back(request.method());
    calls.append(name_of(request.method())).append(1, ' ').append(request.target());
    calls.append(1, ' ').append(request.path()).append("?").append(request.query());
    calls.append(1, '@').append(request.authority()).append("\n");
    for (std::size_t i = 0; i < request.field_count(); ++i) {
        const Field field = request.field_at(i);
        calls.append(field.name).append(":").append(field.value).append("\n");
    }
    calls.append("[").append(request.content()).append("]\n");
}

// Every content begins with '=', and every answer of a handler has its number.
void answer(Responder responder, std::string_view content, bool close = false) {
    const std::string number = std::to_string(current->methods().size());
    Response response;
    response.content_type("text/plain").field("Call", number).content("=" + std::string(content));
    if (close) {
        response.close();
    }
    responder.send(std::move(response));
}

const Router& router() {
    static const Router made = [] {
        Router routes;
        const auto echo = [](const Request& request, Responder responder) {
            note_call(request);
            answer(std::move(responder), request.content());
        };
        routes.post("/", echo).on(Method::put, "/", echo);
        routes.on(Method::post, "/drop", echo, ContentMode::ignored);
        routes.get("/", [](const Request& request, Responder responder) {
            note_call(request);
            answer(std::move(responder), "hello");
        });
        routes.get("/n/{name}", [](const Request& request, Responder responder) {
            note_call(request);
            answer(std::move(responder), request.parameter("name"));
        });
        routes.get("/close", [](const Request& request, Responder responder) {
            note_call(request);
            answer(std::move(responder), "bye", true);
        });
        routes.get("/large", [](const Request& request, Responder responder) {
            note_call(request);
            answer(std::move(responder), std::string(20'000, 'x'));
        });
        const auto later = [](const Request& request, Responder responder) {
            note_call(request);
            current->hold(std::move(responder));
        };
        routes.get("/later", later).post("/later", later);
        routes.get("/throw", [](const Request& request, Responder) {
            note_call(request);
            throw std::runtime_error("as a handler may");
        });
        return routes;
    }();
    return made;
}

struct Result {
    std::string received;
    std::string calls;
    std::vector<Method> methods;
    core::Need need;
    core::Reason reason;
};

Result run(const Variant& variant, const std::vector<std::string_view>& pieces) {
    Client client(router(), variant.limits(), variant.reads_late);
    current = &client;
    for (const std::string_view piece : pieces) {
        client.send(piece);
    }
    client.finish(variant.finishes_input);
    Result result{client.received(), client.calls(), client.methods(), client.progress().need,
                  client.progress().reason};
    client.close();
    FUZZ_EXPECT(client.received() == result.received, "something was sent behind the end");
    current = nullptr;
    return result;
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t number = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + 1)) {
        ++number;
    }
    return number;
}

void expect_well_formed(const Result& result, std::string_view input) {
    using core::Reason;
    const auto responses = fuzz::read_responses(result.received);
    std::size_t final_count = 0;
    std::size_t heads = 0;
    unsigned last_call = 0;
    for (const fuzz::ReadResponse& response : responses) {
        final_count += response.status >= 200 ? 1 : 0;
        heads += response.without_content ? 1 : 0;
        if (response.call != 0) {
            FUZZ_EXPECT(response.call > last_call && response.call <= result.methods.size(), input);
            last_call = response.call;
            // Every handler's content has at least one octet.
            const bool was_head = result.methods[response.call - 1] == Method::head;
            FUZZ_EXPECT(response.length > 0 && response.without_content == was_head, input);
        }
    }
    // Each complete head ends with an empty line; one more may have been refused before its end.
    FUZZ_EXPECT(final_count <= count(input, "\r\n\r\n") + 1, input);
    FUZZ_EXPECT(result.methods.size() <= final_count, input);
    FUZZ_EXPECT(heads <= count(input, "HEAD "), input);
    const bool said = !responses.empty() && responses.back().closes;
    const bool ended = result.need == core::Need::nothing;
    FUZZ_EXPECT(said == (ended && result.reason != Reason::peer), input);
    constexpr Reason possible[] = {Reason::none,           Reason::peer,
                                   Reason::peer_truncated, Reason::client_close,
                                   Reason::server_close,   Reason::keepalive_requests,
                                   Reason::protocol_error};
    FUZZ_EXPECT(std::ranges::find(possible, result.reason) != std::end(possible), input);
    FUZZ_EXPECT(result.need != core::Need::answer && result.need != core::Need::room, input);
}

bool expects_continue(std::string_view input) {
    constexpr std::string_view word = "100-continue";
    return !std::ranges::search(input, word, {}, [](char c) {
                return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            }).empty();
}

std::vector<std::string_view> cut(std::string_view input, fuzz::Cut way) {
    std::vector<std::string_view> pieces;
    fuzz::cut_into_pieces(input, way, [&](std::string_view piece) { pieces.push_back(piece); });
    return pieces;
}

// Joins each piece that ends where a head may end with the next.
std::vector<std::string_view> joined(std::string_view input,
                                     const std::vector<std::string_view>& pieces) {
    std::vector<std::string_view> result;
    std::size_t begin = 0;
    std::size_t end = 0;
    for (const std::string_view piece : pieces) {
        end += piece.size();
        if (!input.substr(0, end).ends_with("\r\n\r\n") || end == input.size()) {
            result.push_back(input.substr(begin, end - begin));
            begin = end;
        }
    }
    return result;
}

void expect_same(const Result& a, const Result& b, std::string_view input) {
    FUZZ_EXPECT(a.received == b.received,
                std::string(input) + "\n" + a.received + "\n" + b.received);
    FUZZ_EXPECT(a.calls == b.calls, std::string(input) + "\n" + a.calls + "\n" + b.calls);
    FUZZ_EXPECT(a.need == b.need, input);
    FUZZ_EXPECT(a.reason == b.reason, input);
}

}  // namespace
}  // namespace enduring::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enduring;
    using namespace enduring::http;
    if (size == 0 || size > input_bytes_max) {
        return -1;
    }
    const std::string_view text = fuzz::text_of(data, size);
    const Variant variant(text.front());
    const std::string_view input = text.substr(1);
    const Result whole = run(variant, cut(input, fuzz::Cut::nowhere));
    expect_well_formed(whole, input);
    for (const fuzz::Cut way : fuzz::all_cuts) {
        if (way == fuzz::Cut::nowhere || (way == fuzz::Cut::everywhere && input.size() > 1024)) {
            continue;
        }
        const auto pieces = cut(input, way);
        if (!expects_continue(input)) {
            expect_same(whole, run(variant, pieces), input);
        } else {
            expect_well_formed(run(variant, pieces), input);
            expect_same(whole, run(variant, joined(input, pieces)), input);
        }
    }
    return 0;
}
