#include "tests/simulation/requests.hpp"

#include <algorithm>
#include <iterator>

#include "core/format.hpp"
#include "tests/simulation/content.hpp"

namespace enduring::simulation {

namespace {

std::uint64_t draw_size(Random& random, bool large) {
    if (large && random.chance(60)) {
        return random.below(300'000);  // more than one chunk of a file
    }
    if (large && random.chance(300)) {
        return random.below(30'000);
    }
    return random.below(random.pick<std::uint64_t>({1, 20, 300, 3'000}));
}

// In pieces as the chunked coding has them.
std::string chunked(std::string_view content, Random& random) {
    std::string text;
    while (!content.empty()) {
        const std::size_t size = 1 + random.below(content.size());
        core::append_formatted(text, "{:x}{}\r\n{}\r\n", size, random.chance(100) ? ";a=b" : "",
                               content.substr(0, size));
        content.remove_prefix(size);
    }
    return text += random.chance(100) ? "0\r\nX-Trailer: 1\r\n\r\n" : "0\r\n\r\n";
}

/// What a client does that is not hostile: bits of what its requests may be.
struct ExchangeKinds {
    bool large = false;  ///< contents that exceed what the kernel buffers
    bool files = true;
    bool hostile = false;  ///< requests that must be refused
    bool final = false;    ///< the last one of the client
};

struct Head {
    std::string_view method = "GET";
    std::string target{};
    std::string fields{};
    std::string content{};
};

void finish(Exchange& exchange, Random& random, const Head& head, bool persists_allowed) {
    std::string_view version = "HTTP/1.1";
    std::string_view connection;
    if (!persists_allowed || random.chance(30)) {
        connection = "Connection: close\r\n";
        exchange.closes = true;
    } else if (head.method != "POST" && random.chance(40)) {
        version = "HTTP/1.0";
        if (random.chance(500)) {
            connection = "Connection: keep-alive\r\n";
        } else {
            exchange.closes = true;
        }
    }
    exchange.request = core::formatted("{} {} {}\r\nHost: a.example\r\n{}{}\r\n", head.method,
                                       head.target, version, connection, head.fields);
    exchange.head_bytes = exchange.request.size();
    exchange.request += head.content;
}

std::string_view kind_of_handler(Random& random) { return random.chance(500) ? "/coroutine" : ""; }

void make_get(Exchange& exchange, Random& random, const Plan& plan, const ExchangeKinds& kinds,
              Head& head) {
    const auto pattern = static_cast<std::uint32_t>(random.below(4096));
    const std::uint64_t size = draw_size(random, kinds.large);
    exchange.content = content_of(pattern, size);
    const std::uint64_t kind = random.below(kinds.files ? 7 : 6);
    switch (kind) {
        case 0:
        case 1:
            head.target = core::formatted("/text/{}/{}", pattern, size);
            break;
        case 2:
            head.target = core::formatted("/shared/{}/{}", pattern, size);
            break;
        case 3:
            head.target = core::formatted("/string/{}/{}", pattern, size);
            break;
        case 4: {
            const std::uint64_t limit_ms = plan.times.handler_timeout_ms;
            exchange.delay_us =
                1'000 * (limit_ms != 0 && random.chance(200)
                             ? limit_ms - 10 + random.below(20)
                             : random.below(random.pick<std::uint64_t>({2, 100, 4'000})));
            head.target = core::formatted("{}/later/{}/{}/{}", kind_of_handler(random), pattern,
                                          size, exchange.delay_us / 1'000);
            break;
        }
        case 5:
            head.target = core::formatted("{}/pieces/{}/{}/{}", kind_of_handler(random), pattern,
                                          size, random.pick<std::uint64_t>({1, 100, 5'000}));
            break;
        default:
            head.target = core::formatted("/file/{}/{}", pattern, size);
            break;
    }
    if (random.chance(50)) {
        head.method = "HEAD";
        exchange.without_content = true;
    }
}

void make_post(Exchange& exchange, Random& random, const Plan& plan, const ExchangeKinds& kinds,
               Head& head) {
    const auto pattern = static_cast<std::uint32_t>(random.below(4096));
    const std::uint64_t size = std::min<std::uint64_t>(draw_size(random, kinds.large), 40'000);
    const std::string_view content = content_of(pattern, size);
    const bool in_chunks = random.chance(400);
    const bool echoed = random.chance(700);
    head.method = "POST";
    const bool in_pieces = random.chance(500);
    head.target = !echoed     ? "/count"
                  : in_pieces ? core::formatted("{}/take/{}", kind_of_handler(random),
                                                random.pick<std::uint64_t>({0, 0, 1, 30}))
                              : "/echo";
    head.content = in_chunks ? chunked(content, random) : std::string(content);
    head.fields = in_chunks ? "Transfer-Encoding: chunked\r\n"
                            : core::formatted("Content-Length: {}\r\n", size);
    exchange.content = echoed ? content : "counted";
    if (echoed && size > plan.limits.content_bytes_max) {
        exchange.status = 413;
        exchange.content = text_of_status(413);
        exchange.closes = true;
    } else if (!echoed && size > plan.limits.discard_bytes_max) {
        exchange.closes = true;
    }
    if (echoed && size > 0 && exchange.status == 200 && random.chance(200)) {
        exchange.awaits_continue = true;
        head.fields += "Expect: 100-continue\r\n";
    }
}

void make_odd(Exchange& exchange, Random& random, Head& head) {
    switch (random.below(5)) {
        case 0:
            head.target = "/nothing/here";
            exchange.status = 404;
            break;
        case 1:
            head.method = "DELETE";
            head.target = "/text/1/1";
            exchange.status = 405;
            break;
        case 2:
            head.target = "/throw";
            exchange.status = 500;
            break;
        case 3:
            head.target = "/drop";
            exchange.status = 500;
            break;
        default:
            head.target = "/close";
            exchange.content = "last";
            exchange.closes = true;
            return;
    }
    exchange.content = text_of_status(exchange.status);
}

void make_hostile(Exchange& exchange, Random& random) {
    static const std::string endless(40'000, 'x');
    switch (random.below(8)) {
        case 0:
            exchange.request = "nonsense\r\n\r\n";
            break;
        case 1:
            exchange.request = "GET / HTTP/1.1\r\n\r\n";  // no Host
            break;
        case 2:
            exchange.request = "GET / HTTP/3.0\r\nHost: a\r\n\r\n";
            break;
        case 3:
            exchange.request =
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
            break;
        case 4:
            exchange.request = "GET /" + endless + " HTTP/1.1\r\nHost: a\r\n\r\n";
            break;
        case 5:
            exchange.request =
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
            break;
        case 6:
            exchange.request = "GET / HTTP/1.1\r\nHost: a\r\nX: " + endless + "\r\n\r\n";
            break;
        default:
            exchange.request = "GET / HTTP/1.1\r\nHost : a\r\n\r\n";
            break;
    }
    exchange.head_bytes = exchange.request.size();
    exchange.refused = true;
    exchange.closes = true;
}

Exchange make_exchange(Random& random, const Plan& plan, const ExchangeKinds& kinds) {
    Exchange exchange;
    if (kinds.hostile) {
        make_hostile(exchange, random);
        return exchange;
    }
    Head head;
    const std::uint64_t kind = random.below(100);
    if (kind < 62) {
        make_get(exchange, random, plan, kinds, head);
    } else if (kind < 90) {
        make_post(exchange, random, plan, kinds, head);
    } else {
        make_odd(exchange, random, head);
    }
    finish(exchange, random, head, !kinds.final || random.chance(800));
    return exchange;
}

}  // namespace

std::vector<Exchange> make_exchanges(Random& random, const Plan& plan, const Manner& manner) {
    std::vector<Exchange> exchanges;
    const std::uint64_t count = random.between(1, random.pick<std::uint64_t>({1, 6, 14}));
    // Who does things slowly does not do them with much.
    const bool large = random.chance(120) && manner.write_piece == 0 && !manner.reads_slowly();
    for (std::uint64_t i = 0; i < count; ++i) {
        const bool last = i + 1 == count;
        exchanges.push_back(make_exchange(
            random, plan,
            {.large = large, .files = true, .hostile = manner.hostile && last, .final = last}));
    }
    return exchanges;
}

}  // namespace enduring::simulation
