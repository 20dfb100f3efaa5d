#include "simulation/sweep.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <thread>
#include <vector>

#include "core/format.hpp"
#include "simulation/faults.hpp"
#include "simulation/report.hpp"

namespace enduring::simulation {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(120);  // for one seed

// What a job tells its parent, in memory that they share.
struct Job {
    std::atomic<bool> done;  // all its runs have passed
    std::atomic<std::uint64_t> seed;
    std::atomic<std::uint64_t> runs;
    std::atomic<std::uint64_t> events;
    std::atomic<std::uint64_t> turns;
    std::atomic<std::uint64_t> answers;
    std::atomic<std::uint64_t> faults;
    std::atomic<std::uint64_t> virtual_ms;
    FailureText failure;
};

struct Shared {
    std::atomic<bool> stop;
    std::array<Job, jobs_max> jobs;
};

struct Unmap {
    void operator()(Shared* shared) const noexcept { munmap(shared, sizeof(Shared)); }
};

std::unique_ptr<Shared, Unmap> share() {
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    return std::unique_ptr<Shared, Unmap>(::new (memory) Shared());
}

// Where a job prints its errors, if nobody is to see them otherwise.
class Errors {
  public:
    explicit Errors(bool hidden) : file_(hidden ? std::tmpfile() : nullptr) {
        if (hidden && file_ == nullptr) {
            throw std::bad_alloc();
        }
    }
    /// In the job.
    void begin() const {
        if (file_ != nullptr) {
            dup2(fileno(file_.get()), STDERR_FILENO);
        }
    }
    /// What has been printed since the last time: its end, if it is long. Not while a job prints.
    [[nodiscard]] std::string take() const {
        constexpr off_t size_max = 8'000;
        std::string text;
        if (file_ != nullptr) {
            const int file = fileno(file_.get());
            const off_t size = std::max<off_t>(lseek(file, 0, SEEK_END), 0);
            text.resize(static_cast<std::size_t>(std::min(size, size_max)));
            const ssize_t count =
                pread(file, text.data(), text.size(), size - static_cast<off_t>(text.size()));
            text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
            // The next job begins at the beginning.
            static_cast<void>(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
        }
        return text;
    }

  private:
    struct Close {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, Close> file_;
};

[[noreturn]] void work(const MakeWorkload& make_workload, Shared& shared, unsigned number,
                       std::uint64_t seed, const SweepOptions& options, const OnPlan& on_plan) {
    Job& job = shared.jobs[number];
    set_failure_text(&job.failure);
    for (; seed <= options.last_seed && !shared.stop; seed += options.jobs) {
        job.seed = seed;
        const Summary summary = run(make_workload, seed, options.cuts, on_plan);
        ++job.runs;
        job.events += summary.events;
        job.turns += summary.turns;
        job.answers += summary.answers;
        job.faults += summary.faults;
        job.virtual_ms += summary.virtual_ms;
    }
    std::fflush(stdout);
    job.done = true;
    std::_Exit(0);
}

pid_t start(const MakeWorkload& make_workload, Shared& shared, unsigned number, std::uint64_t seed,
            const SweepOptions& options, const Errors& errors) {
    std::fflush(nullptr);
    shared.jobs[number].failure = {};
    const pid_t child = fork();
    if (child == 0) {
        errors.begin();
        set_tracing(false);
        work(make_workload, shared, number, seed, options, {});
    }
    if (child < 0) {
        throw std::bad_alloc();
    }
    return child;
}

// The message of a check of the server's own, in what was printed.
std::string_view checked(std::string_view printed) {
    constexpr std::string_view mark = "enduring: bug: ";
    const std::size_t begin = printed.find(mark);
    return begin == std::string_view::npos
               ? std::string_view()
               : printed.substr(begin + mark.size(),
                                printed.find(" (", begin) - begin - mark.size());
}

SeedFailure describe(int status, const FailureText& text, const std::string& printed) {
    if (text.kind[0] != '\0') {
        return {text.kind.data(), text.details.data()};
    }
    std::string kind(checked(printed));
    if (kind.empty()) {
        kind = WIFSIGNALED(status) ? core::formatted("signal {}", WTERMSIG(status))
                                   : core::formatted("exit status {}", WEXITSTATUS(status));
    }
    return {kind, printed.empty() ? "" : "it printed\n" + printed};
}

Totals add_up(const Shared& shared, unsigned jobs) {
    Totals totals;
    for (unsigned i = 0; i < jobs; ++i) {
        totals.runs += shared.jobs[i].runs;
        totals.events += shared.jobs[i].events;
        totals.turns += shared.jobs[i].turns;
        totals.answers += shared.jobs[i].answers;
        totals.faults += shared.jobs[i].faults;
        totals.virtual_ms += shared.jobs[i].virtual_ms;
    }
    return totals;
}

struct Watched {
    Errors errors;
    pid_t process = -1;
    std::uint64_t seed = 0;
    Clock::time_point since;
};

}  // namespace

Totals sweep(const MakeWorkload& make_workload, const SweepOptions& options,
             const OnFailure& on_failure) {
    const std::unique_ptr<Shared, Unmap> memory = share();
    Shared& shared = *memory;
    const Clock::time_point begin = Clock::now();
    std::vector<Watched> jobs;
    jobs.reserve(options.jobs);
    for (unsigned i = 0; i < options.jobs; ++i) {
        Watched& watched = jobs.emplace_back(Errors(options.hides_errors), -1, 0, begin);
        watched.process =
            start(make_workload, shared, i, options.first_seed + i, options, watched.errors);
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
            if (waitpid(watched.process, &status, WNOHANG) == 0) {
                continue;
            }
            watched.process = -1;
            // A handler may have ended the process, whatever its status.
            if (shared.jobs[i].done) {
                --running;
                continue;
            }
            ++failures;
            const std::uint64_t failed = shared.jobs[i].seed;
            on_failure(failed, describe(status, shared.jobs[i].failure, watched.errors.take()));
            if (failures >= options.failures_max) {
                shared.stop = true;
            }
            watched.process =
                start(make_workload, shared, i, failed + options.jobs, options, watched.errors);
            watched.since = now;
        }
    }
    return add_up(shared, options.jobs);
}

// ---- one seed ----------------------------------------------------------------------------------

std::optional<SeedFailure> failure_of(const MakeWorkload& make_workload, std::uint64_t seed,
                                      const Cuts& cuts, const OnPlan& trace) {
    const std::unique_ptr<Shared, Unmap> shared = share();
    const Errors errors(true);
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        errors.begin();
        set_tracing(trace != nullptr);
        std::signal(SIGALRM, SIG_DFL);
        sigset_t alarms;
        sigemptyset(&alarms);
        sigaddset(&alarms, SIGALRM);
        sigprocmask(SIG_UNBLOCK, &alarms, nullptr);
        alarm(120);
        SweepOptions options;
        options.last_seed = seed;
        options.cuts = cuts;
        work(make_workload, *shared, 0, seed, options, trace);
    }
    if (child < 0) {
        throw std::bad_alloc();
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return shared->jobs[0].done
               ? std::nullopt
               : std::optional(describe(status, shared->jobs[0].failure, errors.take()));
}

Cuts shrink(const MakeWorkload& make_workload, std::uint64_t seed, const Cuts& cuts) {
    Cuts best = cuts;
    const std::optional<SeedFailure> failure = failure_of(make_workload, seed, cuts);
    const auto try_to = [&](auto&& change) {
        Cuts next = best;
        change(next);
        const std::optional<SeedFailure> other = failure_of(make_workload, seed, next);
        if (other && other->kind == failure->kind) {
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

}  // namespace enduring::simulation
