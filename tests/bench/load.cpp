// A load generator for what the common ones cannot do: it ends connections after so many requests,
// or asks the server to, and takes exact account of every response. A request counts when its
// response came whole with status 200; whatever else happens is an error of a kind, is reported,
// and makes the program exit with 1.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "load_options.hpp"
#include "load_report.hpp"
#include "response_reader.hpp"

namespace {

std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

struct Connection {
    enum class State { disconnected, connecting, resting, awaiting_responses, awaiting_close };

    int fd = -1;
    State state = State::disconnected;
    bool wants_writable = false;
    std::uint32_t unanswered = 0;
    std::uint64_t begun = 0;     // Requests of this connection that were handed to the kernel.
    std::uint64_t since_ns = 0;  // When the state, or the batch that is under way, began.
    std::string_view unsent;
    bench::ResponseReader reader;
};

class Load {
  public:
    explicit Load(const bench::LoadOptions& options)
        : options_(options), requests_(options), connections_(options.connections) {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < options.connections + 16) {
            bench::fail("load: the descriptor limit is too low for so many connections");
        }
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        address_.sin_family = AF_INET;
        address_.sin_port = htons(options.port);
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }

    // Sends until the time is up, then takes the responses that are still due.
    void run() {
        begin_ns_ = end_ns_ = now_ns();
        deadline_ns_ = options_.paced() ? forever : begin_ns_ + options_.seconds * second_ns;
        for (Connection& connection : connections_) {
            connect(connection);
            // Whoever connects all at once overruns the server's queue.
            if (options_.paced() && (&connection - connections_.data()) % 64 == 63) {
                pause_ms(10);
            }
        }
        if (options_.paced()) {
            await_connections();
            if (options_.wait) {
                std::puts("ready");
                std::fflush(stdout);
                std::getchar();
            }
            begin_ns_ = end_ns_ = now_ns();
            deadline_ns_ = begin_ns_ + options_.seconds * second_ns;
        }
        next_due_ns_ = begin_ns_;
        std::uint64_t next_sweep_ns = begin_ns_ + sweep_interval_ns;
        while ((options_.paced() ? in_flight_ : busy_) != 0 || now_ns() < deadline_ns_) {
            // Who keeps to a rate does not sleep: a wait is not exact enough.
            take_events(options_.rate != 0 ? 0 : 20);
            // Between the batches of events, so that none of them is of a connection that is gone.
            std::uint64_t now = now_ns();
            if (options_.paced()) {
                pace(now);
            }
            if (now >= next_sweep_ns) {
                sweep(now);
                next_sweep_ns = now + sweep_interval_ns;
            }
        }
        report_.elapsed_ns = end_ns_ - begin_ns_;
    }

    const bench::LoadReport& report() const { return report_; }

  private:
    using State = Connection::State;

    static constexpr std::uint64_t second_ns = 1'000'000'000;
    static constexpr std::uint64_t sweep_interval_ns = second_ns / 10;
    static constexpr std::size_t read_size = 256 * 1024;

    static constexpr std::uint64_t forever = ~std::uint64_t{0};

    void take_events(int wait_ms) {
        epoll_event events[256];
        int count = epoll_wait(epoll_, events, 256, wait_ms);
        if (count < 0 && errno != EINTR) {
            bench::fail(std::string("load: epoll_wait: ") + std::strerror(errno));
        }
        for (int i = 0; i < count; ++i) {
            on_event(connections_[events[i].data.u32], events[i].events);
        }
    }

    void pause_ms(std::uint64_t time_ms) {
        std::uint64_t end_ns = now_ns() + time_ms * second_ns / 1000;
        while (now_ns() < end_ns) {
            take_events(1);
        }
    }

    void await_connections() {
        std::uint64_t give_up_ns = now_ns() + options_.timeout_s * second_ns;
        while (resting_.size() < connections_.size()) {
            if (now_ns() > give_up_ns || report_.errors.total() != 0) {
                bench::fail(
                    "load: only " + std::to_string(resting_.size()) +
                    " connections could be made: " + std::to_string(report_.errors.closed_early) +
                    " closed, " + std::to_string(report_.errors.reset) + " reset, " +
                    std::to_string(report_.errors.connect) + " refused");
            }
            take_events(20);
        }
    }

    bool time_is_up() const { return end_ns_ >= deadline_ns_; }

    // Another attempt follows at the next sweep when this one fails at once, so that a server that
    // is gone is not hammered.
    void connect(Connection& connection) {
        connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connection.fd < 0) {
            ++report_.errors.connect;
            return;
        }
        int on = 1;
        setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        int result =
            ::connect(connection.fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_);
        if (result != 0 && errno != EINPROGRESS) {
            ++report_.errors.connect;
            close(connection.fd);
            connection.fd = -1;
            return;
        }
        ++busy_;
        connection.state = State::connecting;
        connection.since_ns = now_ns();
        connection.wants_writable = result != 0;
        epoll_event event{};
        event.events = EPOLLIN | (connection.wants_writable ? EPOLLOUT : 0U);
        event.data.u32 = static_cast<std::uint32_t>(&connection - connections_.data());
        epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
        if (result == 0) {
            on_connected(connection);
        }
    }

    void on_connected(Connection& connection) {
        ++report_.connections;
        connection.begun = 0;
        connection.reader.reset();
        if (options_.paced()) {
            rest(connection);
        } else {
            begin_batch(connection);
        }
    }

    // The connection is idle until its turn comes.
    void rest(Connection& connection) {
        connection.state = State::resting;
        resting_.push_back(static_cast<std::uint32_t>(&connection - connections_.data()));
    }

    // Begins what is due, on the connections that have rested longest.
    void pace(std::uint64_t now) {
        std::uint64_t most = options_.in_flight != 0 ? options_.in_flight : connections_.size();
        while (!resting_.empty() && now < deadline_ns_) {
            Connection& connection = connections_[resting_.front()];
            if (connection.state == State::resting) {
                if (in_flight_ >= most || (options_.rate != 0 && now < next_due_ns_)) {
                    return;
                }
                ++in_flight_;
                begin_batch(connection);
                if (options_.rate != 0) {
                    connection.since_ns = next_due_ns_;
                    next_due_ns_ += second_ns / options_.rate;
                }
            }
            resting_.pop_front();
        }
    }

    // The client's own close, after which the slot connects anew while there is time.
    void disconnect(Connection& connection) {
        in_flight_ -= options_.paced() && connection.state == State::awaiting_responses ? 1 : 0;
        close(connection.fd);  // Takes it out of the epoll set, too.
        connection.fd = -1;
        connection.state = State::disconnected;
        connection.unanswered = 0;
        --busy_;
    }

    void reconnect(Connection& connection) {
        disconnect(connection);
        if (!time_is_up()) {
            connect(connection);
        }
    }

    // A connection that failed waits for the next sweep.
    void abandon(Connection& connection, std::uint64_t& error) {
        ++error;
        disconnect(connection);
    }

    void begin_batch(Connection& connection) {
        std::uint64_t count = options_.pipeline;
        bool last = false;
        if (options_.requests_per_connection != 0) {
            std::uint64_t left = options_.requests_per_connection - connection.begun;
            last = left <= count;
            count = last ? left : count;
        }
        connection.state = State::awaiting_responses;
        connection.unanswered = static_cast<std::uint32_t>(count);
        connection.begun += count;
        connection.unsent =
            last && options_.close ? requests_.closing(count) : requests_.plain(count);
        connection.since_ns = now_ns();
        send_more(connection);
    }

    void send_more(Connection& connection) {
        ssize_t sent =
            send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            connection.unsent.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            // The recv that follows tells what became of the connection.
            connection.unsent = {};
        }
        bool wants_writable = !connection.unsent.empty();
        if (wants_writable != connection.wants_writable) {
            connection.wants_writable = wants_writable;
            epoll_event event{};
            event.events = EPOLLIN | (wants_writable ? EPOLLOUT : 0U);
            event.data.u32 = static_cast<std::uint32_t>(&connection - connections_.data());
            epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
        }
    }

    void on_event(Connection& connection, std::uint32_t events) {
        if (connection.state == State::connecting) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) {
                abandon(connection, report_.errors.connect);
            } else if ((events & EPOLLOUT) != 0) {
                on_connected(connection);
            }
            return;
        }
        if ((events & EPOLLOUT) != 0 && !connection.unsent.empty()) {
            send_more(connection);
        }
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            receive(connection);
        }
    }

    void receive(Connection& connection) {
        ssize_t size = recv(connection.fd, buffer_.get(), read_size, 0);
        if (size > 0) {
            report_.bytes += static_cast<std::uint64_t>(size);
            on_bytes(connection, {buffer_.get(), static_cast<std::size_t>(size)});
        } else if (size == 0) {
            if (connection.state == State::awaiting_close) {
                reconnect(connection);
            } else {
                abandon(connection, report_.errors.closed_early);
            }
        } else if (errno != EAGAIN && errno != EINTR) {
            abandon(connection, report_.errors.reset);
        }
    }

    void on_bytes(Connection& connection, std::string_view bytes) {
        end_ns_ = now_ns();
        while (connection.state == State::awaiting_responses) {
            switch (connection.reader.read(bytes, heads_)) {
                case bench::ResponseReader::Result::need_more:
                    return;
                case bench::ResponseReader::Result::malformed:
                    abandon(connection, report_.errors.framing);
                    return;
                case bench::ResponseReader::Result::complete:
                    break;
            }
            if (!on_response(connection, !bytes.empty())) {
                return;
            }
        }
        if (!bytes.empty()) {
            abandon(connection, report_.errors.surplus);
        }
    }

    // False when the connection is not the same any more.
    bool on_response(Connection& connection, bool more_bytes) {
        const bench::ResponseHead& head = connection.reader.head();
        if (head.status == 200) {
            ++report_.responses;
            report_.latency.add(end_ns_ - connection.since_ns);
        } else {
            ++report_.errors.status;
        }
        --connection.unanswered;
        bool asked_to_close = options_.close && connection.unanswered == 0 &&
                              connection.begun == options_.requests_per_connection;
        if (head.closes || asked_to_close) {
            // Pipelined requests after this one are not answered: RFC 9112, section 9.6.
            report_.unanswered_after_close += connection.unanswered;
            connection.unanswered = 0;
            in_flight_ -= options_.paced() ? 1 : 0;
            connection.state = State::awaiting_close;
            connection.since_ns = end_ns_;
            return true;
        }
        if (connection.unanswered != 0) {
            return true;
        }
        if (more_bytes) {
            abandon(connection, report_.errors.surplus);
        } else if (options_.paced()) {
            --in_flight_;
            rest(connection);
        } else if (time_is_up()) {
            disconnect(connection);
        } else if (connection.begun == options_.requests_per_connection) {
            reconnect(connection);
        } else {
            begin_batch(connection);
        }
        return false;
    }

    void sweep(std::uint64_t now) {
        std::uint64_t timeout_ns = options_.timeout_s * second_ns;
        for (Connection& connection : connections_) {
            if (connection.state == State::disconnected) {
                if (now < deadline_ns_) {
                    connect(connection);
                }
            } else if (connection.state != State::resting &&
                       now > connection.since_ns + timeout_ns) {
                abandon(connection, connection.state == State::connecting ? report_.errors.connect
                                    : connection.state == State::awaiting_close
                                        ? report_.errors.not_closed
                                        : report_.errors.timeout);
            }
        }
    }

    bench::LoadOptions options_;
    bench::LoadRequests requests_;
    std::vector<Connection> connections_;
    sockaddr_in address_{};
    int epoll_ = -1;
    std::uint64_t busy_ = 0;             // Connections that are not disconnected.
    std::uint64_t in_flight_ = 0;        // Requests, when connections take turns.
    std::uint64_t next_due_ns_ = 0;      // When the next request is to be sent, by the rate.
    std::deque<std::uint32_t> resting_;  // Who has rested longest comes first; ended ones, too.
    std::uint64_t begin_ns_ = 0;
    std::uint64_t deadline_ns_ = 0;
    std::uint64_t end_ns_ = 0;  // When bytes came last.
    bench::LoadReport report_;
    bench::HeadMemory heads_;
    std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(read_size);
};

}  // namespace

int main(int argc, char** argv) {
    bench::LoadOptions options = bench::parse_load_options(argc, argv);
    Load load(options);
    load.run();
    load.report().print();
    std::fflush(stdout);
    if (options.wait) {
        std::getchar();
    }
    return load.report().good() ? 0 : 1;
}
