// Runs many seeds in several processes, and makes a run that fails smaller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "simulation/plan.hpp"

namespace enduring::simulation {

struct SweepOptions {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1'000;
    double minutes = 0;  ///< 0: until all seeds are done
    unsigned jobs = 1;
    unsigned failures_max = 1;
    Cuts cuts{};
};

/// Gives the number of seeds that failed; prints them and a summary.
unsigned sweep(const SweepOptions& options);

/// How the run fails, in few words; nothing if it does not. Runs in another process.
[[nodiscard]] std::optional<std::string> failure_of(std::uint64_t seed, const Cuts& cuts);

/// What can be left out of a run that fails so that it still fails in the same way.
[[nodiscard]] Cuts shrink(std::uint64_t seed, const Cuts& cuts);

/// The arguments that replay a run.
[[nodiscard]] std::string arguments_of(std::uint64_t seed, const Cuts& cuts);

}  // namespace enduring::simulation
