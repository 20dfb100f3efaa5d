// Listening sockets: opens them, and says clearly why one cannot be had.
#pragma once

#include <span>
#include <vector>

#include "core/address.hpp"
#include "core/result.hpp"

namespace enduring::core {

struct SocketAddress;

/// The sockets of one address (of all that a name stands for), one for each worker that accepts on
/// it. Closes what was not taken; removes the path of a unix socket when it goes.
class Listener {
  public:
    /// TCP: `sockets` of them share the port (SO_REUSEPORT), so that the kernel spreads
    /// connections; the port must not be in use by anybody else. Unix: one socket, which the first
    /// worker has. backlog: as of listen(2); the kernel caps it at net.core.somaxconn.
    static Result<Listener> open(const Address& address, unsigned sockets, int backlog);

    ~Listener();
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;

    /// The address in fact: a port 0 is replaced by the one that the system chose.
    [[nodiscard]] const Address& address() const noexcept { return address_; }
    /// The descriptors for that worker, until release() still the listener's.
    [[nodiscard]] std::span<const int> descriptors(unsigned worker) const noexcept;
    /// They are the caller's from now on.
    void release(unsigned worker) noexcept;

  private:
    explicit Listener(Address address) : address_(std::move(address)) {}
    int open_one(SocketAddress& name, int backlog);

    Address address_;
    std::vector<std::vector<int>> descriptors_;  // by worker
    bool bound_ = false;                         // the path, if it is one, is ours to remove
};

}  // namespace enduring::core
