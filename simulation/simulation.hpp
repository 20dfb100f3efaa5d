// Runs a router on a simulated kernel, against simulated clients, with faults drawn from a seed,
// and says whether each client got what it must get: for tests. The loop, the sessions and all
// above them are those of the server; the kernel, the network and the time are not.
//
// One seed is one run, the same each time. It chooses limits and time-outs, how many clients come,
// how each behaves (pipelining, sending or reading slowly and in pieces, closing its side, falling
// silent, resetting), and what goes wrong how often: short receives and sends, multishot operations
// that end, no receive buffers, no descriptors, failing and late operations, queues that overflow,
// a process that is stopped for seconds, files that cannot be read, a server that is told to stop.
//
// A run fails if a client gets a wrong answer, a cut one, or none, and nothing that it did or that
// befell it is a good reason; if the server or the simulated kernel finds a bug; and if anything is
// not given back at the end: buffers, connections, descriptors, coroutines, responders.
//
// Time is virtual: hours pass at once. It passes for all that the worker knows of, which are
// http::Timers, sleep_for() and the server's time-outs. For clocks that handlers read themselves,
// and for what blocks, it does not. What other threads do cannot be simulated: a run in which one
// of them answers fails. Let such work be done by something that tests can replace, by a timer for
// instance. Handlers are not told where a client comes from, as if the system did not know.
//
// A response that has no end of its own goes on until the server is told to stop, after a day at
// the latest: see ResponseStream::should_end(). But some runs have fewer places than clients, and
// there who waits for hours behind such responses is a failure: let them end after some minutes.
//
// Files are real ones, which http::StaticFiles may serve.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/lifecycle.hpp"
#include "http/limits.hpp"
#include "http/router.hpp"
#include "http/status.hpp"
#include "http/testing.hpp"
#include "simulation/fault.hpp"
#include "simulation/random.hpp"

namespace enduring::simulation {

/// What a client sends, and what it must get for it. What the server answers by itself needs no
/// mention where it is right: 408 to who sends too slowly, 413 to a content that is larger than the
/// run's limit, 429 and 503 where limits say so, 400 to half a request. Nor does the end of a
/// connection, where there is a reason.
struct Request {
    /// All of it as it is sent, head and content. See request(), get() and post().
    std::string bytes{};
    /// One of these must be the response's status.
    std::vector<http::Status> statuses{http::Status::ok};
    /// This must be its content, without the transfer coding; not looked at if the request is HEAD.
    /// Nothing: any.
    std::optional<std::string> content{};
    /// Further looks at the response: gives what is wrong with it, or nothing.
    std::function<std::string(const http::test::Response& response)> check{};
    /// The handler answers within this time, from when it is called: then the 503 of the handler's
    /// time-out is right only in runs where that is shorter. Nothing: it may take any time, and
    /// that 503 is right wherever the time-out is over. In either case an answer must come in an
    /// hour at the latest, since some runs have no time-out.
    std::optional<std::chrono::milliseconds> within{};
    /// The handler may break its response off, by dropping its ResponseStream.
    bool may_be_cut = false;

    /// Set what it must get: request(...).gives("Hello").
    Request&& gives(std::string expected_content) &&;
    Request&& gives(http::Status status) &&;
    Request&& gives(http::Status status, std::string expected_content) &&;
};

/// The bytes of a request, as http::test::Client would send them: with Host, and Content-Length
/// where it is needed.
[[nodiscard]] Request request(const http::test::Request& request);
[[nodiscard]] Request get(std::string_view target);
[[nodiscard]] Request post(std::string_view target, std::string_view content);

/// What is simulated. Both functions are called in the process of the run, see check().
struct Scenario {
    /// Makes what is served, with all that its handlers share: anew for each run, so that no run
    /// depends on those before it. Destroyed when the server has ended.
    std::function<http::Router()> router{};
    /// Makes the requests of one client, in the order in which it sends them. It may draw from the
    /// random numbers, but from nothing else that changes.
    std::function<std::vector<Request>(Random& random)> requests{};
};

/// What may be set for runs.
struct Options {
    /// Changes times and limits that the seed has drawn; called once for each run. What a client
    /// then gets is judged by them, but for three: runs in which buffered_bytes_max or
    /// coroutine_bytes_max is used up, or write_timeout_ms is less than a second, may fail though
    /// nothing is wrong. A least rate of writing is lowered where a fault makes sending slow.
    std::function<void(core::TimeLimits& times, http::Limits& limits)> adjust{};
    /// Faults that do not happen.
    std::vector<Fault> without{};
    /// Clients that do not come: numbers from 0 to 9, of which a run has at least the first two.
    std::vector<std::uint32_t> without_clients{};
    /// Of the requests of each client only the first so many are sent.
    std::uint32_t requests_max = ~0U;
    /// Handlers may keep responders and response streams whose clients have gone until the router
    /// is destroyed. If not, one that is kept until then is a failure.
    bool may_keep_responders = false;
    /// Handlers, and functions that are called later for them, may end with exceptions.
    bool may_throw = false;
    /// Processes; 0: as many as there are processors.
    unsigned jobs = 0;
    /// No further seed is begun after so many failures.
    unsigned failures_max = 1;
};

/// A run that has failed.
struct Failure {
    std::uint64_t seed = 0;
    /// What was wrong; with what the process printed to standard error, if it was ended by a
    /// signal.
    std::string what{};
};

/// What all runs were together.
struct Result {
    std::vector<Failure> failures{};   ///< in the order in which they were found
    std::uint64_t runs = 0;            ///< that passed
    std::uint64_t answers = 0;         ///< responses that clients got
    std::uint64_t faults = 0;          ///< what went wrong on purpose
    std::uint64_t events = 0;          ///< completions, and what happened besides
    std::uint64_t turns = 0;           ///< of the servers' loops
    std::chrono::milliseconds time{};  ///< virtual

    [[nodiscard]] bool passed() const noexcept { return failures.empty(); }
    /// A line for each failure, and one that counts.
    [[nodiscard]] std::string text() const;
};

/// Runs all seeds from the first to the last, which is not less. Runs are made in processes that
/// are forked from this one, many in each: a bug that ends the process (an abort, or a sanitizer's
/// finding where it is told to end it: -fno-sanitize-recover, halt_on_error=1), or a run that does
/// not end within two minutes of real time, is a failure of its seed, and not the end of the test.
/// So threads of the caller are not there in a run, what a run changes in memory is not
/// seen here, and what it prints to standard error is shown only with a failure. Call it while no
/// other thread of the process holds a lock that handlers need. Throws std::bad_alloc if the system
/// has no memory or no process for it.
[[nodiscard]] Result check(const Scenario& scenario, std::uint64_t first_seed,
                           std::uint64_t last_seed, const Options& options = {});

/// Runs one seed, and prints to standard output what happens in it: settings, clients, operations
/// of the kernel, stops, answers. In a process of its own, like check(). Gives what was wrong, or
/// nothing.
std::optional<std::string> trace(const Scenario& scenario, std::uint64_t seed,
                                 const Options& options = {});

/// For a seed that fails: options with which it still fails in the same way, but with fewer faults,
/// clients and requests; for trace(). Takes up to some hundred runs.
[[nodiscard]] Options shrink(const Scenario& scenario, std::uint64_t seed,
                             const Options& options = {});

}  // namespace enduring::simulation
