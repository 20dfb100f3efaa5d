// Listening sockets, on the loopback and in a directory of their own. What goes wrong must be told
// so that a person knows what to do.
#include "core/listener.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace enduring::core {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

class Descriptor {
  public:
    explicit Descriptor(int number = -1) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    [[nodiscard]] int get() const { return number_; }

  private:
    int number_;
};

Address loopback(std::uint16_t port) {
    return {.kind = Address::Kind::host, .host = "127.0.0.1", .port = port};
}
Address unix_at(const std::string& path) { return {.kind = Address::Kind::local, .path = path}; }

/// Where a connect() or bind() goes.
class Target {
  public:
    static Target tcp(std::uint16_t port) {
        Target target;
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        target.assign(name);
        return target;
    }
    static Target tcp6(std::uint16_t port) {
        Target target;
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(port);
        name.sin6_addr = in6addr_loopback;
        target.assign(name);
        return target;
    }
    static Target unix(const std::string& path) {
        Target target;
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path.copy(name.sun_path, sizeof name.sun_path - 1);
        target.assign(name);
        return target;
    }

    [[nodiscard]] Descriptor socket(int flags = 0) const {
        return Descriptor(::socket(storage_.ss_family, SOCK_STREAM | flags, 0));
    }
    [[nodiscard]] bool connect(const Descriptor& from) const { return call(::connect, from); }
    [[nodiscard]] bool bind(const Descriptor& to) const { return call(::bind, to); }

    /// A server that somebody else runs there.
    [[nodiscard]] Descriptor listen(int backlog = 16) const {
        Descriptor server = socket();
        EXPECT_TRUE(bind(server)) << std::strerror(errno);
        EXPECT_EQ(::listen(server.get(), backlog), 0);
        return server;
    }
    /// A client that is connected there.
    [[nodiscard]] Descriptor client() const {
        Descriptor made = socket();
        EXPECT_TRUE(connect(made)) << std::strerror(errno);
        return made;
    }

  private:
    template <class Name>
    void assign(const Name& name) {
        std::memcpy(&storage_, &name, sizeof name);
        size_ = sizeof name;
    }
    template <class Call>
    bool call(Call&& function, const Descriptor& descriptor) const {
        return function(descriptor.get(), reinterpret_cast<const sockaddr*>(&storage_), size_) == 0;
    }

    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

bool readable(int descriptor, int timeout_ms) {
    pollfd wanted{descriptor, POLLIN, 0};
    return ::poll(&wanted, 1, timeout_ms) == 1;
}

int option(int socket, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
    return value;
}

std::uint16_t port_of(int socket) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size), 0);
    return ntohs(name.sin_port);
}

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    return std::distance(begin(descriptors), end(descriptors));
}

bool has_ipv6() { return Target::tcp6(0).bind(Target::tcp6(0).socket()); }

/// Runs what would change this process, or hang, in another, and gives the text that it made.
std::string in_another_process(const std::function<std::string()>& run) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(10);
        const std::string text = run();
        _exit(::write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
    }
    ::close(ends[1]);
    std::string text(4096, ' ');
    const ssize_t size = ::read(ends[0], text.data(), text.size());
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    ::close(ends[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "it hung or crashed";
    return text;
}

/// As in_another_process, without the rights of root.
std::string as_ordinary_user(const std::function<std::string()>& run) {
    return in_another_process([&] {
        constexpr unsigned nobody = 65534;
        if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) {
            return std::string("cannot change the user");
        }
        return run();
    });
}

std::string outcome_of(const Address& address) {
    const auto listener = Listener::open(address, 1, 16);
    return listener ? "listening" : listener.error().text();
}

/// The first descriptor for that worker, which is ours then; -1 if there is none.
int take(Listener& listener, unsigned worker) {
    const std::span<const int> descriptors = listener.descriptors(worker);
    const int first = descriptors.empty() ? -1 : descriptors.front();
    EXPECT_LE(descriptors.size(), 1U);
    listener.release(worker);
    return first;
}

class ListenerTest : public testing::Test {
  protected:
    std::string directory_;

    void SetUp() override {
        std::string name = testing::TempDir() + "listener_XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    [[nodiscard]] std::string path() const { return directory_ + "/socket"; }
};

// ---- TCP ---------------------------------------------------------------------------------------

TEST_F(ListenerTest, TakesAPortThatIsFreeAndSaysWhich) {
    auto listener = Listener::open(loopback(0), 1, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const std::uint16_t port = listener->address().port;
    EXPECT_NE(port, 0);
    EXPECT_EQ(listener->address().text(), "127.0.0.1:" + std::to_string(port));
    const Descriptor socket(take(*listener, 0));
    ASSERT_GE(socket.get(), 0);
    EXPECT_EQ(port_of(socket.get()), port);
    const Descriptor client = Target::tcp(port).client();
    const Descriptor accepted(::accept(socket.get(), nullptr, nullptr));
    EXPECT_GE(accepted.get(), 0);
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ListenerTest, TheKernelKeepsLittleForAPeerThatDoesNotRead) {
    auto listener = Listener::open(loopback(0), 1, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const Descriptor socket(take(*listener, 0));
    const Target target = Target::tcp(listener->address().port);
    const Descriptor client = target.socket();
    const int receive_buffer_bytes = 4096;
    ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                           sizeof receive_buffer_bytes),
              0);
    ASSERT_TRUE(target.connect(client));
    const Descriptor accepted(::accept(socket.get(), nullptr, nullptr));
    ASSERT_GE(accepted.get(), 0);
    const std::string bytes(64 * 1024, 'x');
    std::size_t taken = 0;
    for (ssize_t count = 0; count >= 0; taken += static_cast<std::size_t>(count)) {
        count = ::send(accepted.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) {
            EXPECT_EQ(errno, EAGAIN);
            break;
        }
        ASSERT_LT(taken, 512 * 1024U);
    }
    EXPECT_GE(taken, 64 * 1024U);
}

TEST_F(ListenerTest, TakesThePortThatWasAskedFor) {
    std::uint16_t port = 0;
    {
        const auto first = Listener::open(loopback(0), 1, 16);
        ASSERT_TRUE(first.has_value());
        port = first->address().port;
    }
    auto listener = Listener::open(loopback(port), 2, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    EXPECT_EQ(listener->address().port, port);
    const Descriptor client = Target::tcp(port).client();
}

TEST_F(ListenerTest, SocketsOfOneAddressShareThePort) {
    auto listener = Listener::open(loopback(0), 3, 128);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const std::uint16_t port = listener->address().port;
    std::vector<Descriptor> sockets;
    std::set<int> numbers;
    for (unsigned worker = 0; worker < 3; ++worker) {
        sockets.emplace_back(take(*listener, worker));
        ASSERT_GE(sockets.back().get(), 0);
        EXPECT_EQ(port_of(sockets.back().get()), port);
        numbers.insert(sockets.back().get());
    }
    EXPECT_EQ(numbers.size(), 3U);

    constexpr unsigned clients_count = 90;
    std::vector<Descriptor> clients;
    for (unsigned i = 0; i < clients_count; ++i) {
        clients.push_back(Target::tcp(port).client());
    }
    unsigned accepted = 0;
    for (const Descriptor& socket : sockets) {
        const unsigned before = accepted;
        while (readable(socket.get(), accepted < clients_count ? 50 : 0)) {
            const Descriptor connection(::accept(socket.get(), nullptr, nullptr));
            ASSERT_GE(connection.get(), 0);
            ++accepted;
        }
        EXPECT_GT(accepted, before) << "the kernel spreads connections over the sockets";
    }
    EXPECT_EQ(accepted, clients_count);
}

TEST_F(ListenerTest, EachSocketIsTakenOnce) {
    auto listener = Listener::open(loopback(0), 2, 16);
    ASSERT_TRUE(listener.has_value());
    const Descriptor second(take(*listener, 1));
    EXPECT_GE(second.get(), 0);
    EXPECT_EQ(take(*listener, 1), -1);
    EXPECT_EQ(take(*listener, 2), -1);
    const Descriptor first(take(*listener, 0));
    EXPECT_GE(first.get(), 0);
}

TEST_F(ListenerTest, ClosesWhatWasNotTakenAndOnlyThat) {
    const std::ptrdiff_t before = open_descriptors();
    Descriptor taken;
    int number = -1;
    {
        auto listener = Listener::open(loopback(0), 3, 16);
        ASSERT_TRUE(listener.has_value());
        EXPECT_EQ(open_descriptors(), before + 3) << "nothing else is left open";
        number = take(*listener, 1);
        const auto moved = *std::move(listener);
        EXPECT_EQ(open_descriptors(), before + 3);
    }
    EXPECT_EQ(open_descriptors(), before + 1);
    EXPECT_NE(::fcntl(number, F_GETFD), -1);
    ::close(number);
}

TEST_F(ListenerTest, AFailureLeavesNothingOpen) {
    const auto holder = Listener::open(loopback(0), 1, 16);
    ASSERT_TRUE(holder.has_value());
    const std::ptrdiff_t before = open_descriptors();
    EXPECT_FALSE(Listener::open(loopback(holder->address().port), 3, 16).has_value());
    EXPECT_FALSE(Listener::open(unix_at(directory_), 1, 16).has_value());
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ListenerTest, ThePortOfAnotherServerIsNotShared) {
    const auto holder = Listener::open(loopback(0), 2, 16);  // itself with SO_REUSEPORT
    ASSERT_TRUE(holder.has_value());
    const std::string port = std::to_string(holder->address().port);
    const auto listener = Listener::open(loopback(holder->address().port), 2, 16);
    ASSERT_FALSE(listener.has_value());
    EXPECT_EQ(listener.error().what,
              "cannot listen on 127.0.0.1:" + port + ": Address already in use");
    EXPECT_EQ(listener.error().remedy,
              "another program has this port (ss -ltnp 'sport = :" + port +
                  "' shows which); stop it or choose another with --listen");
}

TEST_F(ListenerTest, ThePortOfAnyOtherProgramIsNotTaken) {
    const Descriptor other = Target::tcp(0).listen();
    const std::string text = outcome_of(loopback(port_of(other.get())));
    EXPECT_NE(text.find("Address already in use; another program has this port"), std::string::npos)
        << text;
}

// A server that is started again finds its old connections in TIME_WAIT.
TEST_F(ListenerTest, APortWithOldConnectionsCanBeTakenAgain) {
    std::uint16_t port = 0;
    {
        auto listener = Listener::open(loopback(0), 1, 16);
        ASSERT_TRUE(listener.has_value());
        port = listener->address().port;
        const Descriptor socket(take(*listener, 0));
        const Descriptor client = Target::tcp(port).client();
        {
            const Descriptor accepted(::accept(socket.get(), nullptr, nullptr));
        }
        char byte = 0;
        EXPECT_EQ(::read(client.get(), &byte, 1), 0);
    }
    EXPECT_EQ(outcome_of(loopback(port)), "listening");
}

TEST_F(ListenerTest, AnyMeansIPv4AndIPv6) {
    const auto listener = Listener::open({.kind = Address::Kind::any, .port = 0}, 2, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const std::uint16_t port = listener->address().port;
    ASSERT_NE(port, 0);
    EXPECT_EQ(listener->address().text(), "*:" + std::to_string(port));
    const Descriptor over_ipv4 = Target::tcp(port).client();
    if (has_ipv6()) {
        const Descriptor over_ipv6 = Target::tcp6(port).client();
    }
}

TEST_F(ListenerTest, AnIPv6AddressIsOnlyThat) {
    // The wildcard can be bound even where no interface has an IPv6 address.
    const Descriptor probe(::socket(AF_INET6, SOCK_STREAM, 0));
    if (probe.get() < 0) {
        GTEST_SKIP() << "this kernel has no IPv6";
    }
    auto listener = Listener::open({.kind = Address::Kind::host, .host = "::", .port = 0}, 2, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const std::uint16_t port = listener->address().port;
    ASSERT_NE(port, 0);
    const Descriptor socket(take(*listener, 0));
    EXPECT_EQ(option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
    EXPECT_FALSE(Target::tcp(port).connect(Target::tcp(port).socket()));
    if (has_ipv6()) {
        const Descriptor client = Target::tcp6(port).client();
    }
}

TEST_F(ListenerTest, AnAddressOfAnotherMachineIsRefused) {
    // 192.0.2.0/24 is for documentation: RFC 5737.
    EXPECT_EQ(outcome_of({.kind = Address::Kind::host, .host = "192.0.2.1", .port = 0}),
              "cannot listen on 192.0.2.1:0: Cannot assign requested address; this machine does "
              "not have that address");
}

TEST_F(ListenerTest, ANameThatDoesNotResolveIsRefused) {
    // No name may have an empty part, so that no name server is asked.
    const std::string text =
        outcome_of({.kind = Address::Kind::host, .host = "no..name", .port = 80});
    EXPECT_TRUE(text.starts_with("cannot listen on no..name:80: ")) << text;
    EXPECT_TRUE(text.ends_with("; give the address of one of this machine's interfaces")) << text;
}

TEST_F(ListenerTest, AReservedPortNeedsARight) {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    unsigned first_free = 0;
    if (!(file >> first_free) || first_free <= 1) {
        GTEST_SKIP() << "every user may take every port here";
    }
    EXPECT_EQ(as_ordinary_user([] { return outcome_of(loopback(1)); }),
              "cannot listen on 127.0.0.1:1: Permission denied; ports below 1024 need the "
              "capability CAP_NET_BIND_SERVICE, or net.ipv4.ip_unprivileged_port_start lowered; "
              "or choose a higher port");
}

TEST_F(ListenerTest, TooFewDescriptorsAreToldAsSuch) {
    const std::string text = in_another_process([] {
        // The undefined behaviour sanitizer needs a descriptor when it first sees a type; another
        // failure shows it all that this one will use.
        const Address elsewhere{.kind = Address::Kind::host, .host = "192.0.2.1", .port = 1};
        static_cast<void>(outcome_of(elsewhere));
        const rlimit none{3, 3};
        if (::setrlimit(RLIMIT_NOFILE, &none) != 0) {
            return std::string("cannot set the limit");
        }
        return outcome_of(loopback(0));
    });
    EXPECT_EQ(text,
              "cannot listen on 127.0.0.1:0: Too many open files; raise the limit of open files "
              "(ulimit -n)");
}

// ---- unix --------------------------------------------------------------------------------------

AssertionResult is_socket(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return AssertionFailure() << path << " does not exist";
    }
    return S_ISSOCK(status.st_mode) ? AssertionSuccess() : AssertionFailure() << "no socket";
}

TEST_F(ListenerTest, AUnixPathIsOneSocketAndGoesWithTheListener) {
    const std::ptrdiff_t before = open_descriptors();
    {
        auto listener = Listener::open(unix_at(path()), 4, 16);
        ASSERT_TRUE(listener.has_value()) << listener.error().text();
        EXPECT_EQ(open_descriptors(), before + 1);
        EXPECT_EQ(listener->address().text(), "unix:" + path());
        EXPECT_TRUE(is_socket(path()));
        const Descriptor socket(take(*listener, 0));
        EXPECT_GE(socket.get(), 0);
        EXPECT_EQ(take(*listener, 1), -1);
        const Descriptor client = Target::unix(path()).client();
        const Descriptor accepted(::accept(socket.get(), nullptr, nullptr));
        EXPECT_GE(accepted.get(), 0);
    }
    EXPECT_FALSE(is_socket(path()));
}

TEST_F(ListenerTest, TheLongestPathIsUsedWhole) {
    const std::string long_path = path() + std::string(107 - path().size(), 'x');
    const auto listener = Listener::open(unix_at(long_path), 1, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    EXPECT_TRUE(is_socket(long_path));
}

TEST_F(ListenerTest, MovingAListenerLeavesThePathAlone) {
    auto listener = Listener::open(unix_at(path()), 1, 16);
    ASSERT_TRUE(listener.has_value());
    {
        const Listener moved = *std::move(listener);
        listener = fail("gone");
        EXPECT_TRUE(is_socket(path()));
    }
    EXPECT_FALSE(is_socket(path()));
}

TEST_F(ListenerTest, AStaleUnixSocketIsReplaced) {
    {
        const Descriptor killed = Target::unix(path()).listen();
    }
    ASSERT_TRUE(is_socket(path()));
    const auto listener = Listener::open(unix_at(path()), 1, 16);
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    const Descriptor client = Target::unix(path()).client();
}

TEST_F(ListenerTest, ALiveUnixSocketIsLeftAlone) {
    const Descriptor server = Target::unix(path()).listen();
    const auto listener = Listener::open(unix_at(path()), 1, 16);
    ASSERT_FALSE(listener.has_value());
    EXPECT_EQ(listener.error().text(), "cannot listen on unix:" + path() +
                                           ": Address already in use; another server is "
                                           "listening there");
    EXPECT_TRUE(is_socket(path()));
    const Descriptor client = Target::unix(path()).client();
}

// A server that lives but does not accept has a full backlog, on which a connect() would wait.
TEST_F(ListenerTest, ALiveUnixSocketWithAFullBacklogIsLeftAlone) {
    const Descriptor server = Target::unix(path()).listen(0);
    std::vector<Descriptor> clients;
    do {
        clients.push_back(Target::unix(path()).socket(SOCK_NONBLOCK));
    } while (Target::unix(path()).connect(clients.back()));
    ASSERT_EQ(errno, EAGAIN);
    const std::string text = in_another_process([this] { return outcome_of(unix_at(path())); });
    EXPECT_TRUE(text.ends_with("another server is listening there")) << text;
    EXPECT_TRUE(is_socket(path()));
}

TEST_F(ListenerTest, WhatIsNoSocketIsNeverRemoved) {
    std::ofstream(path()) << "precious";
    const std::string text = outcome_of(unix_at(path()));
    EXPECT_TRUE(text.starts_with("cannot listen on unix:" + path() + ": ")) << text;
    std::string content;
    std::ifstream(path()) >> content;
    EXPECT_EQ(content, "precious");
}

TEST_F(ListenerTest, ADirectoryThatMayNotBeWrittenIsTold) {
    ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
    EXPECT_EQ(as_ordinary_user([this] { return outcome_of(unix_at(path())); }),
              "cannot listen on unix:" + path() +
                  ": Permission denied; this user may not write to the directory of the path");
}

TEST_F(ListenerTest, ADirectoryThatDoesNotExistIsTold) {
    EXPECT_EQ(outcome_of(unix_at(directory_ + "/none/socket")),
              "cannot listen on unix:" + directory_ + "/none/socket: No such file or directory");
}

}  // namespace
}  // namespace enduring::core
