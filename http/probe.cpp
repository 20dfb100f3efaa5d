#include "http/probe.hpp"

#include <llhttp.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "core/address.hpp"
#include "core/format.hpp"
#include "http/open_file.hpp"

namespace enduring::http {

namespace {

using Clock = std::chrono::steady_clock;

// A head that is longer is none of ours.
constexpr std::size_t head_bytes_max = 64 * 1024;
constexpr std::chrono::milliseconds full_pause{10};

std::unexpected<core::Error> not_allowed(std::string_view text) {
    return core::fail(core::formatted("'{}' is no URL to probe", text),
                      "give http://HOST:PORT/TARGET or unix:PATH:/TARGET");
}

std::unexpected<core::Error> gives_no_answer(const ProbeUrl& url, std::string_view why) {
    return core::fail(core::formatted("{} gives no answer: {}",
                                      url.path.empty() ? url.field : "unix:" + url.path, why),
                      "");
}

bool is_target(std::string_view target) {
    return target.starts_with('/') &&
           std::ranges::none_of(target, [](char c) { return c <= ' ' || c == 127 || c == '#'; });
}

bool is_authority(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return c <= ' ' || c == 127 || c == '@'; });
}

class Socket {
  public:
    explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}

    [[nodiscard]] int get() const noexcept { return descriptor_.get(); }

    /// Waits; 0 or what went wrong.
    [[nodiscard]] int wait(short events, Clock::time_point until) const noexcept {
        for (;;) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0) {
                return ETIMEDOUT;
            }
            pollfd ready{get(), events, 0};
            const int result = ::poll(&ready, 1, static_cast<int>(left));
            if (result > 0) {
                return 0;
            }
            if (result < 0 && errno != EINTR) {
                return errno;
            }
        }
    }

    /// 0 or what went wrong.
    [[nodiscard]] int connect(const sockaddr* name, socklen_t size,
                              Clock::time_point until) const noexcept {
        if (get() < 0) {
            return errno;
        }
        // A local listener whose backlog is full cannot be polled for.
        int error = 0;
        while ((error = try_to_connect(name, size)) == EAGAIN && Clock::now() < until) {
            std::this_thread::sleep_for(full_pause);
        }
        if (error != EINPROGRESS) {
            return error;
        }
        error = wait(POLLOUT, until);
        // A second call tells how the first one went.
        return error != 0 ? error : try_to_connect(name, size);
    }

  private:
    [[nodiscard]] int try_to_connect(const sockaddr* name, socklen_t size) const noexcept {
        return ::connect(get(), name, size) == 0 || errno == EISCONN ? 0 : errno;
    }

    OpenFile descriptor_;
};

constexpr int socket_type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

core::Result<std::unique_ptr<Socket>> connect_locally(const ProbeUrl& url,
                                                      Clock::time_point until) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, url.path.data(),
                std::min(url.path.size(), sizeof name.sun_path - 1));
    auto connected = std::make_unique<Socket>(::socket(AF_UNIX, socket_type, 0));
    if (const int error =
            connected->connect(reinterpret_cast<const sockaddr*>(&name), sizeof name, until);
        error != 0) {
        return gives_no_answer(url, std::strerror(error));
    }
    return connected;
}

core::Result<std::unique_ptr<Socket>> connect_to_host(const ProbeUrl& url,
                                                      Clock::time_point until) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list);
        error != 0) {
        return gives_no_answer(url, ::gai_strerror(error));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(list, ::freeaddrinfo);
    int error = EADDRNOTAVAIL;
    for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
        auto connected = std::make_unique<Socket>(::socket(one->ai_family, socket_type, 0));
        error = connected->connect(one->ai_addr, one->ai_addrlen, until);
        if (error == 0) {
            return connected;
        }
    }
    return gives_no_answer(url, std::strerror(error));
}

// Interim answers (1xx) are passed over: RFC 9110 §15.2.
struct Head {
    unsigned status = 0;
    bool complete = false;
};

int on_head_complete(llhttp_t* parser) {
    Head& head = *static_cast<Head*>(parser->data);
    head.status = static_cast<unsigned>(llhttp_get_status_code(parser));
    head.complete = head.status >= 200;
    return head.complete ? HPE_PAUSED : 0;
}

}  // namespace

core::Result<ProbeUrl> parse_probe_url(std::string_view text) {
    constexpr std::string_view scheme = "http://";
    constexpr std::string_view local = "unix:";
    ProbeUrl url;
    if (text.starts_with(local)) {
        const std::string_view rest = text.substr(local.size());
        const std::size_t colon = rest.rfind(":/");
        url.path = rest.substr(0, colon);
        url.target = colon == std::string_view::npos ? "/" : rest.substr(colon + 1);
        url.field = "localhost";
        if (url.path.empty() || url.path.size() >= sizeof(sockaddr_un::sun_path) ||
            !is_target(url.target)) {
            return not_allowed(text);
        }
        return url;
    }
    if (!text.starts_with(scheme)) {
        return not_allowed(text);
    }
    const std::string_view rest = text.substr(scheme.size());
    const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
    url.field = rest.substr(0, slash);
    url.target = rest.substr(slash);
    if (!url.target.starts_with('/')) {
        url.target.insert(0, "/");
    }
    // The colons within [] are an address's own.
    const bool has_port = url.field.find(':', url.field.find(']') + 1) != std::string::npos;
    const auto address = core::parse_address(has_port ? url.field : url.field + ":80");
    if (!is_authority(url.field) || !address || address->kind != core::Address::Kind::host ||
        !is_target(url.target)) {
        return not_allowed(text);
    }
    url.host = address->host;
    url.port = std::to_string(address->port);
    return url;
}

core::Result<unsigned> probe(const ProbeUrl& url, std::chrono::milliseconds patience) {
    const Clock::time_point until = Clock::now() + patience;
    auto connected = url.path.empty() ? connect_to_host(url, until) : connect_locally(url, until);
    if (!connected) {
        return std::unexpected(connected.error());
    }
    const Socket& socket = **connected;
    const std::string request = core::formatted(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: enduring-probe\r\n"
        "Connection: close\r\n\r\n",
        url.target, url.field);
    std::string_view unsent = request;
    while (!unsent.empty()) {
        const ssize_t sent = ::send(socket.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            unsent.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        const int error = errno == EAGAIN ? socket.wait(POLLOUT, until) : errno;
        if (error != 0) {
            return gives_no_answer(url, std::strerror(error));
        }
    }
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_head_complete;
    Head head;
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &head;
    std::array<char, 4096> bytes{};
    std::size_t received = 0;
    while (!head.complete) {
        const ssize_t size = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
        if (size == 0) {
            return gives_no_answer(url, "it closes the connection");
        }
        if (size < 0) {
            const int error = errno == EAGAIN ? socket.wait(POLLIN, until) : errno;
            if (error != 0) {
                return gives_no_answer(url, std::strerror(error));
            }
            continue;
        }
        received += static_cast<std::size_t>(size);
        const llhttp_errno error =
            llhttp_execute(&parser, bytes.data(), static_cast<std::size_t>(size));
        if (!head.complete && (error != HPE_OK || received > head_bytes_max)) {
            return gives_no_answer(url, "what it says is no HTTP");
        }
    }
    return head.status;
}

}  // namespace enduring::http
