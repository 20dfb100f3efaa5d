// Runs the server's loop on a simulated kernel against simulated clients, a seed at a time.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/format.hpp"
#include "simulation/faults.hpp"
#include "simulation/report.hpp"
#include "simulation/sweep.hpp"
#include "simulation/world.hpp"
#include "tests/simulation/routes.hpp"

namespace enduring::simulation {
namespace {

struct Arguments {
    std::string seeds = "1-1000";
    std::uint64_t seed = 0;
    bool trace = false;
    bool shrink = false;
    std::vector<std::string> without;
    std::vector<unsigned> without_clients;
    SweepOptions sweep{};
};

void declare(CLI::App& app, Arguments& arguments) {
    app.add_option("--seeds", arguments.seeds, "FIRST-LAST: the seeds to run")
        ->capture_default_str();
    app.add_option("--minutes", arguments.sweep.minutes,
                   "stop after so long; 0: when all have run");
    app.add_option("--jobs", arguments.sweep.jobs, "processes")
        ->capture_default_str()
        ->check(CLI::Range(1U, jobs_max));
    app.add_option("--failures", arguments.sweep.failures_max, "stop after so many failures")
        ->capture_default_str();
    app.add_option("--seed", arguments.seed, "run this seed only");
    app.add_flag("--trace", arguments.trace, "with --seed: print what happens");
    app.add_flag("--shrink", arguments.shrink,
                 "with --seed: look what can be left out of a run that fails");
    app.add_option("--without", arguments.without, "faults that do not happen")->delimiter(',');
    app.add_option("--without-clients", arguments.without_clients, "clients that do not come")
        ->delimiter(',')
        ->check(CLI::Range(0U, Plan::clients_most - 1));
    app.add_option("--requests", arguments.sweep.cuts.requests_max, "of each client, at most");
}

// False: an argument means nothing.
bool understand(Arguments& arguments) {
    for (const std::string& name : arguments.without) {
        const auto fault = fault_named(name);
        if (!fault) {
            std::fputs(core::formatted("simulate: there is no fault '{}'\n", name).c_str(), stderr);
            return false;
        }
        arguments.sweep.cuts.faults |= bit_of(*fault);
    }
    for (const unsigned client : arguments.without_clients) {
        arguments.sweep.cuts.clients |= 1ULL << client;
    }
    unsigned long long first = 0;
    unsigned long long last = 0;
    if (std::sscanf(arguments.seeds.c_str(), "%llu-%llu", &first, &last) != 2 || first > last) {
        std::fputs(core::formatted("simulate: --seeds wants FIRST-LAST\n").c_str(), stderr);
        return false;
    }
    arguments.sweep.first_seed = first;
    arguments.sweep.last_seed = last;
    return true;
}

// The arguments that replay a run.
std::string arguments_of(std::uint64_t seed, const Cuts& cuts) {
    std::string text = core::formatted(" --seed {}", seed);
    std::string_view separator = " --without ";
    for (unsigned fault = 0; fault < fault_count; ++fault) {
        if ((cuts.faults & bit_of(static_cast<Fault>(fault))) != 0) {
            text.append(separator).append(name_of(static_cast<Fault>(fault)));
            separator = ",";
        }
    }
    separator = " --without-clients ";
    for (unsigned client = 0; client < 64; ++client) {
        if ((cuts.clients & (1ULL << client)) != 0) {
            text.append(separator).append(std::to_string(client));
            separator = ",";
        }
    }
    if (cuts.requests_max != ~0U) {
        text += core::formatted(" --requests {}", cuts.requests_max);
    }
    return text;
}

// Gives the number of seeds that failed.
unsigned run_many(const SweepOptions& options) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    unsigned failures = 0;
    const Totals totals =
        sweep(make_routes, options, [&](std::uint64_t seed, const SeedFailure& failure) {
            ++failures;
            std::fputs(core::formatted(
                           "seed {} failed: {}\n  replay: simulate{} --trace; make it smaller: "
                           "simulate{} --shrink\n",
                           seed, failure.kind, arguments_of(seed, options.cuts),
                           arguments_of(seed, options.cuts))
                           .c_str(),
                       stdout);
        });
    const std::chrono::duration<double> duration = Clock::now() - begin;
    const double seconds = duration.count();
    const auto number = static_cast<double>(std::max<std::uint64_t>(totals.runs, 1));
    std::fputs(
        core::formatted(
            "{} seeds, {} failed; {:.1f} s, {:.0f} seeds/s, {:.0f} events/s; a seed has on average "
            "{:.0f} events, {:.0f} turns, {:.1f} answers, {:.1f} faults\n",
            totals.runs + failures, failures, seconds, static_cast<double>(totals.runs) / seconds,
            static_cast<double>(totals.events) / seconds,
            static_cast<double>(totals.events) / number, static_cast<double>(totals.turns) / number,
            static_cast<double>(totals.answers) / number,
            static_cast<double>(totals.faults) / number)
            .c_str(),
        stdout);
    return failures;
}

int run_one(const Arguments& arguments) {
    Cuts cuts = arguments.sweep.cuts;
    if (arguments.shrink) {
        const auto failure = failure_of(make_routes, arguments.seed, cuts);
        if (!failure) {
            std::fputs(core::formatted("seed {} does not fail\n", arguments.seed).c_str(), stdout);
            return 0;
        }
        cuts = shrink(make_routes, arguments.seed, cuts);
        std::fputs(
            core::formatted("{}: simulate{}\n", failure->kind, arguments_of(arguments.seed, cuts))
                .c_str(),
            stdout);
        if (!arguments.trace) {
            return 1;
        }
    }
    set_tracing(arguments.trace);
    const Summary summary = run(make_routes, arguments.seed, cuts, print_settings);
    std::fputs(
        core::formatted("seed {}: {} clients, {} answers, {} events, {} turns, {} faults, {} ms\n",
                        arguments.seed, summary.clients, summary.answers, summary.events,
                        summary.turns, summary.faults, summary.virtual_ms)
            .c_str(),
        stdout);
    return 0;
}

int main_of(int argc, char** argv) {
    Arguments arguments;
    arguments.sweep.jobs = std::max(1U, std::thread::hardware_concurrency());
    CLI::App app("Runs the server's loop on a simulated kernel against simulated clients.");
    declare(app, arguments);
    CLI11_PARSE(app, argc, argv);
    if (!understand(arguments)) {
        return 2;
    }
    if (arguments.seed != 0) {
        return run_one(arguments);
    }
    return run_many(arguments.sweep) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace enduring::simulation

int main(int argc, char** argv) { return enduring::simulation::main_of(argc, argv); }
