#include "http/server.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <random>
#include <utility>

#include "core/balance.hpp"
#include "core/format.hpp"
#include "core/limits.hpp"
#include "core/listener.hpp"
#include "core/messenger.hpp"
#include "core/peer_counts.hpp"
#include "core/worker.hpp"
#include "http/access_log.hpp"
#include "http/access_recorder.hpp"
#include "http/admin.hpp"
#include "http/service.hpp"
#include "http/thread_mailbox.hpp"

namespace enduring::http {

namespace {

using Worker = core::Worker<Service>;

// Descriptors for rings, listeners and standard streams, whatever else there is.
constexpr std::uint64_t spare_descriptors_min = 64;
// What the automatic limit of connections never exceeds, whatever the limit of descriptors is.
constexpr std::uint64_t usual_connections_max = 1'000'000;

std::int64_t wall_clock_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::uint64_t monotonic_us() {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(
        duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}

std::uint64_t random_seed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

core::Result<unsigned> decide_workers(const Options& options, std::vector<std::string>& report) {
    if (options.workers != 0) {
        report.push_back(core::formatted("workers: {}, as asked", options.workers));
        return options.workers;
    }
    const core::Processors processors = core::find_processors();
    const unsigned workers = processors.workers();
    report.push_back(
        processors.quota
            ? core::formatted("workers: {} (processors {}, control group's quota {:.2f})", workers,
                              processors.affine, *processors.quota)
            : core::formatted("workers: {} (processors {})", workers, processors.affine));
    return workers;
}

// A connection needs one descriptor, and a second one while it is sent a large file. Unless the
// user says how many connections there may be, an eighth of the limit is left for files.
core::Result<std::uint32_t> decide_connections(const Options& options,
                                               std::vector<std::string>& report) {
    const std::uint64_t descriptors = core::raise_descriptor_limit();
    if (descriptors < spare_descriptors_min * 2) {
        return core::fail(core::formatted("the limit of {} open files is too low", descriptors),
                          "raise it to 1024 or more (ulimit -n, LimitNOFILE=, --ulimit nofile=)");
    }
    const std::uint64_t possible =
        std::min<std::uint64_t>(descriptors - spare_descriptors_min, core::slot_limit);
    const std::uint64_t usual =
        std::min({possible, descriptors - descriptors / 8, usual_connections_max});
    if (options.connections_max > possible) {
        return core::fail(
            core::formatted(
                "--max-connections {} needs more than the {} open files that this process "
                "may have",
                options.connections_max, descriptors),
            core::formatted(
                "raise the limit (ulimit -n, LimitNOFILE=, --ulimit nofile=) or ask for at "
                "most {}",
                possible));
    }
    const auto connections =
        options.connections_max != 0 ? options.connections_max : static_cast<std::uint32_t>(usual);
    report.push_back(
        core::formatted("connections: at most {} (open files: {})", connections, descriptors));
    return connections;
}

}  // namespace

struct Server::Parts {
    Options options;
    std::vector<core::Listener> listeners;
    std::unique_ptr<core::Balance> balance;
    std::unique_ptr<core::Messenger> messenger;
    std::unique_ptr<core::PeerCounts> peers;
    std::unique_ptr<AccessLog> access_log;  // the workers' services refer to it
    std::vector<std::unique_ptr<Worker>> workers;
    Router router;  // its handlers may hold responders, which refer to the workers
    std::atomic<bool> ready = false;
    std::unique_ptr<Server> admin;  // refers to this server, so it ends before
    bool started = false;
    bool waited = false;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

core::Result<std::unique_ptr<Server>> Server::create(const Options& options, Router router) {
    try {
        return build(options, std::move(router));
    } catch (const std::bad_alloc&) {
        return core::fail("there is not enough memory for this server",
                          "raise the limit, or give fewer --recv-buffers or --max-connections");
    }
}

core::Result<std::unique_ptr<Server>> Server::build(const Options& options, Router router) {
    std::unique_ptr<Server> server(new Server(std::make_unique<Parts>()));
    Parts& parts = *server->parts_;
    std::vector<std::string>& report = server->report_;
    parts.options = options;
    parts.router = std::move(router);
    if (options.http.head.target_bytes_max > options.http.head.head_bytes_max) {
        return core::fail("--max-target is larger than --max-head, which contains it",
                          "raise --max-head or lower --max-target");
    }
    // One turn can bring as much as the buffers hold, before a receive is cancelled.
    parts.options.http.held_bytes_limit =
        std::max(options.http.held_bytes_limit,
                 2 * std::uint64_t{options.receive_buffers} * options.receive_buffer_bytes);
    parts.options.http.keepalive_timeout_s =
        static_cast<std::uint32_t>(options.times.keepalive_timeout_ms / 1000);
    const auto workers = decide_workers(options, report);
    if (!workers) {
        return std::unexpected(workers.error());
    }
    const auto connections = decide_connections(options, report);
    if (!connections) {
        return std::unexpected(connections.error());
    }
    core::WorkerOptions worker_options;
    worker_options.ring.entries = options.ring_entries;
    // A burst of accepts must find room for its completions.
    worker_options.ring.completion_entries = std::max(options.ring_entries * 4, 16384U);
    worker_options.receive_buffers = options.receive_buffers;
    worker_options.receive_buffer_bytes = options.receive_buffer_bytes;
    worker_options.pin = options.pin;
    std::vector<int> rings;
    for (unsigned i = 0; i < *workers; ++i) {
        auto worker = Worker::create(worker_options);
        if (!worker) {
            return std::unexpected(worker.error());
        }
        rings.push_back((*worker)->ring_descriptor());
        parts.workers.push_back(std::move(*worker));
    }
    auto messenger = core::Messenger::open();
    if (!messenger) {
        return std::unexpected(messenger.error());
    }
    parts.messenger = std::move(*messenger);
    report.push_back(core::formatted("io_uring: {}", parts.workers.front()->features()));
    report.push_back(core::formatted("receive buffers: {} of {} bytes for each worker",
                                     options.receive_buffers, options.receive_buffer_bytes));
    if (!options.access_log.empty()) {
        auto log = AccessLog::open(options.access_log, *workers);
        if (!log) {
            return std::unexpected(log.error());
        }
        parts.access_log = std::move(*log);
    }
    std::vector<core::Address> addresses = options.listen;
    if (addresses.empty()) {
        addresses.push_back(core::Address{.kind = core::Address::Kind::any, .port = 8080});
    }
    for (const core::Address& address : addresses) {
        auto listener = core::Listener::open(address, *workers, static_cast<int>(options.backlog));
        if (!listener) {
            return std::unexpected(listener.error());
        }
        parts.listeners.push_back(std::move(*listener));
    }
    if (options.admin) {
        auto admin = create(admin_options(*options.admin), admin_routes(*server));
        if (!admin) {
            return std::unexpected(admin.error());
        }
        parts.admin = std::move(*admin);
    }
    if (options.connections_per_ip_max != 0) {
        if (!core::can_tell_peers()) {
            return core::fail(
                "--max-connections-per-ip needs the system call getpeername, which is blocked",
                "allow it in the container's seccomp profile (scripts/deploy/seccomp.json does)");
        }
        parts.peers = std::make_unique<core::PeerCounts>(
            *connections, options.connections_per_ip_max, random_seed());
    }
    parts.balance = std::make_unique<core::Balance>(*workers);
    for (unsigned i = 0; i < *workers; ++i) {
        core::LoopOptions loop_options;
        const std::uint32_t share = *connections / *workers + (i < *connections % *workers ? 1 : 0);
        loop_options.connections_max = std::max(1U, share);
        loop_options.times = options.times;
        loop_options.peers = parts.peers.get();
        loop_options.drain_delay_ms = options.drain_delay_ms;
        loop_options.drain_timeout_ms = options.drain_timeout_ms;
        loop_options.neighbours = {i, parts.balance.get(), *connections, rings};
        auto service = std::make_unique<Service>(
            parts.router, parts.options.http, wall_clock_ms,
            std::make_shared<ThreadMailbox>([messenger = parts.messenger.get(), ring = rings[i]] {
                return messenger->post(ring, core::Token{core::Operation::command, 0, 0},
                                       static_cast<std::int32_t>(core::Command::run));
            }));
        if (parts.access_log != nullptr) {
            service->record_with(std::make_unique<AccessRecorder>(
                options.access_log_format, parts.access_log->channel(i),
                AccessRecorder::Clocks{wall_clock_ms, monotonic_us}));
        }
        parts.workers[i]->prepare(std::move(service), std::move(loop_options));
    }
    return server;
}

Server::~Server() {
    if (parts_->started && !parts_->waited) {
        drain();
        wait();
    }
}

core::Result<void> Server::start_worker(unsigned number) {
    Worker& worker = *parts_->workers[number];
    core::Result<void> started;
    try {
        for (const core::Listener& listener : parts_->listeners) {
            for (const int descriptor : listener.descriptors(number)) {
                worker.loop().add_listener(descriptor, parts_->options.backlog);
            }
        }
        started = worker.start();
    } catch (const std::bad_alloc&) {
        started = core::fail("there is not enough memory to start a worker", "raise the limit");
    }
    if (started) {
        // The loop will close them.
        for (core::Listener& listener : parts_->listeners) {
            listener.release(number);
        }
    }
    return started;
}

core::Result<void> Server::start() {
    parts_->started = true;
    core::Result<void> result;
    if (parts_->access_log != nullptr) {
        result = parts_->access_log->start();
    }
    for (unsigned i = 0; i < parts_->workers.size(); ++i) {
        if (result) {
            result = start_worker(i);
        }
        if (!result) {
            // The others must not wait for it when they end.
            parts_->balance->stop_accepting();
        }
    }
    // Last, since it asks the workers, which must have their rings then.
    if (result && parts_->admin != nullptr) {
        result = parts_->admin->start();
    }
    parts_->ready = result.has_value();
    return result;
}

void Server::drain() {
    parts_->ready = false;
    for (const auto& worker : parts_->workers) {
        if (worker->started()) {
            parts_->messenger->post(worker->ring_descriptor(),
                                    core::Token{core::Operation::command, 0, 0},
                                    static_cast<std::int32_t>(core::Command::drain));
        }
    }
}

Server::Outcome Server::wait() {
    Outcome outcome;
    for (const auto& worker : parts_->workers) {
        worker->join();
    }
    for (const auto& worker : parts_->workers) {
        outcome.aborted += worker->loop().cut();
        outcome.counters += worker->loop().counters();
        outcome.buffers_lent += worker->buffers().lent();
        outcome.inputs_lent += worker->protocol().inputs().lent();
        outcome.output_bytes += worker->loop().blocks().output_bytes();
        outcome.chunks_lent += worker->loop().chunks_lent();
    }
    if (parts_->admin != nullptr) {
        parts_->admin->drain();
        parts_->admin->wait();
    }
    if (parts_->access_log != nullptr) {
        parts_->access_log->stop();
        outcome.log_lines_dropped = parts_->access_log->dropped();
    }
    parts_->waited = true;
    return outcome;
}

bool Server::ended() const noexcept {
    return std::ranges::all_of(parts_->workers, [](const auto& worker) { return worker->ended(); });
}

core::Counters Server::counters() const {
    core::Counters sum;
    for (const auto& worker : parts_->workers) {
        sum += worker->loop().counters();
    }
    return sum;
}

std::vector<core::Counters> Server::counters_of_workers() const {
    std::vector<core::Counters> counters;
    counters.reserve(parts_->workers.size());
    for (const auto& worker : parts_->workers) {
        counters.push_back(worker->loop().counters());
    }
    return counters;
}

std::vector<ExchangeCounts> Server::exchanges_of_workers() const {
    std::vector<ExchangeCounts> exchanges;
    exchanges.reserve(parts_->workers.size());
    for (const auto& worker : parts_->workers) {
        exchanges.push_back(worker->protocol().exchanges());
    }
    return exchanges;
}

std::uint64_t Server::handlers_threw() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : parts_->workers) {
        sum += worker->protocol().handlers_threw();
    }
    return sum;
}

unsigned Server::workers() const noexcept { return static_cast<unsigned>(parts_->workers.size()); }

void Server::survey(unsigned worker, std::size_t rows, SurveyReply reply) const {
    Worker* const asked = parts_->workers[worker].get();
    asked->protocol().mailbox()->post([asked, worker, rows, reply = std::move(reply)]() mutable {
        WorkerSurvey survey{
            .receive_buffers_lent = asked->buffers().lent(),
            .input_buffers_lent = asked->protocol().inputs().lent(),
            .output_bytes = asked->loop().blocks().output_bytes(),
            .file_chunks_lent = asked->loop().chunks_lent(),
            .completion_overflows = asked->overflows(),
        };
        survey_connections(asked->loop(), worker, rows, survey);
        reply.send(std::move(survey));
    });
}

bool Server::ready() const noexcept { return parts_->ready; }

void Server::reopen_log() noexcept {
    if (parts_->access_log != nullptr) {
        parts_->access_log->reopen();
    }
}

std::optional<Server::LogCounts> Server::log_counts() const {
    return parts_->access_log == nullptr ? std::nullopt
                                         : std::optional(LogCounts{parts_->access_log->written(),
                                                                   parts_->access_log->dropped()});
}

std::optional<core::Address> Server::admin_address() const {
    return parts_->admin == nullptr
               ? std::nullopt
               : std::optional<core::Address>(parts_->admin->addresses().front());
}

std::vector<core::Address> Server::addresses() const {
    std::vector<core::Address> addresses;
    for (const core::Listener& listener : parts_->listeners) {
        addresses.push_back(listener.address());
    }
    return addresses;
}

std::vector<std::uint32_t> Server::connections() const {
    std::vector<std::uint32_t> counts;
    counts.reserve(parts_->balance->workers());
    for (unsigned i = 0; i < parts_->balance->workers(); ++i) {
        counts.push_back(parts_->balance->count(i));
    }
    return counts;
}

}  // namespace enduring::http
