// Exchanges of one connection without a loop and without a kernel: what it costs to take a request
// and to answer it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/block_pool.hpp"
#include "core/host.hpp"
#include "core/send_queue.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/session.hpp"

namespace enduring::bench {

/// One kind of request; pieces are received one after the other.
struct Exchange {
    std::string name;
    std::vector<std::string> pieces;
    std::uint64_t requests = 1;  ///< in all pieces
};

/// All kinds. Their handlers do next to nothing.
[[nodiscard]] const std::vector<Exchange>& exchanges();

/// A service with one connection, whose answers are gone as soon as they are written.
class Connection final : private core::Host<http::Session> {
  public:
    Connection();
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Ends the program if not every request gets an answer, or the connection ends.
    void run(const Exchange& exchange);

  private:
    Access find(core::ConnectionId) override { return {&session_, &output_}; }
    void wake(core::ConnectionId) override { woken_ = true; }
    std::optional<core::Address> peer(core::ConnectionId) override { return std::nullopt; }
    core::BlockPool& blocks() override { return pool_; }
    [[nodiscard]] std::uint64_t now_ms() const override { return 1000; }

    http::Router router_;
    core::BlockPool pool_;
    http::Service service_;
    http::Session session_;
    core::SendQueue output_;
    bool woken_ = false;
};

}  // namespace enduring::bench
