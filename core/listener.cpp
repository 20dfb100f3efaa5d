#include "core/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/format.hpp"
#include "core/unsent.hpp"

namespace enduring::core {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] int family() const { return storage.ss_family; }
};

namespace {

class Socket {
  public:
    explicit Socket(int descriptor) : descriptor_(descriptor) {}
    ~Socket() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    [[nodiscard]] int get() const { return descriptor_; }
    int release() { return std::exchange(descriptor_, -1); }

  private:
    int descriptor_;
};

std::unexpected<Error> explain(const Address& address, int error) {
    const std::string what =
        formatted("cannot listen on {}: {}", address.text(), std::strerror(error));
    switch (error) {
        case EADDRINUSE:
            return fail(what, address.kind == Address::Kind::local
                                  ? "another server is listening there"
                                  : formatted("another program has this port (ss -ltnp 'sport = "
                                              ":{}' shows which); stop it or choose another "
                                              "with --listen",
                                              address.port));
        case EACCES:
        case EPERM:
            if (address.kind == Address::Kind::local) {
                return fail(what, "this user may not write to the directory of the path");
            }
            return fail(what,
                        "ports below 1024 need the capability CAP_NET_BIND_SERVICE, or "
                        "net.ipv4.ip_unprivileged_port_start lowered; or choose a higher port");
        case EADDRNOTAVAIL:
            return fail(what, "this machine does not have that address");
        case EMFILE:
        case ENFILE:
            return fail(what, "raise the limit of open files (ulimit -n)");
        default:
            return fail(what);
    }
}

// All that a name stands for: "localhost" is often 127.0.0.1 and ::1.
Result<std::vector<SocketAddress>> resolve(const Address& address) {
    SocketAddress result;
    if (address.kind == Address::Kind::local) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        address.path.copy(name.sun_path, sizeof name.sun_path - 1);
        std::memcpy(&result.storage, &name, sizeof name);
        result.size = sizeof name;
        return std::vector{result};
    }
    if (address.kind == Address::Kind::any) {
        if (const Socket probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
            probe.get() >= 0) {
            sockaddr_in6 name{};
            name.sin6_family = AF_INET6;
            name.sin6_port = htons(address.port);
            name.sin6_addr = in6addr_any;
            std::memcpy(&result.storage, &name, sizeof name);
            result.size = sizeof name;
            return std::vector{result};
        }
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(address.port);
        name.sin_addr.s_addr = htonl(INADDR_ANY);
        std::memcpy(&result.storage, &name, sizeof name);
        result.size = sizeof name;
        return std::vector{result};
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int error =
        getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(list, [](addrinfo* names) {
        if (names != nullptr) {
            freeaddrinfo(names);
        }
    });
    if (error != 0) {
        return fail(formatted("cannot listen on {}: {}", address.text(), gai_strerror(error)),
                    "give the address of one of this machine's interfaces");
    }
    std::vector<SocketAddress> results;
    for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
        std::memcpy(&result.storage, one->ai_addr, one->ai_addrlen);
        result.size = one->ai_addrlen;
        results.push_back(result);
    }
    return results;
}

int set_option(int socket, int level, int option, int value) {
    return ::setsockopt(socket, level, option, &value, sizeof value);
}

// A socket bound to the address; -1 with errno set.
int bind_socket(const SocketAddress& name, const Address& address, bool share_port) {
    Socket socket(::socket(name.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) {
        return -1;
    }
    if (name.family() != AF_UNIX) {
        if (set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
            (share_port && set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1) != 0)) {
            return -1;
        }
        // Accepted sockets inherit it: a response must not wait for the one before to be confirmed.
        set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(Unsent::usual));
        if (name.family() == AF_INET6) {
            set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY,
                       address.kind == Address::Kind::any ? 0 : 1);
        }
    }
    if (::bind(socket.get(), name.get(), name.size) != 0) {
        return -1;
    }
    return socket.release();
}

// A socket file that a server left behind when it was killed is removed; a living one is not.
void remove_stale(const SocketAddress& name, const Address& address) {
    struct stat status{};
    if (::lstat(address.path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    // Not blocking: a living server whose backlog is full would let us wait for ever.
    const Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (probe.get() >= 0 && ::connect(probe.get(), name.get(), name.size) != 0 &&
        errno == ECONNREFUSED) {
        ::unlink(address.path.c_str());
    }
}

// 0: the system does not say it.
std::uint16_t bound_port(int socket) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
        return 0;
    }
    if (name.ss_family == AF_INET6) {
        return ntohs(reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port);
    }
    return ntohs(reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

void set_port(SocketAddress& name, std::uint16_t port) {
    if (name.family() == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(&name.storage)->sin6_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in*>(&name.storage)->sin_port = htons(port);
    }
}

}  // namespace

Result<Listener> Listener::open(const Address& address, unsigned sockets, int backlog) {
    auto names = resolve(address);
    if (!names) {
        return std::unexpected(names.error());
    }
    const bool tcp = address.kind != Address::Kind::local;
    if (!tcp) {
        remove_stale(names->front(), address);
        sockets = 1;
    }
    Listener listener(address);
    listener.descriptors_.resize(sockets);
    int refused = 0;
    for (SocketAddress& name : *names) {
        const int error = listener.open_one(name, backlog);
        if (error == EADDRNOTAVAIL && names->size() > 1) {
            refused = error;  // a name may have an address that this machine does not use
        } else if (error != 0) {
            return explain(listener.address_, error);
        }
    }
    if (listener.descriptors_.front().empty()) {
        return explain(listener.address_, refused);
    }
    return listener;
}

// A socket for each worker on that address; gives 0 or an errno.
int Listener::open_one(SocketAddress& name, int backlog) {
    const bool tcp = address_.kind != Address::Kind::local;
    if (tcp && address_.port != 0) {
        set_port(name, address_.port);
        // SO_REUSEPORT would let us share the port with another server of the same user, and half
        // of the requests would go there. One bind without it shows whether the port is free.
        const Socket probe(bind_socket(name, address_, false));
        if (probe.get() < 0) {
            return errno;
        }
    }
    for (std::vector<int>& descriptors : descriptors_) {
        descriptors.reserve(descriptors.size() + 1);
        Socket socket(bind_socket(name, address_, tcp));
        if (socket.get() < 0 || ::listen(socket.get(), backlog) != 0) {
            return errno;
        }
        if (tcp && address_.port == 0) {
            address_.port = bound_port(socket.get());
            if (address_.port == 0) {
                return errno;
            }
            set_port(name, address_.port);
        }
        descriptors.push_back(socket.release());
        bound_ = true;
    }
    return 0;
}

Listener::Listener(Listener&& other) noexcept
    : address_(std::move(other.address_)),
      descriptors_(std::exchange(other.descriptors_, {})),
      bound_(std::exchange(other.bound_, false)) {}

Listener::~Listener() {
    for (const std::vector<int>& descriptors : descriptors_) {
        for (const int descriptor : descriptors) {
            ::close(descriptor);
        }
    }
    if (address_.kind == Address::Kind::local && bound_) {
        ::unlink(address_.path.c_str());
    }
}

std::span<const int> Listener::descriptors(unsigned worker) const noexcept {
    return worker < descriptors_.size() ? std::span<const int>(descriptors_[worker])
                                        : std::span<const int>();
}

void Listener::release(unsigned worker) noexcept {
    if (worker < descriptors_.size()) {
        descriptors_[worker].clear();
    }
}

}  // namespace enduring::core
