// What one run is made of, drawn from its seed: the server's settings, the kernel's, the clients'
// number, and when the server stops.
#pragma once

#include <cstdint>
#include <string>

#include "core/lifecycle.hpp"
#include "http/limits.hpp"
#include "simulation/faults.hpp"
#include "simulation/ring.hpp"

namespace enduring::simulation {

/// What is left out of a run, to find the smallest that still fails.
struct Cuts {
    FaultSet faults = 0;               ///< these do not happen
    std::uint64_t clients = 0;         ///< a bit for each client that does not come
    std::uint32_t requests_max = ~0U;  ///< of each client
};

struct Plan {
    Plan(std::uint64_t seed, const Cuts& cuts, Faults& faults);

    static constexpr std::uint32_t clients_most = 10;

    std::uint64_t seed;
    Cuts cuts;
    RingPlan ring{};
    core::TimeLimits times{};
    http::Limits limits{};
    std::uint32_t connections_max = 64;
    std::uint32_t peer_connections_max = 0;
    std::uint32_t chunks_max = 64;
    std::uint64_t drain_delay_ms = 0;
    std::uint64_t drain_timeout_ms = 30'000;
    std::uint32_t buffers = 16;
    std::uint32_t buffer_bytes = 1024;
    std::uint32_t backlog = 16;
    std::uint32_t listeners = 1;
    std::uint32_t clients = 8;
    std::uint64_t arrival_us_max = 1'000'000;  ///< the last client comes until then
    std::uint64_t drain_at_us = 0;             ///< 0: when all clients have gone
    std::uint64_t second_drain_at_us = 0;      ///< 0: never
    std::uint64_t stopped_us = 0;              ///< all stops together
    /// The kernel may refuse to send though there is room.
    bool sends_are_refused = false;
    /// Idle connections may be closed for the sake of others.
    bool evicts = false;

    /// How far what the server sees of time may be from what happened, other than by stops.
    static constexpr std::uint64_t slack_us = 400'000;

    /// A kernel that is short of memory, or slow, keeps nobody to a high rate.
    void respect_faults();

    [[nodiscard]] std::string text() const;
};

/// Prints to standard output what a run is made of.
void print_settings(const Plan& plan, const Faults& faults);

}  // namespace enduring::simulation
