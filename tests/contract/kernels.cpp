#include "tests/contract/kernels.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/address.hpp"
#include "core/check.hpp"
#include "tests/simulation/content.hpp"

namespace enduring::contract {

namespace {

// Far more than anything here takes.
constexpr int patience_ms = 10'000;

void require(bool condition, const char* what) {
    if (!condition) {
        core::check_failed(__FILE__, __LINE__, what, "this machine cannot run the test");
    }
}

}  // namespace

// ---- the real one ------------------------------------------------------------------------------

RealKernel::RealKernel() {
    auto ring = core::Ring::open({.entries = submissions, .completion_entries = 256});
    require(ring.has_value(), "a ring");
    ring_ = std::move(*ring);
    require(buffers_.attach(*ring_, buffer_group).has_value(), "a buffer ring");
    require(ring_->enable().has_value(), "a ring of this thread");
    auto listener = core::Listener::open(*core::parse_address("127.0.0.1:0"), 1, 16);
    require(listener.has_value(), "a listener");
    port_ = listener->address().port;
    listener_ = listener->descriptors(0).front();
    listener->release(0);
}

RealKernel::~RealKernel() {
    // Of the sockets that a test has accepted, the process' end takes care.
    for (const std::vector<int>& descriptors : {clients_, files_}) {
        for (const int descriptor : descriptors) {
            if (descriptor >= 0) {
                ::close(descriptor);
            }
        }
    }
}

void RealKernel::wait(std::uint64_t timeout_ms, std::uint32_t completions) {
    buffers_.publish();
    ring_->submit_and_wait(timeout_ms, completions);
}

namespace {

// A new file without a name; -1 if it cannot be told what of such a file is cached, as of one that
// is nowhere but in memory.
int open_cached_file(std::string directory) {
    std::string name = std::move(directory) + "/contract-XXXXXX";
    const int file = ::mkostemp(name.data(), O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    ::unlink(name.c_str());
    char byte = 0;
    const iovec part{&byte, 1};
    if (::preadv2(file, &part, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
        ::close(file);
        return -1;
    }
    return file;
}

}  // namespace

int RealKernel::open_file(std::uint32_t pattern, std::uint64_t size) {
    int file = -1;
    for (const char* directory : {".", "/var/tmp", "/tmp"}) {
        if (file = open_cached_file(directory); file >= 0) {
            break;
        }
    }
    require(file >= 0, "a directory on a disk");
    const std::string_view bytes = simulation::content_of(pattern, size);
    require(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(size), "a file");
    files_.push_back(file);
    return file;
}

std::size_t RealKernel::connect() {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port_);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0,
            "a connection");
    clients_.push_back(client);
    return clients_.size() - 1;
}

void RealKernel::send(std::size_t client, std::string_view bytes) {
    require(::send(clients_[client], bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()),
            "a client's bytes");
}

void RealKernel::finish(std::size_t client) { ::shutdown(clients_[client], SHUT_WR); }

void RealKernel::reset(std::size_t client) {
    const linger abortive{1, 0};
    ::setsockopt(clients_[client], SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
    leave(client);
}

void RealKernel::leave(std::size_t client) { ::close(std::exchange(clients_[client], -1)); }

Heard RealKernel::read(std::size_t client) {
    Heard heard;
    std::array<char, 65536> piece;
    pollfd wanted{.fd = clients_[client], .events = POLLIN, .revents = 0};
    for (int patience = patience_ms; ::poll(&wanted, 1, patience) > 0; patience = 0) {
        const ssize_t size = ::recv(clients_[client], piece.data(), piece.size(), 0);
        if (size <= 0) {
            heard.end = size == 0 ? Heard::End::finished : Heard::End::reset;
            break;
        }
        heard.bytes.append(piece.data(), static_cast<std::size_t>(size));
    }
    return heard;
}

// ---- the simulated one -------------------------------------------------------------------------

SimulatedKernel::SimulatedKernel() {
    require(buffers_.attach(ring_, buffer_group).has_value(), "a buffer ring");
    listener_ = network_.add_listener(16);
}

void SimulatedKernel::wait(std::uint64_t timeout_ms, std::uint32_t completions) {
    buffers_.publish();
    ring_.submit_and_wait(timeout_ms, completions);
}

int SimulatedKernel::open_file(std::uint32_t pattern, std::uint64_t size) {
    return network_.open_file(simulation::content_of(pattern, size));
}

std::size_t SimulatedKernel::connect() {
    const std::uint32_t socket = network_.make_socket(0);
    require(network_.connect(socket, 0), "a connection");
    return socket;
}

void SimulatedKernel::send(std::size_t client, std::string_view bytes) {
    require(network_.write(static_cast<std::uint32_t>(client), bytes) == bytes.size(),
            "a client's bytes");
}

void SimulatedKernel::finish(std::size_t client) {
    network_.finish(static_cast<std::uint32_t>(client));
}
void SimulatedKernel::reset(std::size_t client) {
    network_.reset(static_cast<std::uint32_t>(client));
}
void SimulatedKernel::leave(std::size_t client) {
    network_.leave(static_cast<std::uint32_t>(client));
}

Heard SimulatedKernel::read(std::size_t client) {
    const auto number = static_cast<std::uint32_t>(client);
    simulation::Socket& socket = network_.socket(number);
    Heard heard{.bytes = std::string(socket.output.waiting())};
    socket.output.take(heard.bytes.size());
    network_.on_read(number);
    if (socket.reset_by_server) {
        heard.end = Heard::End::reset;
    } else if (socket.write_shut) {
        heard.end = Heard::End::finished;
    }
    return heard;
}

}  // namespace enduring::contract
