// Runs the server's loop on a simulated kernel against simulated clients, a seed at a time.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "simulation/faults.hpp"
#include "simulation/report.hpp"
#include "simulation/sweep.hpp"
#include "simulation/world.hpp"

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
        ->check(CLI::Range(1, 256));
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
            fmt::print(stderr, "simulate: there is no fault '{}'\n", name);
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
        fmt::print(stderr, "simulate: --seeds wants FIRST-LAST\n");
        return false;
    }
    arguments.sweep.first_seed = first;
    arguments.sweep.last_seed = last;
    return true;
}

void print_plan(std::uint64_t seed, const Cuts& cuts) {
    Faults faults(seed, cuts.faults);
    const Plan plan(seed, cuts, faults);
    std::string text;
    for (std::size_t i = 0; i < fault_count; ++i) {
        if (faults.on(static_cast<Fault>(i))) {
            text.append(" ").append(name_of(static_cast<Fault>(i)));
        }
    }
    fmt::print("faults:{}\n{}", text.empty() ? " none" : text, plan.text());
}

int run_one(const Arguments& arguments) {
    Cuts cuts = arguments.sweep.cuts;
    if (arguments.shrink) {
        const auto failure = failure_of(arguments.seed, cuts);
        if (!failure) {
            fmt::print("seed {} does not fail\n", arguments.seed);
            return 0;
        }
        cuts = shrink(arguments.seed, cuts);
        fmt::print("{}: simulate{}\n", *failure, arguments_of(arguments.seed, cuts));
        if (!arguments.trace) {
            return 1;
        }
    }
    print_plan(arguments.seed, cuts);
    set_tracing(arguments.trace);
    const Summary summary = run(arguments.seed, cuts);
    fmt::print("seed {}: {} clients, {} answers, {} events, {} turns, {} faults, {} ms\n",
               arguments.seed, summary.clients, summary.answers, summary.events, summary.turns,
               summary.faults, summary.virtual_ms);
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
    return sweep(arguments.sweep) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace enduring::simulation

int main(int argc, char** argv) { return enduring::simulation::main_of(argc, argv); }
