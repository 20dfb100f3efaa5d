// Heads of requests: what is accepted, refused and with which status, the limits to the octet, and
// that no way of splitting the bytes changes any of it.
#include "http/parser.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/text.hpp"

namespace enduring::http {
namespace {

using Kind = HeadParser::Outcome::Kind;

/// Everything that can be told of a head.
struct Verdict {
    Kind kind = Kind::incomplete;
    unsigned status = 200;
    std::uint32_t size = 0;
    Method method = Method::other;
    unsigned minor_version = 0;
    std::string target{};
    std::vector<std::pair<std::string, std::string>> fields{};

    friend bool operator==(const Verdict&, const Verdict&) = default;
};

std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
    out << (verdict.kind == Kind::incomplete ? "incomplete"
            : verdict.kind == Kind::complete ? "complete"
                                             : "refused")
        << ' ' << verdict.status << " size " << verdict.size << ' ' << name_of(verdict.method)
        << " 1." << verdict.minor_version << " '" << verdict.target << "'";
    for (const auto& [name, value] : verdict.fields) {
        out << " [" << name << ": " << value << ']';
    }
    return out;
}

/// Gives the bytes in pieces that end at the cuts and at the end, each time in new memory that is
/// not larger than the bytes.
Verdict parse_in_pieces(std::string_view bytes, const std::vector<std::size_t>& cuts,
                        const HeadLimits& limits) {
    HeadParser parser;
    RequestHead head;
    Verdict verdict;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t size = i < cuts.size() ? cuts[i] : bytes.size();
        const auto moved = std::make_unique_for_overwrite<char[]>(size);
        bytes.copy(moved.get(), size);
        const auto outcome =
            parser.parse(head, moved.get(), static_cast<std::uint32_t>(size), limits);
        verdict.kind = outcome.kind;
        verdict.status = code_of(outcome.status);
        verdict.size = outcome.size;
        if (outcome.kind == Kind::complete) {
            verdict.method = head.method;
            verdict.minor_version = head.minor_version;
            verdict.target = head.target.in(moved.get());
            for (const FieldSpan& field : head.fields) {
                verdict.fields.emplace_back(field.name.in(moved.get()),
                                            trim(field.value.in(moved.get())));
            }
        }
        if (outcome.kind != Kind::incomplete) {
            break;
        }
        // A copy must be as good as the original.
        const HeadParser copy = parser;
        parser = HeadParser();
        parser = copy;
    }
    return verdict;
}

Verdict parse(std::string_view bytes, const HeadLimits& limits = {}) {
    return parse_in_pieces(bytes, {}, limits);
}

std::vector<std::size_t> every_byte(std::size_t size) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < size; ++i) {
        cuts.push_back(i);
    }
    return cuts;
}

std::string shown(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            text += c;
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            text += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
        }
    }
    return text;
}

const std::vector<std::string> heads{
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a/b?c=d HTTP/1.0\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nA:\r\nB: \r\nC: \t \r\nD:d\r\nE: e \t\r\nF:  f  f\t f \r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x\r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /x HTTP/1.2\r\nHost: h\r\n\r\n",
    "\r\nPOST /xyz HTTP/1.9\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "HEAD / HTTP/1.1\r\nX: \x80\xff\r\n\r\n",
    // What is to be refused.
    "BREW / HTTP/1.1\r\n\r\n",
    "get / HTTP/1.1\r\n\r\n",
    "GETT / HTTP/1.1\r\n\r\n",
    "GE\tT / HTTP/1.1\r\n\r\n",
    "G@T / HTTP/1.1\r\n\r\n",
    "GET\t/ HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "GET /  HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1 \r\n\r\n",
    " GET / HTTP/1.1\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / \r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET / HTTP/0.9\r\n\r\n",
    "GET / HTTP/1.2x\r\n\r\n",
    "GET / HTTP/1.2\n\r\n",
    "GET / HTTP/1.22\r\n\r\n",
    "GET /  HTTP/1.2\r\n\r\n",
    "GET  / HTTP/1.2\r\n\r\n",
    "SOURCE / ICE/1.2\r\n\r\n",
    "BREW / HTTP/1.2\r\n\r\n",
    "GET / HTTP/0.2\r\n\r\n",
    "\nGET / HTTP/1.1\r\n\r\n",
    "\rGET / HTTP/1.1\r\n\r\n",
    "\r\n\nGET / HTTP/1.1\r\n\r\n",
    "\r\r\nGET / HTTP/1.1\r\n\r\n",
    "\r\n\rGET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET / HTTP/11.1\r\n\r\n",
    "GET / HTTP/1.10\r\n\r\n",
    "GET / HTTP/1\r\n\r\n",
    "GET / HTTP/1.x\r\n\r\n",
    "GET / http/1.1\r\n\r\n",
    "GET / HTTP/ 1.1\r\n\r\n",
    "GET / HTTPS/1.1\r\n\r\n",
    "GET / FTP/1.1\r\n\r\n",
    "GET / HTTP/3.0x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /\x01 HTTP/1.1\r\n\r\n",
    "GET /\x7f HTTP/1.1\r\n\r\n",
    "GET /\x80 HTTP/1.1\r\n\r\n",
    "GET x HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\n\r\n",
    "GET / HTTP/1.1\r\nA: b\n\r\n",
    "GET / HTTP/1.1\nA: b\n\n",
    "GET / HTTP/1.1\rA: b\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\r\n\n",
    "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\n A: b\r\n\r\n",
    "GET / HTTP/1.1\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nA\t: b\r\n\r\n",
    "GET / HTTP/1.1\r\n: b\r\n\r\n",
    "GET / HTTP/1.1\r\nA\r\n\r\n",
    "GET / HTTP/1.1\r\nA@: b\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length: \v1\r\n\r\n",
    "GET / HTTP/1.1\r\nTransfer-Encoding:\fchunked\r\n\r\n",
    std::string("GET / HTTP/1.1\r\nA: \0b\r\n\r\n", 25),
    std::string("GET /\0 HTTP/1.1\r\n\r\n", 20),
    "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03",
    "{\"json\": true}",
};

// ---- splitting ---------------------------------------------------------------------------------

TEST(ParserTest, EverySplitInTwoOrThreeAndByteByByteGivesTheSame) {
    for (const std::string& head : heads) {
        const Verdict whole = parse(head);
        ASSERT_EQ(parse_in_pieces(head, every_byte(head.size()), {}), whole) << shown(head);
        for (std::size_t first = 1; first < head.size(); ++first) {
            ASSERT_EQ(parse_in_pieces(head, {first}, {}), whole)
                << shown(head) << " cut at " << first;
            for (std::size_t second = first + 1; second < head.size(); ++second) {
                ASSERT_EQ(parse_in_pieces(head, {first, second}, {}), whole)
                    << shown(head) << " cut at " << first << " and " << second;
            }
        }
    }
}

// The same where a limit comes before the error, or just behind it.
TEST(ParserTest, NoSplitMattersAtTheLimitsEither) {
    std::vector<std::string> cases = heads;
    cases.insert(cases.end(), {
                                  "GET /123456789 HTTP/1.1\r\n\r\n",
                                  "GET /12345678\x01 HTTP/1.1\r\n\r\n",
                                  "GET /1234567\x01 HTTP/1.1\r\n\r\n",
                                  "GET /123456789\r\n\r\n",
                                  "GET /12345678 HTTP/2.0\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nCC@: 3\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n@: 3\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nCC\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nCC : 3\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n: 3\r\n\r\n",
                                  "GET / HTTP/1.1\r\nA: 1\r\nB@: 2\r\n\r\n",
                                  "CONNECT \n80 HTTP/1.1\r\nHost: h\r\n\r\n",
                              });
    for (const std::string& head : cases) {
        for (const HeadLimits limits :
             {HeadLimits{16 * 1024, 8, 2}, HeadLimits{20, 8, 2}, HeadLimits{30, 9, 1},
              HeadLimits{8, 16, 100}, HeadLimits{40, 100, 0}}) {
            const Verdict whole = parse(head, limits);
            EXPECT_EQ(parse_in_pieces(head, every_byte(head.size()), limits), whole)
                << shown(head) << " limits " << limits.head_bytes_max << ' '
                << limits.target_bytes_max << ' ' << limits.fields_max;
            for (std::size_t cut = 1; cut < head.size(); ++cut) {
                ASSERT_EQ(parse_in_pieces(head, {cut}, limits), whole)
                    << shown(head) << " cut at " << cut << " limits " << limits.head_bytes_max
                    << ' ' << limits.target_bytes_max << ' ' << limits.fields_max;
            }
        }
    }
}

// Heads with random octets changed, removed and doubled, split at random.
TEST(ParserTest, NoSplitMattersForBrokenHeads) {
    std::mt19937 random(1);
    constexpr std::string_view favourites("\r\n\t :/\0.,1A@\x80\x7f", 15);
    std::array<unsigned, 3> kinds{};
    for (unsigned round = 0; round < 60'000; ++round) {
        std::string head = heads[random() % heads.size()];
        for (auto count = random() % 3; count > 0 && head.size() > 1; --count) {
            const std::size_t at = random() % head.size();
            switch (random() % 4) {
                case 0:
                    head[at] = favourites[random() % favourites.size()];
                    break;
                case 1:
                    head.erase(at, 1);
                    break;
                case 2:
                    head.insert(at, 1, favourites[random() % favourites.size()]);
                    break;
                default:
                    head.insert(at, head.substr(at, random() % 12));
                    break;
            }
        }
        const HeadLimits limits{
            static_cast<std::uint32_t>(random() % 4 == 0 ? random() % 80 + 1 : 4096),
            static_cast<std::uint32_t>(random() % 4 == 0 ? random() % 20 : 4096),
            static_cast<std::uint32_t>(random() % 4 == 0 ? random() % 4 : 100)};
        std::vector<std::size_t> cuts;
        for (std::size_t at = random() % 12 + 1; at < head.size(); at += random() % 12 + 1) {
            cuts.push_back(at);
        }
        const Verdict whole = parse(head, limits);
        ASSERT_EQ(parse_in_pieces(head, cuts, limits), whole)
            << shown(head) << " limits " << limits.head_bytes_max << ' ' << limits.target_bytes_max
            << ' ' << limits.fields_max;
        ++kinds[static_cast<unsigned>(whole.kind)];
    }
    for (const unsigned count : kinds) {
        EXPECT_GT(count, 50U);
    }
}

// ---- what is accepted --------------------------------------------------------------------------

TEST(ParserTest, GivesTheRequestLineAndTheFields) {
    const Verdict verdict =
        parse("POST /a?b HTTP/1.0\r\nHost: h\r\nX-Y:  z z \t\r\nE:\r\n\r\nthe content");
    EXPECT_EQ(verdict.kind, Kind::complete);
    EXPECT_EQ(verdict.size, 48U);
    EXPECT_EQ(verdict.method, Method::post);
    EXPECT_EQ(verdict.minor_version, 0U);
    EXPECT_EQ(verdict.target, "/a?b");
    const std::vector<std::pair<std::string, std::string>> fields{
        {"Host", "h"}, {"X-Y", "z z"}, {"E", ""}};
    EXPECT_EQ(verdict.fields, fields);
}

TEST(ParserTest, EveryPrefixOfAHeadIsIncomplete) {
    const std::string head = "GET /a HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < head.size(); ++size) {
        EXPECT_EQ(parse(head.substr(0, size)).kind, Kind::incomplete) << size;
    }
    EXPECT_EQ(parse(head).kind, Kind::complete);
}

TEST(ParserTest, KnowsTheMethods) {
    for (const Method method : {Method::get, Method::head, Method::post, Method::put,
                                Method::delete_, Method::options, Method::patch, Method::trace}) {
        EXPECT_EQ(parse(std::string(name_of(method)) + " / HTTP/1.1\r\n\r\n").method, method);
    }
    EXPECT_EQ(parse("CONNECT h:1 HTTP/1.1\r\n\r\n").method, Method::connect);
    const Verdict registered = parse("PROPFIND / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(registered.kind, Kind::complete);
    EXPECT_EQ(registered.method, Method::other);
}

// RFC 9112 §2.2: a server should ignore empty lines before the request line.
TEST(ParserTest, EmptyLinesBeforeTheRequestLineBelongToTheHead) {
    const Verdict verdict = parse("\r\n\r\nGET /x HTTP/1.1\r\n\r\n");
    EXPECT_EQ(verdict.kind, Kind::complete);
    EXPECT_EQ(verdict.size, 23U);
    EXPECT_EQ(verdict.target, "/x");
}

// RFC 9110 §2.5: what a higher minor version adds may be ignored.
TEST(ParserTest, HigherMinorVersionsAreTakenForTheHighestThatIsKnown) {
    for (const char minor : {'2', '3', '4', '5', '6', '7', '8', '9'}) {
        const std::string head = std::string("\r\nGET /a?b HTTP/1.") + minor + "\r\nA: b\r\n\r\n";
        const Verdict verdict = parse(head + "rest");
        EXPECT_EQ(verdict.kind, Kind::complete) << minor;
        EXPECT_EQ(verdict.size, head.size()) << minor;
        EXPECT_EQ(verdict.method, Method::get) << minor;
        EXPECT_EQ(verdict.minor_version, 1U) << minor;
        EXPECT_EQ(verdict.target, "/a?b") << minor;
        const std::vector<std::pair<std::string, std::string>> fields{{"A", "b"}};
        EXPECT_EQ(verdict.fields, fields) << minor;
    }
}

// RFC 9110 §5.5: octets above 127 are allowed in values, tabs and spaces inside them too. llhttp
// would treat the fields that it knows by itself more strictly.
TEST(ParserTest, ValuesMayHoldWhatTheRfcAllows) {
    std::string value = "a\tb c";
    for (int byte = 0x21; byte < 256; ++byte) {
        if (byte != 0x7f) {
            value += static_cast<char>(byte);
        }
    }
    for (const std::string_view name :
         {"X", "Connection", "Transfer-Encoding", "Upgrade", "Expect", "Host", "Content-Length"}) {
        const Verdict verdict =
            parse("GET / HTTP/1.1\r\n" + std::string(name) + ": " + value + "\r\n\r\n");
        ASSERT_EQ(verdict.kind, Kind::complete) << name;
        EXPECT_EQ(verdict.fields.at(0).second, value) << name;
    }
}

// What these fields mean is decided elsewhere, so that there is one place for it.
TEST(ParserTest, FramingIsNotJudgedHere) {
    for (const std::string_view fields :
         {"Content-Length: x\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n",
          "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked, gzip\r\n", "Content-Length: 99999999999999999999999\r\n",
          "Connection: upgrade\r\nUpgrade: h2c\r\n", "Transfer-Encoding: \r\n",
          "Content-Length: 5 \t\r\n", "Content-Length:\t5\r\n"}) {
        const std::string head = "POST / HTTP/1.1\r\n" + std::string(fields) + "\r\n";
        const Verdict verdict = parse(head + "trailing");
        EXPECT_EQ(verdict.kind, Kind::complete) << fields;
        EXPECT_EQ(verdict.size, head.size()) << fields;
    }
}

// ---- what is refused ---------------------------------------------------------------------------

struct Refusal {
    std::string head;
    unsigned status;
};

void expect_refused(const std::vector<Refusal>& refusals) {
    for (const Refusal& refusal : refusals) {
        const Verdict verdict = parse(refusal.head);
        EXPECT_EQ(verdict.kind, Kind::refused) << shown(refusal.head);
        EXPECT_EQ(verdict.status, refusal.status) << shown(refusal.head);
    }
}

TEST(ParserTest, UnknownMethodsAreNotImplementedAndNoMethodsAreBad) {
    expect_refused({
        {"BREW / HTTP/1.1\r\n\r\n", 501},
        {"get / HTTP/1.1\r\n\r\n", 501},
        {"Get / HTTP/1.1\r\n\r\n", 501},
        {"GETS / HTTP/1.1\r\n\r\n", 501},
        {"G / HTTP/1.1\r\n\r\n", 501},
        {"X-Y!# / HTTP/1.1\r\n\r\n", 501},
        {std::string(1024, 'A') + " / HTTP/1.1\r\n\r\n", 501},
        {std::string(1025, 'A') + " / HTTP/1.1\r\n\r\n", 400},
        {std::string(100'000, 'A') + " / HTTP/1.1\r\n\r\n", 400},
        {std::string(100'000, 'A'), 400},
        {" / HTTP/1.1\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\n\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n\r\n", 400},
        {"G\x80T / HTTP/1.1\r\n\r\n", 400},
        {"BREW\r\n\r\n", 400},
        {std::string("G\0T / HTTP/1.1\r\n\r\n", 18), 400},
        // Methods of RTSP and of Icecast, which llhttp knows, are none of HTTP's.
        {"DESCRIBE / HTTP/1.1\r\n\r\n", 501},
        {"PLAY / HTTP/1.1\r\n\r\n", 501},
    });
}

TEST(ParserTest, VersionsThatAreMalformedAreBadAndOthersNotSupported) {
    expect_refused({
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"GET / HTTP/3.0\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\n\r\n", 505},
        {"GET / HTTP/0.1\r\n\r\n", 505},
        {"GET /\r\n\r\n", 400},
        {"GET /HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.2x\r\n\r\n", 400},
        {"GET / HTTP/1.2 \r\n\r\n", 400},
        {"GET / HTTP/1.20\r\n\r\n", 400},
        {"GET / HTTP/1.2\n\r\n", 400},
        {"GET / HTTP/1.2\rx\n\r\n", 400},
        {"GET / HTTP/1.2\r\n A: b\r\n\r\n", 400},
        {"GET /  HTTP/1.2\r\n\r\n", 400},
        {"GET  / HTTP/1.2\r\n\r\n", 400},
        {"SOURCE / ICE/1.2\r\n\r\n", 400},
        {"GET / HTTP/9.9\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"GET / HTTP/11.1\r\n\r\n", 400},
        {"GET / HTTP/1.10\r\n\r\n", 400},
        {"GET / HTTP/01.1\r\n\r\n", 400},
        {"GET / HTTP/1\r\n\r\n", 400},
        {"GET / HTTP/1.\r\n\r\n", 400},
        {"GET / HTTP/.1\r\n\r\n", 400},
        {"GET / HTTP/a.b\r\n\r\n", 400},
        {"GET / HTTP/1,1\r\n\r\n", 400},
        {"GET / HTTP/1.1x\r\n\r\n", 400},
        {"GET / HTTP/2.0x\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET / HTTP/-1.1\r\n\r\n", 400},
        {"GET / http/1.1\r\n\r\n", 400},
        {"GET / HTTPS/1.1\r\n\r\n", 400},
        {"GET / HTTP 1.1\r\n\r\n", 400},
        {"GET / ICE/1.0\r\n\r\n", 400},
        {"GET / RTSP/1.0\r\n\r\n", 400},
        {"GET / x HTTP/1.1\r\n\r\n", 400},
    });
}

TEST(ParserTest, TheRequestLineHasOneSpaceOnEachSideOfTheTarget) {
    expect_refused({
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET /  HTTP/1.1\r\n\r\n", 400},
        {"GET  /  HTTP/1.1\r\n\r\n", 400},
        {"GET /\tHTTP/1.1\r\n\r\n", 400},
        {"GET \t/ HTTP/1.1\r\n\r\n", 400},
        {"GET HTTP/1.1\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\n\r\n", 400},
    });
}

TEST(ParserTest, LinesEndWithCrLf) {
    expect_refused({
        {"GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
        {"GET / HTTP/1.1\n\n", 400},
        {"GET / HTTP/1.1\rHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n\rX", 400},
        {"\n", 400},
        {"\nGET / HTTP/1.1\r\n\r\n", 400},
        {"\rGET / HTTP/1.1\r\n\r\n", 400},
        {"\r\r\nGET / HTTP/1.1\r\n\r\n", 400},
        {"\n\r\nGET / HTTP/1.1\r\n\r\n", 400},
        {"\r\n\nGET / HTTP/1.1\r\n\r\n", 400},
        {"\r\n\rGET / HTTP/1.1\r\n\r\n", 400},
    });
}

TEST(ParserTest, FieldsAreStrict) {
    expect_refused({
        {"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA\t: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA b: c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA(: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA\x80: b\r\n\r\n", 400},
        // Obsolete line folding, before and after the first field.
        {"GET / HTTP/1.1\r\n A: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA:\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 400},
    });
}

TEST(ParserTest, NoControlCharacterPassesAnywhere) {
    for (int byte = 0; byte < 256; ++byte) {
        if ((byte >= 0x20 && byte != 0x7f) || byte == '\t') {
            continue;
        }
        const std::string c(1, static_cast<char>(byte));
        for (const std::string& head :
             {"GET /" + c + "x HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1" + c + "\r\n\r\n",
              "GET / HTTP/1.1\r\nA" + c + "B: c\r\n\r\n", "GET / HTTP/1.1\r\nA:" + c + "b\r\n\r\n",
              "GET / HTTP/1.1\r\nA: b" + c + "c\r\n\r\n", "GET / HTTP/1.1\r\nA: " + c + "\r\n\r\n",
              "G" + c + "T / HTTP/1.1\r\n\r\n",
              "GET / HTTP/1.1\r\nTransfer-Encoding: chunked" + c + "\r\n\r\n",
              "GET / HTTP/1.1\r\nContent-Length: 1" + c + "\r\n\r\n"}) {
            const Verdict verdict = parse(head + "xx");
            EXPECT_EQ(verdict.kind, Kind::refused) << shown(head);
            EXPECT_EQ(verdict.status, 400U) << shown(head);
        }
    }
}

TEST(ParserTest, TheTargetHasNoSpaceTabOrOctetAbove127) {
    for (const std::string_view c : {" ", "\t", "\x80", "\xc3\xa4", "\xff"}) {
        const Verdict verdict = parse("GET /a" + std::string(c) + "b HTTP/1.1\r\n\r\n");
        EXPECT_EQ(verdict.kind, Kind::refused) << shown(c);
        EXPECT_EQ(verdict.status, 400U) << shown(c);
    }
}

// ---- limits ------------------------------------------------------------------------------------

TEST(ParserTest, TheHeadMayHaveItsMostBytesAndNotOneMore) {
    const HeadLimits limits{100, 100, 100};
    const std::string start = "GET / HTTP/1.1\r\nA: ";
    for (std::size_t size = 90; size < 110; ++size) {
        const std::string head =
            start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n" + "content";
        const Verdict verdict = parse(head, limits);
        if (size <= 100) {
            EXPECT_EQ(verdict.kind, Kind::complete) << size;
            EXPECT_EQ(verdict.size, size);
        } else {
            EXPECT_EQ(verdict.kind, Kind::refused) << size;
            EXPECT_EQ(verdict.status, 431U) << size;
        }
    }
    // It is refused as soon as it cannot fit any more.
    EXPECT_EQ(parse(start + std::string(99 - start.size(), 'x'), limits).kind, Kind::incomplete);
    EXPECT_EQ(parse(start + std::string(100 - start.size(), 'x'), limits).status, 431U);
    // Empty lines before it count, else they could go on for ever.
    std::string empty_lines;
    for (unsigned i = 0; i < 50; ++i) {
        empty_lines += "\r\n";
    }
    EXPECT_EQ(parse(empty_lines, limits).status, 431U);
}

TEST(ParserTest, TheTargetMayHaveItsMostBytesAndNotOneMore) {
    const HeadLimits limits{16 * 1024, 50, 100};
    EXPECT_EQ(parse("GET /" + std::string(49, 'x') + " HTTP/1.1\r\n\r\n", limits).kind,
              Kind::complete);
    const Verdict longer = parse("GET /" + std::string(50, 'x') + " HTTP/1.1\r\n\r\n", limits);
    EXPECT_EQ(longer.kind, Kind::refused);
    EXPECT_EQ(longer.status, 414U);
    // As soon as it is known, whatever may follow.
    EXPECT_EQ(parse("GET /" + std::string(49, 'x'), limits).kind, Kind::incomplete);
    EXPECT_EQ(parse("GET /" + std::string(50, 'x'), limits).status, 414U);
    EXPECT_EQ(parse("GET /" + std::string(50, 'x') + "\x01 HTTP/1.1\r\n\r\n", limits).status, 414U);
    EXPECT_EQ(parse("GET /" + std::string(49, 'x') + "\x01 HTTP/1.1\r\n\r\n", limits).status, 400U);
    EXPECT_EQ(parse("GET /" + std::string(50, 'x') + " HTTP/2.0\r\n\r\n", limits).status, 414U);
    // The rest of the request line is not the target.
    EXPECT_EQ(parse("OPTIONS /" + std::string(49, 'x') + " HTTP/1.1\r\n\r\n", limits).kind,
              Kind::complete);
}

TEST(ParserTest, ThereMayBeTheMostFieldsAndNotOneMore) {
    const HeadLimits limits{16 * 1024, 100, 3};
    std::string head = "GET / HTTP/1.1\r\nA: 1\r\nB:\r\nC: 3\r\n";
    EXPECT_EQ(parse(head + "\r\n", limits).kind, Kind::complete);
    EXPECT_EQ(parse(head + "D: 4\r\n\r\n", limits).kind, Kind::refused);
    EXPECT_EQ(parse(head + "D: 4\r\n\r\n", limits).status, 431U);
    EXPECT_EQ(parse(head + "D", limits).status, 431U);
}

TEST(ParserTest, CanBeStartedAnew) {
    HeadParser parser;
    RequestHead head;
    const std::string broken = "GET / HTTP/1.1\r\nA: \x01";
    EXPECT_EQ(parser.parse(head, broken.data(), static_cast<std::uint32_t>(broken.size()), {}).kind,
              Kind::refused);
    const std::string good = "PUT /a HTTP/1.1\r\nB: c\r\n\r\n";
    for (unsigned i = 0; i < 3; ++i) {
        parser.start();
        head.clear();
        EXPECT_EQ(parser.parsed(), 0U);
        EXPECT_EQ(parser.parse(head, good.data(), 10, {}).kind, Kind::incomplete);
        EXPECT_EQ(parser.parsed(), 10U);
        const auto outcome =
            parser.parse(head, good.data(), static_cast<std::uint32_t>(good.size()), {});
        EXPECT_EQ(outcome.kind, Kind::complete);
        EXPECT_EQ(outcome.size, good.size());
        ASSERT_EQ(head.fields.size(), 1U);
        EXPECT_EQ(head.fields[0].value.in(good.data()), "c");
        EXPECT_EQ(head.target.in(good.data()), "/a");
    }
}

}  // namespace
}  // namespace enduring::http
