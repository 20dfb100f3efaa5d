#include "http/admin.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include "http/metrics.hpp"
#include "http/server.hpp"

namespace enduring::http {

namespace {

std::vector<WorkerNumbers> numbers_of(const Server& server) {
    const std::vector<core::Counters> counters = server.counters_of_workers();
    const std::vector<ExchangeCounts> exchanges = server.exchanges_of_workers();
    std::vector<WorkerNumbers> numbers;
    for (std::size_t i = 0; i < counters.size(); ++i) {
        numbers.push_back({counters[i], exchanges[i]});
    }
    return numbers;
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
        std::string text = metrics_text(numbers_of(server));
        if (const auto log = server.log_counts()) {
            text += log_metrics_text(log->written, log->dropped);
        }
        responder.send(Status::ok, metrics_content_type, text);
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
