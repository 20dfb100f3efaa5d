// Each allocation of a start and of a connection's life fails once: what began is answered rightly
// or cut, all that was borrowed comes back, and the next connection is served.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "http/server.hpp"
#include "session_fixture.hpp"

namespace enduring::http {
namespace {

const std::string large(100'000, 'x');

void add_routes(Router& router, std::vector<Responder>* kept) {
    router.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "hello");
    });
    router.get("/text", [](const Request&, Responder responder) {
        responder.send(std::move(Response().content(std::string(large))));
    });
    router.get("/view", [](const Request&, Responder responder) {
        responder.send(std::move(Response().content(std::string_view(large))));
    });
    router.post("/echo", [](const Request& request, Responder responder) {
        responder.send(Status::ok, "text/plain", request.content());
    });
    if (kept != nullptr) {
        router.get("/later", [kept](const Request&, Responder responder) {
            kept->push_back(std::move(responder));
        });
    }
}

/// What a connection says in its life, in the pieces in which it comes.
const std::vector<std::string> pieces{
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nHo",
    "st: h\r\n\r\nGET /text HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n0123456789",
    "0123456789",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n0123",
    "4567\r\n0\r\n\r\n",
    "GET /view HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
};

/// Takes the Date off, and splits the responses.
std::vector<std::string> responses_of(std::string_view bytes) {
    std::vector<std::string> responses;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            responses.emplace_back("cut in the head");
            break;
        }
        const std::string_view head = bytes.substr(0, end);
        std::size_t size = 0;
        if (const std::size_t field = head.find("Content-Length: "); field != head.npos) {
            const char* const at = head.data() + field + 16;
            std::from_chars(at, head.data() + head.size(), size);
        }
        bytes.remove_prefix(end + 4);
        if (bytes.size() < size) {
            responses.emplace_back("cut in the content");
            break;
        }
        std::string response(head.substr(0, head.find("\r\n")));
        response.append("|").append(bytes.substr(0, size));
        responses.push_back(std::move(response));
        bytes.remove_prefix(size);
    }
    return responses;
}

/// The responses are those of a life without failures, up to where it was cut; one of them may be a
/// 500 or 503 in place of its own.
void expect_beginning_of(const std::vector<std::string>& whole,
                         const std::vector<std::string>& responses, bool was_cut) {
    ASSERT_LE(responses.size(), whole.size());
    for (std::size_t i = 0; i < responses.size(); ++i) {
        const bool failed =
            responses[i].starts_with("HTTP/1.1 500") || responses[i].starts_with("HTTP/1.1 503");
        const bool last_and_cut =
            was_cut && i + 1 == responses.size() && responses[i].starts_with("cut in the ");
        EXPECT_TRUE(responses[i] == whole[i] || failed || last_and_cut)
            << responses[i].substr(0, 100) << " instead of " << whole[i].substr(0, 100);
    }
    if (!was_cut) {
        EXPECT_EQ(responses.size(), whole.size()) << "nothing was said of the rest";
    }
}

class AllocationFailureTest : public SessionFixture {
  protected:
    void SetUp() override { add_routes(router_, nullptr); }
    void TearDown() override {
        fail_allocation(0);
        SessionFixture::TearDown();
    }

    /// Lives a connection's life on a service of its own, with this allocation failing; false if
    /// there were fewer.
    bool live(std::uint64_t failing, std::vector<std::string>& responses, bool& was_cut) {
        start();
        TestConnection& connection = connect();
        connection.received.reserve(1'000'000);
        fail_allocation(failing);
        std::uint64_t ahead = failing;
        for (const std::string& piece : pieces) {
            if (connection.ended()) {
                break;
            }
            // What the fixture itself allocates must not fail.
            const std::uint64_t before = allocation_count();
            fail_allocation(ahead);
            const core::Progress progress =
                service_->receive(connection.session, connection.output, piece);
            const bool is_ahead = failure_is_ahead();
            ahead = is_ahead ? ahead - (allocation_count() - before) : 0;
            fail_allocation(0);
            take(connection, progress);
            pump();
        }
        responses = responses_of(connection.received);
        was_cut = connection.progress.broken;
        close(connection);
        return ahead == 0;
    }
};

TEST_F(AllocationFailureTest, EachOfASession) {
    std::vector<std::string> whole;
    bool was_cut = false;
    ASSERT_FALSE(live(1'000'000, whole, was_cut));
    ASSERT_EQ(whole.size(), 8U);
    ASSERT_FALSE(was_cut);
    std::uint64_t number = 1;
    unsigned cuts = 0;
    for (std::vector<std::string> responses; live(number, responses, was_cut); ++number) {
        SCOPED_TRACE(number);
        expect_beginning_of(whole, responses, was_cut);
        cuts += was_cut ? 1 : 0;
        TearDown();
        service_ = nullptr;
    }
    EXPECT_GT(number, 10U);
    EXPECT_GT(cuts, 5U);
}

/// What is open: where each descriptor leads.
std::string descriptors() {
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        text += std::filesystem::read_symlink(entry, gone).string() + "\n";
    }
    return text;
}

Options options() {
    Options options;
    options.listen.push_back(*core::parse_address("127.0.0.1:0"));
    options.workers = 1;
    options.connections_max = 10;
    options.times.linger_timeout_ms = 50;
    return options;
}

TEST_F(AllocationFailureTest, EachOfAStart) {
    const std::string before = descriptors();
    unsigned refusals = 0;
    for (std::uint64_t number = 1; !HasFailure(); ++number) {
        SCOPED_TRACE(number);
        const Options given = options();
        Router router;
        add_routes(router, nullptr);
        bool good = false;
        fail_allocation(number);
        {
            auto server = Server::create(given, std::move(router));
            good = server && (*server)->start();
            if (good && failure_is_ahead()) {
                break;
            }
            fail_allocation(0);
        }
        refusals += good ? 0 : 1;
        EXPECT_EQ(descriptors(), before);
    }
    fail_allocation(0);
    EXPECT_GT(refusals, 20U);
}

/// A client's end.
std::string talk(std::uint16_t port, const std::vector<std::string>& pieces_sent) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string received;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) {
        char buffer[65536];
        for (const std::string& piece : pieces_sent) {
            if (::send(socket, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) {
                break;
            }
            ::usleep(1000);  // so that it comes by itself
        }
        for (ssize_t size = 0; (size = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) {
            received.append(buffer, static_cast<std::size_t>(size));
        }
    }
    ::close(socket);
    return received;
}

TEST_F(AllocationFailureTest, EachOfAWorker) {
    const std::vector<std::string> whole = [] {
        Router router;
        add_routes(router, nullptr);
        auto server = std::move(*Server::create(options(), std::move(router)));
        EXPECT_TRUE(server->start());
        return responses_of(talk(server->addresses().front().port, pieces));
    }();
    ASSERT_EQ(whole.size(), 8U);
    bool ended = false;
    for (std::uint64_t number = 1; !ended; ++number) {
        SCOPED_TRACE(number);
        Router router;
        add_routes(router, nullptr);
        // In the worker's thread, whose allocations are to fail.
        router.get("/fail", [number](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "ok");
            fail_allocation(number);
        });
        bool ahead = false;
        router.get("/ahead", [&ahead](const Request&, Responder responder) {
            ahead = failure_is_ahead();
            fail_allocation(0);
            responder.send(Status::ok, "text/plain", "ok");
        });
        auto server = std::move(*Server::create(options(), std::move(router)));
        ASSERT_TRUE(server->start());
        const std::uint16_t port = server->addresses().front().port;
        const std::string end = " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        talk(port, {"GET /fail" + end});
        const std::vector<std::string> responses = responses_of(talk(port, pieces));
        expect_beginning_of(whole, responses, responses.size() < whole.size());
        talk(port, {"GET /ahead" + end});
        EXPECT_EQ(responses_of(talk(port, pieces)), whole) << "the next is served as ever";
        server->drain();
        const Server::Outcome outcome = server->wait();
        EXPECT_EQ(
            outcome.buffers_lent + outcome.inputs_lent + outcome.output_bytes + outcome.chunks_lent,
            0U);
        EXPECT_EQ(outcome.counters.closed_total(), outcome.counters.accepted);
        ended = ahead || HasFailure();
    }
}

}  // namespace
}  // namespace enduring::http
