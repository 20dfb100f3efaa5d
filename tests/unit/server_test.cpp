// The server as a whole, in this process, over real sockets: balance of workers, answers given
// late, the end, and that everything that was lent comes back.

#include "http/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enduring::http {
namespace {

class Client {
  public:
    explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{20, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    }
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    [[nodiscard]] bool connected() const { return connected_; }
    void send(std::string_view bytes) const {
        ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    // Reads until the text has come, or the end.
    std::string read_to(std::string_view text) const {
        std::string all;
        char piece[4096];
        while (all.find(text) == std::string::npos) {
            const ssize_t count = ::recv(socket_, piece, sizeof piece, 0);
            if (count < 0 && errno == EINTR) {
                continue;  // the end of a ring interrupts the thread that opened it
            }
            if (count <= 0) {
                all += count == 0 ? "[end]" : "[" + std::string(std::strerror(errno)) + "]";
                break;
            }
            all.append(piece, static_cast<std::size_t>(count));
        }
        return all;
    }
    void reset() const {
        const linger abortive{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
    }

  private:
    int socket_;
    bool connected_ = false;
};

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Router greeting() {
    Router router;
    router.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "hello");
    });
    return router;
}

Options options_for(std::uint32_t workers) {
    Options options;
    options.workers = workers;
    options.connections_max = 400;
    options.listen.push_back(*core::parse_address("127.0.0.1:0"));
    return options;
}

void expect_all_back(const Server::Outcome& outcome) {
    EXPECT_EQ(outcome.buffers_lent, 0U);
    EXPECT_EQ(outcome.inputs_lent, 0U);
    EXPECT_EQ(outcome.blocks_lent, 0U);
    EXPECT_EQ(outcome.chunks_lent, 0U);
    EXPECT_EQ(outcome.counters.late_completions, 0U);
    EXPECT_EQ(outcome.counters.closed_total(), outcome.counters.accepted);
    EXPECT_EQ(outcome.counters.closed[static_cast<std::size_t>(core::Reason::none)], 0U);
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(Server, SpreadsKeepAliveConnectionsOverItsWorkers) {
    auto server = Server::create(options_for(2), greeting());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 64; ++i) {
        clients.push_back(std::make_unique<Client>(port));
        ASSERT_TRUE(clients.back()->connected());
        clients.back()->send(get);
        ASSERT_NE(clients.back()->read_to("hello").find("200 OK"), std::string::npos);
    }
    const std::vector<std::uint32_t> counts = (*server)->connections();
    EXPECT_EQ(counts[0] + counts[1], 64U);
    EXPECT_LE(std::ranges::max(counts), 36U);
    clients.clear();
    (*server)->drain();
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(outcome.counters.accepted, 64U);
    expect_all_back(outcome);
}

TEST(Server, GivesEverythingBackAfterRandomDisconnects) {
    const std::size_t descriptors_before = open_descriptors();
    {
        auto server = Server::create(options_for(2), greeting());
        ASSERT_TRUE(server) << server.error().text();
        ASSERT_TRUE((*server)->start());
        const std::uint16_t port = (*server)->addresses().front().port;
        std::mt19937 random(20261122);
        for (int round = 0; round < 400; ++round) {
            Client client(port);
            ASSERT_TRUE(client.connected());
            std::string bytes;
            const auto whole = static_cast<unsigned>(random() % 4);
            for (unsigned i = 0; i < whole; ++i) {
                bytes += get;
            }
            bytes += get.substr(0, random() % get.size());
            client.send(bytes);
            if (whole > 0 && random() % 3 == 0) {
                client.read_to("hello");
            }
            if (random() % 2 == 0) {
                client.reset();
            }
        }
        (*server)->drain();
        const Server::Outcome outcome = (*server)->wait();
        // The last ones may have been reset before they were accepted.
        EXPECT_GE(outcome.counters.accepted, 390U);
        expect_all_back(outcome);
    }
    EXPECT_EQ(open_descriptors(), descriptors_before);
}

TEST(Server, ServesConnectionsBeyondItsLimitWhenThereIsRoomAgain) {
    Options options = options_for(1);
    options.connections_max = 4;
    options.times.linger_timeout_ms = 100;  // these clients do not close
    auto server = Server::create(options, greeting());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(std::make_unique<Client>(port));
        clients.back()->send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    for (const auto& client : clients) {
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", client->read_to("hello"));
    }
    (*server)->drain();
    expect_all_back((*server)->wait());
}

TEST(Server, AnswersLaterAndForgetsAnswersToThoseWhoLeft) {
    // One worker: what the handlers share is touched by its thread only.
    auto waiting = std::make_shared<std::vector<Responder>>();
    Router router;
    router.get("/later", [waiting](const Request&, Responder responder) {
        waiting->push_back(std::move(responder));
    });
    router.get("/now", [waiting](const Request&, Responder responder) {
        for (Responder& one : *waiting) {
            one.send(Status::ok, "text/plain", "late");
        }
        waiting->clear();
        responder.send(Status::ok, "text/plain", "now");
    });
    auto server = Server::create(options_for(1), std::move(router));
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    const std::string later = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
    Client staying(port);
    staying.send(later + "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    {
        Client leaving(port);
        leaving.send(later);
        leaving.reset();
    }
    Client other(port);
    // The first connection's second request waits for its first answer, which this one gives.
    std::string seen;
    while (seen.find("late") == std::string::npos) {
        other.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
        ASSERT_NE(other.read_to("now").find("200 OK"), std::string::npos);
        seen += staying.read_to("late");
    }
    if (seen.find("now") == std::string::npos) {
        seen += staying.read_to("now");
    }
    EXPECT_LT(seen.find("late"), seen.find("now"));
    (*server)->drain();
    expect_all_back((*server)->wait());
}

TEST(Server, SaysWhatIsWrongWithItsOptions) {
    Options options = options_for(1);
    options.connections_max = 1U << 23;
    const auto server = Server::create(options, greeting());
    ASSERT_FALSE(server);
    EXPECT_NE(server.error().what.find("--max-connections 8388608"), std::string::npos);
    EXPECT_NE(server.error().remedy.find("ulimit -n"), std::string::npos);
}

TEST(Server, CanBeMadeAndLeftUnused) {
    const std::size_t descriptors_before = open_descriptors();
    {
        const auto server = Server::create(options_for(2), greeting());
    }
    EXPECT_EQ(open_descriptors(), descriptors_before);
}

}  // namespace
}  // namespace enduring::http
