// One run: the server's own loop, acceptor and sessions, with a router of the simulation's, between
// the simulated kernel and the clients.
#pragma once

#include <cstdint>

#include "simulation/plan.hpp"

namespace enduring::simulation {

/// What a run was.
struct Summary {
    std::uint64_t events = 0;  ///< completions, and what happened besides
    std::uint64_t turns = 0;
    std::uint64_t answers = 0;  ///< responses that clients got
    std::uint64_t faults = 0;   ///< what went wrong on purpose
    std::uint32_t clients = 0;
    std::uint64_t virtual_ms = 0;
};

/// Runs a seed to its end. What is wrong ends the process: see report.hpp.
Summary run(std::uint64_t seed, const Cuts& cuts);

}  // namespace enduring::simulation
