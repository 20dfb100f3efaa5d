// What a head says about the message and the connection: RFC 9112 §3.2, §6 and §9.3, RFC 9110 §7.2
// and §10.1.1.
#include "http/framing.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsed_request.hpp"

namespace enduring::http {
namespace {

using Content = Framing::Content;

/// The views point into what is returned with them.
struct Framed {
    ParsedRequest parsed;
    explicit Framed(const std::string& text) : parsed(text) {}
    const Framing* operator->() const { return &parsed.framing(); }
};

/// A POST with these fields besides Host.
Framed post(std::string_view fields, std::string_view version = "1.1") {
    return Framed("POST / HTTP/" + std::string(version) + "\r\nHost: h\r\n" + std::string(fields) +
                  "\r\n");
}

Framed with_target(std::string_view target, std::string_view method = "GET",
                   std::string_view host = "h") {
    return Framed(std::string(method) + " " + std::string(target) +
                  " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
}

unsigned refusal_of(std::string_view fields, std::string_view version = "1.1") {
    return code_of(post(fields, version)->refusal);
}

// ---- where the content ends --------------------------------------------------------------------

TEST(FramingTest, WithoutLengthAndCodingThereIsNoContent) {
    const Framed framed = post("");
    EXPECT_EQ(framed->refusal, Status::ok);
    EXPECT_EQ(framed->content, Content::none);
    EXPECT_EQ(framed->content_bytes, 0U);
}

TEST(FramingTest, ReadsTheLength) {
    for (const auto& [text, length] : std::vector<std::pair<std::string, std::uint64_t>>{
             {"1", 1},
             {"5", 5},
             {"1048576", 1048576},
             {"007", 7},
             {"00000000000000000000000000000005", 5},
             {"  5 \t", 5},
             {"9223372036854775807", 9223372036854775807U}}) {
        const Framed framed = post("Content-Length: " + text + "\r\n");
        EXPECT_EQ(framed->refusal, Status::ok) << text;
        EXPECT_EQ(framed->content, Content::sized) << text;
        EXPECT_EQ(framed->content_bytes, length) << text;
    }
    const Framed empty = post("cOnTeNt-lEnGtH: 000\r\n");
    EXPECT_EQ(empty->refusal, Status::ok);
    EXPECT_EQ(empty->content, Content::none);
}

TEST(FramingTest, RefusesLengthsThatAreNone) {
    for (const std::string text :
         {"", " ", "-1", "+1", "0x10", "1 2", "1,1", "1, 2", "1;", "1.0", "1e3", "five", "1_000",
          "9223372036854775808", "18446744073709551616", "99999999999999999999999999", "\"5\"",
          "5\t5"}) {
        EXPECT_EQ(refusal_of("Content-Length: " + text + "\r\n"), 400U) << text;
    }
}

// RFC 9112 §6.3 would let equal values pass; whoever sends two is not to be trusted with either.
TEST(FramingTest, RefusesSeveralLengthsEvenWhenTheyAgree) {
    EXPECT_EQ(refusal_of("Content-Length: 5\r\nContent-Length: 5\r\n"), 400U);
    EXPECT_EQ(refusal_of("Content-Length: 5\r\ncontent-length: 6\r\n"), 400U);
    EXPECT_EQ(refusal_of("Content-Length: 0\r\nContent-Length: 0\r\n"), 400U);
}

TEST(FramingTest, ReadsChunked) {
    for (const std::string_view value : {"chunked", "Chunked", "CHUNKED", " \tchunked\t "}) {
        const Framed framed = post("Transfer-Encoding: " + std::string(value) + "\r\n");
        EXPECT_EQ(framed->refusal, Status::ok) << value;
        EXPECT_EQ(framed->content, Content::chunked) << value;
    }
}

TEST(FramingTest, RefusesLengthWithCodingInEitherOrder) {
    for (const std::string_view coding : {"chunked", "gzip", "identity", "foo", ""}) {
        const std::string te = "Transfer-Encoding: " + std::string(coding) + "\r\n";
        EXPECT_EQ(refusal_of("Content-Length: 5\r\n" + te), 400U) << coding;
        EXPECT_EQ(refusal_of(te + "Content-Length: 5\r\n"), 400U) << coding;
        EXPECT_EQ(refusal_of(te + "Content-Length: 0\r\n"), 400U) << coding;
    }
}

TEST(FramingTest, RefusesDoubtfulCodings) {
    for (const std::string_view value : {"",
                                         " ",
                                         ",",
                                         "chunked,",
                                         ",chunked",
                                         "chunked,,chunked",
                                         "chunked, chunked",
                                         "chunked, gzip",
                                         "chunked, foo",
                                         "gzip",
                                         "identity",
                                         "deflate",
                                         "x-gzip",
                                         "compress",
                                         "gzip, deflate",
                                         "chunked;q=1",
                                         "chunked foo",
                                         "chunked\tx",
                                         "\"chunked\"",
                                         "'chunked'x\x80",
                                         "foo bar",
                                         "foo;bar",
                                         "xchunked;",
                                         "gzip, chunked, gzip",
                                         "chunked, identity",
                                         "foo, chunked, chunked",
                                         "foo,,chunked"}) {
        EXPECT_EQ(refusal_of("Transfer-Encoding: " + std::string(value) + "\r\n"), 400U) << value;
    }
    EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400U);
    EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), 400U);
    EXPECT_EQ(refusal_of("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n"), 400U);
}

TEST(FramingTest, CodingsThatWeCannotDecodeAreNotImplemented) {
    for (const std::string_view value :
         {"foo", "xchunked", "chunked1", "foo, bar", "'chunked'", "foo, chunked", "gzip, chunked",
          "identity, chunked", "gzip, deflate, chunked"}) {
        EXPECT_EQ(refusal_of("Transfer-Encoding: " + std::string(value) + "\r\n"), 501U) << value;
    }
    EXPECT_EQ(refusal_of("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501U);
}

// RFC 9112 §6.1: HTTP/1.0 has no transfer codings.
TEST(FramingTest, RefusesCodingsInHttp10) {
    EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\n", "1.0"), 400U);
    EXPECT_EQ(refusal_of("Transfer-Encoding: foo\r\n", "1.0"), 400U);
    EXPECT_EQ(refusal_of("Content-Length: 5\r\n", "1.0"), 200U);
}

TEST(FramingTest, FieldsWithSimilarNamesAreOthers) {
    const Framed framed = post(
        "Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX-Content-Length: 7\r\n"
        "Content-Lengtx: 5\r\nTransfer-Encodinx: chunked\r\n");
    EXPECT_EQ(framed->refusal, Status::ok);
    EXPECT_EQ(framed->content, Content::none);
}

// The same rules for every method: RFC 9110 §6.4 lets any request have content.
TEST(FramingTest, AnyMethodMayHaveContent) {
    for (const std::string_view method : {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PUT"}) {
        const Framed framed(std::string(method) +
                            " / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
        EXPECT_EQ(framed->refusal, Status::ok) << method;
        EXPECT_EQ(framed->content, Content::sized) << method;
    }
}

// ---- persistence -------------------------------------------------------------------------------

TEST(FramingTest, PersistenceFollowsVersionAndOptions) {
    struct Case {
        std::string_view fields;
        bool new_persists;
        bool old_persists;
    };
    for (const Case& c : std::vector<Case>{
             {"", true, false},
             {"Connection: close\r\n", false, false},
             {"Connection: CLOSE\r\n", false, false},
             {"Connection: keep-alive\r\n", true, true},
             {"Connection: Keep-Alive\r\n", true, true},
             {"Connection: keep-alive, close\r\n", false, false},
             {"Connection: close, keep-alive\r\n", false, false},
             {"Connection: keep-alive\r\nConnection: close\r\n", false, false},
             {"Connection: close\r\nConnection: keep-alive\r\n", false, false},
             {"Connection: foo ,\tclose , bar\r\n", false, false},
             {"Connection: ,,keep-alive,\r\n", true, true},
             {"Connection: foo\r\nConnection: keep-alive\r\n", true, true},
             {"Connection: closed\r\n", true, false},
             {"Connection: not-close\r\n", true, false},
             {"Connection: close;q=1\r\n", true, false},
             {"Connection: \r\n", true, false},
             {"Connection: upgrade\r\n", true, false},
             {"Keep-Alive: timeout=5\r\n", true, false},
             {"X-Connection: close\r\n", true, false},
         }) {
        EXPECT_EQ(post(c.fields)->persistent, c.new_persists) << c.fields;
        EXPECT_EQ(post(c.fields, "1.0")->persistent, c.old_persists) << c.fields;
    }
}

// ---- expectations ------------------------------------------------------------------------------

TEST(FramingTest, KnowsOneExpectation) {
    const Framed known = post("Expect: 100-Continue\r\nContent-Length: 3\r\n");
    EXPECT_EQ(known->refusal, Status::ok);
    EXPECT_TRUE(known->expects_continue);
    EXPECT_FALSE(post("Content-Length: 3\r\n")->expects_continue);
    // A list, which may have empty elements or none: RFC 9110 §5.6.1.
    for (const std::string_view value :
         {"100-continue, 100-CONTINUE", "100-continue,", ",, 100-continue"}) {
        const Framed list = post("Expect: " + std::string(value) + "\r\nContent-Length: 3\r\n");
        EXPECT_EQ(list->refusal, Status::ok) << value;
        EXPECT_TRUE(list->expects_continue) << value;
    }
    EXPECT_EQ(refusal_of("Expect: \r\n"), 200U);
    EXPECT_FALSE(post("Expect: ,\r\n")->expects_continue);
    for (const std::string_view value : {"200-ok", "100-continue, 200-ok", "200-ok, 100-continue",
                                         "100", "continue", "100-continue;x", "100-continue=x"}) {
        EXPECT_EQ(refusal_of("Expect: " + std::string(value) + "\r\n"), 417U) << value;
    }
    EXPECT_EQ(refusal_of("Expect: 100-continue\r\nExpect: 200-ok\r\n"), 417U);
    EXPECT_EQ(refusal_of("Expect: 200-ok\r\nExpect: 100-continue\r\n"), 417U);
    EXPECT_EQ(refusal_of("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 200U);
}

// RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
TEST(FramingTest, ExpectationsOfHttp10AreIgnored) {
    const Framed old = post("Expect: 100-continue\r\nContent-Length: 3\r\n", "1.0");
    EXPECT_EQ(old->refusal, Status::ok);
    EXPECT_FALSE(old->expects_continue);
    EXPECT_EQ(refusal_of("Expect: 200-ok\r\n", "1.0"), 200U);
}

// ---- the target --------------------------------------------------------------------------------

TEST(FramingTest, ReadsTheOriginForm) {
    const Framed plain = with_target("/a/b");
    EXPECT_EQ(plain->refusal, Status::ok);
    EXPECT_EQ(plain->path, "/a/b");
    EXPECT_EQ(plain->query, "");
    EXPECT_EQ(plain->authority, "h");
    const Framed query = with_target("/a?b=/?c&d");
    EXPECT_EQ(query->path, "/a");
    EXPECT_EQ(query->query, "b=/?c&d");
    EXPECT_EQ(with_target("//x//")->path, "//x//");
    EXPECT_EQ(with_target("/?")->query, "");
    EXPECT_EQ(with_target("/a:b@c")->path, "/a:b@c");
}

TEST(FramingTest, ReadsTheAbsoluteForm) {
    struct Case {
        std::string_view target;
        std::string_view authority;
        std::string_view path;
        std::string_view query;
    };
    for (const Case& c : std::vector<Case>{
             {"http://a.example/x/y?z", "a.example", "/x/y", "z"},
             {"http://a.example:81/", "a.example:81", "/", ""},
             {"http://a.example", "a.example", "/", ""},
             {"http://a.example?q=/", "a.example", "/", "q=/"},
             {"http://a.example?", "a.example", "/", ""},
             {"HtTp://a.example/x", "a.example", "/x", ""},
             {"http://[::1]:80/x", "[::1]:80", "/x", ""},
             {"http://a.example//x", "a.example", "//x", ""},
         }) {
        const Framed framed = with_target(c.target);
        EXPECT_EQ(framed->refusal, Status::ok) << c.target;
        EXPECT_EQ(framed->authority, c.authority) << c.target;
        EXPECT_EQ(framed->path, c.path) << c.target;
        EXPECT_EQ(framed->query, c.query) << c.target;
    }
}

TEST(FramingTest, AnAbsoluteTargetNeedsAHostFieldAllTheSame) {
    EXPECT_EQ(Framed("GET http://a/ HTTP/1.1\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(with_target("http://a/", "GET", "b c")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET http://a/ HTTP/1.0\r\n\r\n")->refusal, Status::ok);
}

// RFC 9110 §7.4: nothing here is a secured connection.
TEST(FramingTest, ResourcesOfHttpsAreMisdirected) {
    for (const std::string_view target : {"https://a/", "HTTPS://a", "https://a:443/x?y"}) {
        EXPECT_EQ(with_target(target)->refusal, Status::misdirected_request) << target;
    }
    EXPECT_EQ(with_target("https:///x")->refusal, Status::bad_request);
    EXPECT_EQ(with_target("https://a@b/x")->refusal, Status::bad_request);
    EXPECT_EQ(with_target("https://a/", "GET", "b c")->refusal, Status::bad_request);
}

TEST(FramingTest, RefusesWhatNoClientSendsInATarget) {
    for (const std::string_view target :
         {"/<",    "/>",  "/\"",  "/a\\b", "/^",    "/`",          "/{a}",       "/%",
          "/a%",   "/%4", "/%4g", "/%g4",  "/%%41", "/%u0041",     "/a%4/b",     "/%4?1",
          "/%?41", "/?<", "/?>",  "/?\"",  "/?a#b", "http://a/%4", "http://a/<", "http://a/?\""}) {
        EXPECT_EQ(with_target(target)->refusal, Status::bad_request) << target;
    }
    for (const std::string_view target :
         {"/%41", "/%c3%A9", "/%00", "/[a]|b", "/-._~!$&'()*+,;=:@", "/?a[]={b}|^`\\", "/?%",
          "/?100%", "/?%4", "/?%zz", "/%41?%", "/?/?", "http://a/%41?%"}) {
        EXPECT_EQ(with_target(target)->refusal, Status::ok) << target;
    }
}

TEST(FramingTest, RefusesOtherTargets) {
    for (const std::string_view target :
         {"*", "/a#b", "/#", "http://", "http:///x", "http://?x", "ftp://a/x", "http://user@a/",
          "http://user:x@a/", "http://a:x/", "http://a:123456/", "http://[::1/", "http://a/#b",
          "*x", "ws://a/"}) {
        EXPECT_EQ(with_target(target)->refusal, Status::bad_request) << target;
    }
}

TEST(FramingTest, TheAsteriskIsForOptions) {
    const Framed framed = with_target("*", "OPTIONS");
    EXPECT_EQ(framed->refusal, Status::ok);
    EXPECT_EQ(framed->path, "*");
    EXPECT_EQ(with_target("http://a", "OPTIONS")->path, "*");
    EXPECT_EQ(with_target("http://a/", "OPTIONS")->path, "/");
    EXPECT_EQ(with_target("http://a?q", "OPTIONS")->path, "/");
    EXPECT_EQ(with_target("http://a?", "OPTIONS")->path, "/");
    EXPECT_EQ(with_target("/x", "OPTIONS")->path, "/x");
    EXPECT_EQ(with_target("*", "GET")->refusal, Status::bad_request);
    EXPECT_EQ(with_target("*", "HEAD")->refusal, Status::bad_request);
}

TEST(FramingTest, TheTargetOfConnectIsAnAuthority) {
    const Framed framed = with_target("a.example:443", "CONNECT");
    EXPECT_EQ(framed->refusal, Status::ok);
    EXPECT_EQ(framed->path, "a.example:443");
    EXPECT_EQ(with_target("[::1]:80", "CONNECT")->refusal, Status::ok);
    // RFC 9110 §9.3.6: the port is not to be left out.
    for (const std::string_view target :
         {"a", "a:", "a:0", "a:00", "a:65536", ":80", "[::1]", "*", "b@a:80"}) {
        EXPECT_EQ(with_target(target, "CONNECT")->refusal, Status::bad_request) << target;
    }
}

// ---- the host ----------------------------------------------------------------------------------

TEST(FramingTest, ThereMustBeOneHostThatIsGood) {
    EXPECT_EQ(Framed("GET / HTTP/1.1\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET / HTTP/1.1\r\nHost:\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET / HTTP/1.1\r\nhOsT: a\r\n\r\n")->authority, "a");
    EXPECT_EQ(Framed("GET / HTTP/1.0\r\n\r\n")->refusal, Status::ok);
    EXPECT_EQ(Framed("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")->refusal, Status::bad_request);
    EXPECT_EQ(Framed("GET / HTTP/1.0\r\nHost: a b\r\n\r\n")->refusal, Status::bad_request);
}

}  // namespace
}  // namespace enduring::http
