// The server as a whole, in this process, over real sockets: balance of workers, answers given
// late, the end, and that everything that was lent comes back.

#include "http/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
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
    // Whether bytes or the end come within this time.
    [[nodiscard]] bool has_something(int milliseconds) const {
        pollfd poll{socket_, POLLIN, 0};
        return ::poll(&poll, 1, milliseconds) > 0;
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
    EXPECT_EQ(outcome.output_bytes, 0U);
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

// ---- room for new connections ------------------------------------------------------------------

constexpr std::string_view later = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";

/// "/" greets; "/later" is answered by the next "/answer", in the order of the requests. For
/// servers with one worker.
Router greeting_and_later() {
    Router router = greeting();
    auto waiting = std::make_shared<std::vector<Responder>>();
    router.get("/later", [waiting](const Request&, Responder responder) {
        waiting->push_back(std::move(responder));
    });
    router.get("/answer", [waiting](const Request&, Responder responder) {
        if (!waiting->empty()) {
            waiting->front().send(Status::ok, "text/plain", "late");
            waiting->erase(waiting->begin());
        }
        responder.send(Status::ok, "text/plain", "done");
    });
    return router;
}

std::uint64_t closed(const core::Counters& counters, core::Reason reason) {
    return counters.closed[static_cast<std::size_t>(reason)];
}

TEST(ServerRoom, TheLongestIdleConnectionMakesRoom) {
    Options options = options_for(1);
    options.connections_max = 3;
    auto server = Server::create(options, greeting());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    const auto greet = [](const Client& client) {
        client.send(get);
        return client.read_to("hello");
    };
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<Client>(port));
    }
    // The order of their last responses, not that of their accepts, says who has been idle longest.
    for (const std::size_t i : {2U, 0U, 1U}) {
        ASSERT_PRED_FORMAT2(testing::IsSubstring, "200 OK", greet(*clients[i]));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::vector<std::unique_ptr<Client>> newcomers;
    for (const std::size_t i : {2U, 0U, 1U}) {
        newcomers.push_back(std::make_unique<Client>(port));
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", greet(*newcomers.back()));
        EXPECT_EQ(clients[i]->read_to("never"), "[end]") << i;
    }
    EXPECT_EQ(closed((*server)->counters(), core::Reason::evicted), 3U);
    newcomers.clear();
    clients.clear();
    (*server)->drain();
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(closed(outcome.counters, core::Reason::evicted), 3U);
    expect_all_back(outcome);
}

TEST(ServerRoom, WithNoneIdleNewcomersWaitUntilOneComesToRest) {
    Options options = options_for(1);
    options.connections_max = 2;
    options.drain_timeout_ms = 0;  // of what is half sent nothing more comes
    auto server = Server::create(options, greeting_and_later());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    const Client busy(port);
    busy.send(later);
    const Client other(port);
    // Its first request is answered, its second is not complete: it is never idle.
    other.send(std::string(get) + "GET /answer HTTP/1.1\r\n");
    ASSERT_PRED_FORMAT2(testing::IsSubstring, "200 OK", other.read_to("hello"));
    const Client newcomer(port);
    newcomer.send(get);
    EXPECT_FALSE(newcomer.has_something(100));
    EXPECT_EQ((*server)->counters().accepted, 2U);
    // The answer brings the busy one to rest, so that it can make room.
    other.send("Host: a\r\n\r\nGET / HTTP/1.1\r\n");
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", busy.read_to("late"));
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", newcomer.read_to("hello"));
    EXPECT_EQ(busy.read_to("never"), "[end]");
    EXPECT_EQ(closed((*server)->counters(), core::Reason::evicted), 1U);
    (*server)->drain();
    expect_all_back((*server)->wait());
}

TEST(ServerRoom, OneAddressHasAsManyConnectionsAsItMay) {
    for (const std::uint32_t workers : {1U, 2U}) {
        Options options = options_for(workers);
        options.connections_per_ip_max = 3;
        auto server = Server::create(options, greeting());
        ASSERT_TRUE(server) << server.error().text();
        ASSERT_TRUE((*server)->start());
        const std::uint16_t port = (*server)->addresses().front().port;
        std::vector<std::unique_ptr<Client>> clients;
        for (int i = 0; i < 3; ++i) {
            clients.push_back(std::make_unique<Client>(port));
            clients.back()->send(get);
            ASSERT_PRED_FORMAT2(testing::IsSubstring, "200 OK", clients.back()->read_to("hello"));
        }
        std::string refusal;
        {
            const Client surplus(port);
            surplus.send(get);
            refusal = surplus.read_to("[end]");
        }
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "429 Too Many Requests", refusal);
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "Connection: close", refusal);
        clients.pop_back();
        std::string answer;
        while (answer.find("200 OK") == std::string::npos) {  // once the server has seen it go
            const Client next(port);
            next.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            answer = next.read_to("[end]");
            ASSERT_PRED_FORMAT2(testing::IsSubstring, "HTTP/1.1 ", answer);
        }
        clients.clear();
        (*server)->drain();
        const Server::Outcome outcome = (*server)->wait();
        EXPECT_GE(closed(outcome.counters, core::Reason::connections_per_ip), 1U);
        expect_all_back(outcome);
    }
}

TEST(Server, AnAnswerThatDoesNotComeIs503) {
    Options options = options_for(1);
    options.times.handler_timeout_ms = 200;
    auto server = Server::create(options, greeting_and_later());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    {
        const Client client((*server)->addresses().front().port);
        client.send(later);
        const std::string answer = client.read_to("[end]");
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "503 Service Unavailable", answer);
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "Connection: close", answer);
    }
    (*server)->drain();
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(closed(outcome.counters, core::Reason::handler_timeout), 1U);
    expect_all_back(outcome);
}

TEST(Server, ADrainEndsWhatIsIdleAndCutsWhatTakesTooLong) {
    Options options = options_for(1);
    options.drain_timeout_ms = 300;
    auto server = Server::create(options, greeting());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    const Client idle(port);
    idle.send(get);
    ASSERT_PRED_FORMAT2(testing::IsSubstring, "200 OK", idle.read_to("hello"));
    const Client begun(port);
    begun.send(std::string(get) + "GET / HTTP/1.1\r\n");
    ASSERT_PRED_FORMAT2(testing::IsSubstring, "200 OK", begun.read_to("hello"));
    (*server)->drain();
    EXPECT_EQ(idle.read_to("never"), "[end]");
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(outcome.aborted, 1U);
    EXPECT_EQ(closed(outcome.counters, core::Reason::drain), 1U);
    EXPECT_EQ(closed(outcome.counters, core::Reason::aborted), 1U);
    expect_all_back(outcome);
}

// ---- the admin listener ------------------------------------------------------------------------

std::string ask(std::uint16_t port, const std::string& path) {
    const Client client(port);
    client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return client.read_to("[end]");
}

TEST(ServerAdmin, DoesNotHangWithAWorkerThatIsStuck) {
    std::atomic<bool> stuck = false;
    std::atomic<bool> free = false;
    Router router = greeting();
    router.get("/stuck", [&](const Request&, Responder responder) {
        stuck = true;
        stuck.notify_all();
        free.wait(false);
        responder.send(Status::ok, "text/plain", "free");
    });
    Options options = options_for(2);
    options.admin = *core::parse_address("127.0.0.1:0");
    auto server = Server::create(options, std::move(router));
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->admin_address()->port;
    const Client client((*server)->addresses().front().port);
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    stuck.wait(false);
    for (int i = 0; i < 2; ++i) {
        const std::string metrics = ask(port, "/metrics");
        const bool first = metrics.find("worker_answers{worker=\"0\"} 0\n") != std::string::npos;
        const bool second = metrics.find("worker_answers{worker=\"1\"} 0\n") != std::string::npos;
        EXPECT_NE(first, second) << metrics;
        EXPECT_PRED_FORMAT2(
            testing::IsSubstring,
            first ? "\"silent_workers\": [\n    0\n  ]" : "\"silent_workers\": [\n    1\n  ]",
            ask(port, "/connections"));
    }
    free = true;
    free.notify_all();
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "free", client.read_to("free"));
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "\"silent_workers\": []", ask(port, "/connections"));
    (*server)->drain();
    expect_all_back((*server)->wait());
}

TEST(ServerAdmin, MayBeAskedWhileTheServerEnds) {
    Options options = options_for(2);
    options.admin = *core::parse_address("127.0.0.1:0");
    auto server = Server::create(options, greeting());
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->admin_address()->port;
    std::atomic<bool> ended = false;
    std::atomic<unsigned> asked = 0;
    std::vector<std::thread> askers;
    for (const char* path : {"/metrics", "/connections"}) {
        askers.emplace_back([&, path] {
            while (!ended) {
                static_cast<void>(ask(port, path));
                ++asked;
            }
        });
    }
    const Client client((*server)->addresses().front().port);
    client.send(get);
    client.read_to("hello");
    while (asked < 20) {
        std::this_thread::yield();
    }
    (*server)->drain();
    expect_all_back((*server)->wait());
    ended = true;
    for (std::thread& asker : askers) {
        asker.join();
    }
}

TEST(ServerAdmin, TellsWhatItCountsAndWhetherItIsReady) {
    const std::size_t descriptors_before = open_descriptors();
    {
        Options options = options_for(2);
        options.admin = *core::parse_address("127.0.0.1:0");
        options.drain_delay_ms = 300;
        auto server = Server::create(options, greeting());
        ASSERT_TRUE(server) << server.error().text();
        EXPECT_FALSE((*server)->ready());
        ASSERT_TRUE((*server)->start());
        EXPECT_TRUE((*server)->ready());
        const std::uint16_t port = (*server)->addresses().front().port;
        ASSERT_TRUE((*server)->admin_address());
        const std::uint16_t admin_port = (*server)->admin_address()->port;
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", ask(port, "/"));
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "404 Not Found", ask(port, "/metrics"));
        const std::string metrics = ask(admin_port, "/metrics");
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "text/plain; version=0.0.4", metrics);
        for (const char* worker : {"0", "1"}) {
            EXPECT_PRED_FORMAT2(
                testing::IsSubstring,
                "\nenduring_connections_accepted_total{worker=\"" + std::string(worker) + "\"} ",
                metrics);
        }
        const std::vector<core::Counters> counters = (*server)->counters_of_workers();
        ASSERT_EQ(counters.size(), 2U);
        EXPECT_EQ(counters[0].accepted + counters[1].accepted, 2U)
            << "those of the admin listener do not count";
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", ask(admin_port, "/healthz"));
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", ask(admin_port, "/readyz"));
        (*server)->drain();
        EXPECT_FALSE((*server)->ready());
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "503 Service", ask(admin_port, "/readyz"));
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", ask(admin_port, "/healthz"));
        const std::string still = ask(port, "/");
        EXPECT_PRED_FORMAT2(testing::IsSubstring, "200 OK", still) << "during the delay";
        expect_all_back((*server)->wait());
    }
    EXPECT_EQ(open_descriptors(), descriptors_before);
}

TEST(ServerAdmin, IsOnlyForThisMachineWhenAPortIsAllThatIsSaid) {
    Options options = options_for(1);
    options.admin = core::Address{.kind = core::Address::Kind::any, .port = 0};
    const auto server = Server::create(options, greeting());
    ASSERT_TRUE(server) << server.error().text();
    EXPECT_EQ((*server)->admin_address()->host, "127.0.0.1");
}

// ---- the start ---------------------------------------------------------------------------------

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
