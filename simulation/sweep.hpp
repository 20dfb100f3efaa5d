// Runs many seeds in several processes, and makes a run that fails smaller.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "simulation/plan.hpp"
#include "simulation/workload.hpp"
#include "simulation/world.hpp"

namespace enduring::simulation {

struct SweepOptions {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1'000;
    double minutes = 0;  ///< 0: until all seeds are done
    unsigned jobs = 1;   ///< processes, at most jobs_max
    unsigned failures_max = 1;
    bool hides_errors = false;  ///< what runs print to standard error is part of their failure
    Cuts cuts{};
};
inline constexpr unsigned jobs_max = 256;

/// Of all runs that passed.
struct Totals {
    std::uint64_t runs = 0;
    std::uint64_t events = 0;
    std::uint64_t turns = 0;
    std::uint64_t answers = 0;
    std::uint64_t faults = 0;
    std::uint64_t virtual_ms = 0;
};

/// How a run has failed.
struct SeedFailure {
    std::string kind{};     ///< in few words, the same for the same failure in another run
    std::string details{};  ///< may have several lines

    [[nodiscard]] std::string text() const {
        return details.empty() ? kind : kind + ": " + details;
    }
};

using OnFailure = std::function<void(std::uint64_t seed, const SeedFailure& failure)>;

/// Runs the seeds; calls the function for each that fails, as it is found. Throws std::bad_alloc if
/// there is no memory or no process for it.
Totals sweep(const MakeWorkload& make_workload, const SweepOptions& options,
             const OnFailure& on_failure);

/// How the run fails; nothing if it does not. Runs in another process. With a function for the plan
/// the history is printed.
[[nodiscard]] std::optional<SeedFailure> failure_of(const MakeWorkload& make_workload,
                                                    std::uint64_t seed, const Cuts& cuts,
                                                    const OnPlan& trace = {});

/// What can be left out of a run that fails so that it still fails in the same way.
[[nodiscard]] Cuts shrink(const MakeWorkload& make_workload, std::uint64_t seed, const Cuts& cuts);

}  // namespace enduring::simulation
