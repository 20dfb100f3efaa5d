// Answers that come later: from timers of the worker, and from other threads while clients leave.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "http/coroutine.hpp"
#include "http/server.hpp"

namespace enduring::http {
namespace {

using std::chrono::milliseconds;

// ENDURING_DEFERRED_REQUESTS makes it a longer test.
int requests_wanted() {
    const char* text = std::getenv("ENDURING_DEFERRED_REQUESTS");
    return text == nullptr ? 4'000 : std::atoi(text);
}

// Threads that answer what they are given in an order of their own.
class Answerers {
  public:
    explicit Answerers(int count) {
        for (int i = 0; i < count; ++i) {
            threads_.emplace_back([this, i] { run(static_cast<unsigned>(i)); });
        }
    }
    ~Answerers() {
        {
            const std::scoped_lock lock(mutex_);
            ends_ = true;
        }
        changed_.notify_all();
    }
    using Receiver = std::variant<RemoteResponder, Completion<std::string>>;

    void take(Receiver receiver, std::string content) {
        {
            const std::scoped_lock lock(mutex_);
            jobs_.emplace_back(std::move(receiver), std::move(content));
        }
        changed_.notify_one();
    }

  private:
    using Job = std::pair<Receiver, std::string>;

    void run(unsigned seed) {
        std::minstd_rand random(seed + 1);
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ends_ || !jobs_.empty(); });
            if (jobs_.empty()) {
                return;
            }
            std::swap(jobs_.front(), jobs_[random() % jobs_.size()]);
            Job job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            if (random() % 16 == 0) {
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 2'000));
            }
            if (random() % 64 == 0) {
                continue;  // it is dropped: 500
            }
            if (auto* completion = std::get_if<Completion<std::string>>(&job.first)) {
                completion->set(std::move(job.second));
            } else {
                std::get<RemoteResponder>(job.first).send(Status::ok, "text/plain", job.second);
            }
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool ends_ = false;
    std::vector<std::jthread> threads_;
};

int connect_to(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{30, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(socket);
        return -1;
    }
    return socket;
}

bool send_all(int socket, std::string_view bytes) {
    return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
}

// Reads until so many responses have come whole; gives their contents, or nothing if it failed.
std::vector<std::string> read_contents(int socket, std::size_t count) {
    std::vector<std::string> contents;
    std::string bytes;
    while (contents.size() < count) {
        const std::size_t head = bytes.find("\r\n\r\n");
        const std::size_t field = bytes.find("Content-Length: ");
        if (head != std::string::npos && field < head) {
            const std::size_t size = std::stoul(bytes.substr(field + 16));
            if (bytes.size() >= head + 4 + size) {
                contents.push_back(bytes.substr(head + 4, size));
                bytes.erase(0, head + 4 + size);
                continue;
            }
        }
        char piece[4096];
        const ssize_t received = ::recv(socket, piece, sizeof piece, 0);
        if (received < 0 && errno == EINTR) {
            continue;  // the end of another ring that this thread has used
        }
        if (received <= 0) {
            return {};
        }
        bytes.append(piece, static_cast<std::size_t>(received));
    }
    return contents;
}

void reset(int socket) {
    const linger abortive{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
    ::close(socket);
}

TEST(Deferred, OtherThreadsAnswerEachRequestWithItsOwnWhileClientsLeave) {
    constexpr int clients = 8;
    const int requests = requests_wanted() / clients;
    std::atomic<int> asked = 0;
    std::atomic<int> answered = 0;
    std::atomic<int> wrong = 0;
    Answerers answerers(4);
    Router router;
    router.get("/{name}", [&](const Request& request, Responder responder) {
        ++asked;
        answerers.take(std::move(responder).remote(), std::string(request.parameter("name")));
    });
    router.get(
        "/coroutine/{name}", coroutine([&](Request request, Responder responder) -> Task<void> {
            ++asked;
            const std::string answer =
                co_await completed<std::string>([&](Completion<std::string> completion) {
                    answerers.take(std::move(completion), std::string(request.parameter("name")));
                });
            responder.send(Status::ok, "text/plain", answer);
        }));
    Options options;
    options.workers = 2;
    options.connections_max = 100;
    options.listen.push_back(*core::parse_address("127.0.0.1:0"));
    auto server = Server::create(options, std::move(router));
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const std::uint16_t port = (*server)->addresses().front().port;
    {
        std::vector<std::jthread> threads;
        for (int client = 0; client < clients; ++client) {
            threads.emplace_back([&, client] {
                std::minstd_rand random(static_cast<unsigned>(client) + 100);
                int socket = connect_to(port);
                for (int i = 0; i < requests; ++i) {
                    const std::string name = std::to_string(client) + "-" + std::to_string(i);
                    const std::string path = (random() % 2 == 0 ? "/coroutine/" : "/") + name;
                    const bool sent = socket >= 0 && send_all(socket, "GET " + path +
                                                                          " HTTP/1.1\r\nHost: a"
                                                                          "\r\n\r\n");
                    if (random() % 20 == 0) {
                        reset(socket);
                        socket = connect_to(port);
                        continue;
                    }
                    const auto contents = read_contents(socket, 1);
                    if (!sent || contents.empty() ||
                        (contents[0] != name && contents[0] != "500 Internal Server Error\n")) {
                        ++wrong;
                        return;
                    }
                    ++answered;
                }
                reset(socket);
            });
        }
    }
    (*server)->drain();
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(answered, requests * clients * 8 / 10);
    EXPECT_LE(answered, asked);
    EXPECT_EQ(outcome.buffers_lent, 0U);
    EXPECT_EQ(outcome.inputs_lent, 0U);
    EXPECT_EQ(outcome.output_bytes, 0U);
    EXPECT_EQ(outcome.counters.late_completions, 0U);
    EXPECT_EQ(outcome.counters.closed_total(), outcome.counters.accepted);
}

TEST(Deferred, TimersAnswerInTimeAndInOrderOnAConnection) {
    std::atomic<int> asked = 0;
    const auto wait_until_asked = [&](int count) {
        while (asked < count) {
            std::this_thread::sleep_for(milliseconds(1));
        }
    };
    Router router;
    router.get("/delay/{ms}", [&](const Request& request, Responder responder) {
        const std::string text(request.parameter("ms"));
        Timers& timers = responder.timers();
        timers.after(milliseconds(std::stoi(text)),
                     [text, responder = std::move(responder)]() mutable {
                         responder.send(Status::ok, "text/plain", text);
                     });
        ++asked;
    });
    Options options;
    options.workers = 1;
    options.connections_max = 10;
    options.listen.push_back(*core::parse_address("127.0.0.1:0"));
    auto server = Server::create(options, std::move(router));
    ASSERT_TRUE(server) << server.error().text();
    ASSERT_TRUE((*server)->start());
    const int socket = connect_to((*server)->addresses().front().port);
    ASSERT_GE(socket, 0);
    std::string all;
    for (const char* ms : {"60", "0", "30"}) {
        all += std::string("GET /delay/") + ms + " HTTP/1.1\r\nHost: a\r\n\r\n";
    }
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(send_all(socket, all));
    EXPECT_EQ(read_contents(socket, 3), (std::vector<std::string>{"60", "0", "30"}));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(90)) << "one after the other";
    ::close(socket);
    // Somebody leaves; his answer is dropped. Another one's time has not come when the server ends.
    const int other = connect_to((*server)->addresses().front().port);
    ASSERT_TRUE(send_all(other, "GET /delay/20 HTTP/1.1\r\nHost: a\r\n\r\n"));
    wait_until_asked(4);
    reset(other);
    const int last = connect_to((*server)->addresses().front().port);
    ASSERT_TRUE(send_all(last, "GET /delay/100000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    wait_until_asked(5);
    (*server)->drain();
    (*server)->drain();
    const Server::Outcome outcome = (*server)->wait();
    EXPECT_EQ(outcome.aborted, 1U);
    EXPECT_EQ(outcome.output_bytes, 0U);
    ::close(last);
}

}  // namespace
}  // namespace enduring::http
