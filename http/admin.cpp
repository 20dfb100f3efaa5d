#include "http/admin.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/gathering.hpp"
#include "http/metrics.hpp"
#include "http/server.hpp"
#include "http/survey.hpp"

namespace enduring::http {

namespace {

// How long the workers may take to tell of their connections.
constexpr std::chrono::seconds patience{1};
// Connections of each kind that are listed.
constexpr std::size_t rows_max = 20;

// Calls function(surveys, responder), once all workers have told, or when some have not in time.
template <class Function>
void with_surveys(const Server& server, std::size_t rows, Responder responder, Function function) {
    Timers& timers = responder.timers();
    const std::shared_ptr<Mailbox> mailbox = responder.mailbox();
    Gathering::begin(
        server.workers(), patience, timers, mailbox,
        [&server, rows](std::size_t worker, SurveyReply reply) {
            server.survey(static_cast<unsigned>(worker), rows, std::move(reply));
        },
        [function = std::move(function), responder = std::move(responder)](
            const Surveys& surveys) mutable { function(surveys, std::move(responder)); });
}

std::string all_metrics(const Server& server, const Surveys& surveys) {
    const std::vector<core::Counters> counters = server.counters_of_workers();
    const std::vector<ExchangeCounts> exchanges = server.exchanges_of_workers();
    std::vector<WorkerNumbers> numbers;
    numbers.reserve(surveys.size());
    for (std::size_t i = 0; i < surveys.size(); ++i) {
        numbers.push_back({counters[i], exchanges[i], surveys[i]});
    }
    std::string text = metrics_text(numbers);
    if (const auto log = server.log_counts()) {
        text += log_metrics_text(log->written, log->dropped);
    }
    return text;
}

}  // namespace

Options admin_options(const core::Address& address) {
    Options options;
    options.listen.push_back(address);
    if (address.kind == core::Address::Kind::any) {
        // Who gives only a port has not said that the world may see this.
        options.listen.back().kind = core::Address::Kind::host;
        options.listen.back().host = "127.0.0.1";
    }
    options.workers = 1;
    options.receive_buffers = 16;
    options.ring_entries = 64;
    options.connections_max = 16;
    // Who says nothing must not keep those away who ask.
    options.times.header_timeout_ms = 2'000;
    options.times.keepalive_timeout_ms = 15'000;
    options.drain_timeout_ms = 1'000;
    return options;
}

Router admin_routes(const Server& server) {
    Router router;
    router.get("/metrics", [&server](const Request&, Responder responder) {
        with_surveys(server, 0, std::move(responder),
                     [&server](const Surveys& surveys, Responder to) {
                         to.send(Status::ok, metrics_content_type, all_metrics(server, surveys));
                     });
    });
    router.get("/connections", [&server](const Request&, Responder responder) {
        with_surveys(
            server, rows_max, std::move(responder), [](const Surveys& surveys, Responder to) {
                to.send(Status::ok, "application/json", connections_json(surveys, rows_max));
            });
    });
    router.get("/healthz", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "ok\n");
    });
    // From the first moment of a drain, and of its delay, no new work is wanted.
    router.get("/readyz", [&server](const Request&, Responder responder) {
        const bool ready = server.ready();
        responder.send(ready ? Status::ok : Status::service_unavailable, "text/plain",
                       ready ? "ready\n" : "not ready\n");
    });
    return router;
}

}  // namespace enduring::http
