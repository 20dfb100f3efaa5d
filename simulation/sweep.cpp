#include "simulation/sweep.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>
#include <thread>
#include <vector>

#include "simulation/faults.hpp"
#include "simulation/report.hpp"
#include "simulation/world.hpp"

namespace enduring::simulation {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(120);  // for one seed
constexpr std::size_t failure_bytes = 256;

// What a job tells its parent, in memory that they share.
struct Job {
    std::atomic<std::uint64_t> seed;
    std::atomic<std::uint64_t> runs;
    std::atomic<std::uint64_t> events;
    std::atomic<std::uint64_t> turns;
    std::atomic<std::uint64_t> answers;
    std::atomic<std::uint64_t> faults;
    std::array<char, failure_bytes> failure;
};

struct Shared {
    std::atomic<bool> stop;
    std::array<Job, 256> jobs;
};

Shared& share() {
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    return *::new (memory) Shared();
}

[[noreturn]] void work(Shared& shared, unsigned number, std::uint64_t seed,
                       const SweepOptions& options) {
    Job& job = shared.jobs[number];
    set_failure_text(job.failure.data(), job.failure.size());
    for (; seed <= options.last_seed && !shared.stop; seed += options.jobs) {
        job.seed = seed;
        const Summary summary = run(seed, options.cuts);
        ++job.runs;
        job.events += summary.events;
        job.turns += summary.turns;
        job.answers += summary.answers;
        job.faults += summary.faults;
    }
    std::_Exit(0);
}

pid_t start(Shared& shared, unsigned number, std::uint64_t seed, const SweepOptions& options) {
    std::fflush(nullptr);
    shared.jobs[number].failure[0] = '\0';
    const pid_t child = fork();
    if (child == 0) {
        work(shared, number, seed, options);
    }
    if (child < 0) {
        throw std::bad_alloc();
    }
    return child;
}

std::string describe(int status, const char* failure) {
    if (WIFSIGNALED(status)) {
        return fmt::format("signal {}", WTERMSIG(status));
    }
    return failure[0] != '\0' ? failure : fmt::format("exit status {}", WEXITSTATUS(status));
}

void print_summary(const Shared& shared, const SweepOptions& options, unsigned failures,
                   double seconds) {
    std::uint64_t runs = 0;
    std::uint64_t events = 0;
    std::uint64_t turns = 0;
    std::uint64_t answers = 0;
    std::uint64_t faults = 0;
    for (unsigned i = 0; i < options.jobs; ++i) {
        runs += shared.jobs[i].runs;
        events += shared.jobs[i].events;
        turns += shared.jobs[i].turns;
        answers += shared.jobs[i].answers;
        faults += shared.jobs[i].faults;
    }
    const auto number = static_cast<double>(runs == 0 ? 1 : runs);
    fmt::print(
        "{} seeds, {} failed; {:.1f} s, {:.0f} seeds/s, {:.0f} events/s; a seed has on average "
        "{:.0f} events, {:.0f} turns, {:.1f} answers, {:.1f} faults\n",
        runs + failures, failures, seconds, static_cast<double>(runs) / seconds,
        static_cast<double>(events) / seconds, static_cast<double>(events) / number,
        static_cast<double>(turns) / number, static_cast<double>(answers) / number,
        static_cast<double>(faults) / number);
}

struct Watched {
    pid_t process = -1;
    std::uint64_t seed = 0;
    Clock::time_point since;
};

}  // namespace

unsigned sweep(const SweepOptions& options) {
    Shared& shared = share();
    const Clock::time_point begin = Clock::now();
    std::vector<Watched> jobs(options.jobs);
    for (unsigned i = 0; i < options.jobs; ++i) {
        jobs[i] = {start(shared, i, options.first_seed + i, options), 0, begin};
    }
    unsigned failures = 0;
    for (unsigned running = options.jobs; running > 0;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const Clock::time_point now = Clock::now();
        if (options.minutes > 0 &&
            now - begin > std::chrono::duration<double, std::ratio<60>>(options.minutes)) {
            shared.stop = true;
        }
        for (unsigned i = 0; i < options.jobs; ++i) {
            Watched& watched = jobs[i];
            if (watched.process < 0) {
                continue;
            }
            const std::uint64_t seed = shared.jobs[i].seed;
            if (seed != watched.seed) {
                watched.seed = seed;
                watched.since = now;
            } else if (now - watched.since > patience) {
                kill(watched.process, SIGKILL);
            }
            int status = 0;
            if (waitpid(watched.process, &status, WNOHANG) != watched.process) {
                continue;
            }
            watched.process = -1;
            if (status == 0) {
                --running;
                continue;
            }
            ++failures;
            const std::uint64_t failed = shared.jobs[i].seed;
            fmt::print(
                "seed {} failed: {}\n  replay: simulate{} --trace; make it smaller: "
                "simulate{} --shrink\n",
                failed, describe(status, shared.jobs[i].failure.data()),
                arguments_of(failed, options.cuts), arguments_of(failed, options.cuts));
            if (failures >= options.failures_max) {
                shared.stop = true;
            }
            watched = {start(shared, i, failed + options.jobs, options), 0, now};
        }
    }
    const std::chrono::duration<double> duration = Clock::now() - begin;
    print_summary(shared, options, failures, duration.count());
    munmap(&shared, sizeof(Shared));
    return failures;
}

// ---- one seed ----------------------------------------------------------------------------------

namespace {

// The message of a check of the server's own.
std::string checked(std::FILE* errors) {
    std::rewind(errors);
    std::array<char, 512> line{};
    while (std::fgets(line.data(), line.size(), errors) != nullptr) {
        std::string_view text(line.data());
        if (text.starts_with("enduring: bug: ")) {
            text.remove_prefix(15);
            return std::string(text.substr(0, text.find(" (")));
        }
    }
    return {};
}

}  // namespace

std::optional<std::string> failure_of(std::uint64_t seed, const Cuts& cuts) {
    Shared& shared = share();
    std::FILE* errors = std::tmpfile();
    if (errors == nullptr) {
        throw std::bad_alloc();
    }
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        dup2(fileno(errors), STDERR_FILENO);
        set_tracing(false);
        alarm(60);
        SweepOptions options;
        options.last_seed = seed;
        options.cuts = cuts;
        work(shared, 0, seed, options);
    }
    int status = 0;
    waitpid(child, &status, 0);
    std::optional<std::string> failure;
    if (status != 0) {
        failure = checked(errors);
        if (failure->empty()) {
            failure = describe(status, shared.jobs[0].failure.data());
        }
    }
    std::fclose(errors);
    munmap(&shared, sizeof(Shared));
    return failure;
}

Cuts shrink(std::uint64_t seed, const Cuts& cuts) {
    Cuts best = cuts;
    const std::optional<std::string> failure = failure_of(seed, cuts);
    const auto try_to = [&](auto&& change) {
        Cuts next = best;
        change(next);
        if (failure_of(seed, next) == failure) {
            best = next;
            return true;
        }
        return false;
    };
    for (bool smaller = failure.has_value(); smaller;) {
        smaller = false;
        for (unsigned client = 0; client < Plan::clients_most; ++client) {
            const std::uint64_t bit = 1ULL << client;
            smaller =
                ((best.clients & bit) == 0 && try_to([&](Cuts& next) { next.clients |= bit; })) ||
                smaller;
        }
        for (unsigned fault = 0; fault < fault_count; ++fault) {
            const FaultSet bit = bit_of(static_cast<Fault>(fault));
            smaller = ((best.faults & bit) == 0 && Faults(seed, 0).on(static_cast<Fault>(fault)) &&
                       try_to([&](Cuts& next) { next.faults |= bit; })) ||
                      smaller;
        }
        for (std::uint32_t requests = 0; requests < std::min(best.requests_max, 14U); ++requests) {
            if (try_to([&](Cuts& next) { next.requests_max = requests; })) {
                smaller = true;
                break;
            }
        }
    }
    return best;
}

std::string arguments_of(std::uint64_t seed, const Cuts& cuts) {
    std::string text = fmt::format(" --seed {}", seed);
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
        text += fmt::format(" --requests {}", cuts.requests_max);
    }
    return text;
}

}  // namespace enduring::simulation
