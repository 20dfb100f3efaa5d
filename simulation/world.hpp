// One run: the server's own loop, acceptor and sessions, with a workload's router, between the
// simulated kernel and the clients.
#pragma once

#include <cstdint>
#include <functional>

#include "simulation/faults.hpp"
#include "simulation/plan.hpp"
#include "simulation/workload.hpp"

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

/// Is told what a run is made of, before it begins.
using OnPlan = std::function<void(const Plan& plan, const Faults& faults)>;

/// Runs a seed to its end. What is wrong ends the process: see report.hpp.
Summary run(const MakeWorkload& make_workload, std::uint64_t seed, const Cuts& cuts,
            const OnPlan& on_plan = {});

}  // namespace enduring::simulation
