#include "http/serve.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "http/server.hpp"
#include "http/units.hpp"

namespace enduring::http {

namespace {

constexpr long drain_poll_ns = 20'000'000;

int report_failure(const core::Error& error) {
    fmt::print(stderr, "enduring: {}\n", error.what);
    if (!error.remedy.empty()) {
        fmt::print(stderr, "enduring: what to do: {}\n", error.remedy);
    }
    return 1;
}

std::string url_of(const core::Address& address) {
    switch (address.kind) {
        case core::Address::Kind::local:
            return address.text();
        case core::Address::Kind::any:
            return fmt::format("http://127.0.0.1:{}/ (and every other address of this machine)",
                               address.port);
        case core::Address::Kind::host:
            break;
    }
    return fmt::format("http://{}/", address.text());
}

void print_report(const Server& server) {
    for (const std::string& line : server.report()) {
        fmt::print("enduring: {}\n", line);
    }
}

sigset_t ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

// Waits for the drain to end; a further signal cuts it short.
Server::Outcome wait_for_end(Server& server, const sigset_t& signals) {
    const timespec pause{0, drain_poll_ns};
    while (!server.ended()) {
        if (sigtimedwait(&signals, nullptr, &pause) > 0) {
            server.drain();
        }
    }
    return server.wait();
}

}  // namespace

int serve(const Options& options, Router router) {
    const sigset_t signals = ending_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    auto created = Server::create(options, std::move(router));
    if (!created) {
        return report_failure(created.error());
    }
    Server& server = **created;
    print_report(server);
    if (auto started = server.start(); !started) {
        return report_failure(started.error());
    }
    for (const core::Address& address : server.addresses()) {
        fmt::print("enduring: serving {}\n", url_of(address));
    }
    if (const auto admin = server.admin_address()) {
        fmt::print("enduring: admin {}\n", url_of(*admin));
    }
    std::fflush(stdout);
    while (sigwaitinfo(&signals, nullptr) < 0) {
        // Interrupted by a stop and continue; nothing to do.
    }
    fmt::print("enduring: draining, for at most {}, after a delay of {}\n",
               format_duration(options.drain_timeout_ms), format_duration(options.drain_delay_ms));
    std::fflush(stdout);
    server.drain();
    const Server::Outcome outcome = wait_for_end(server, signals);
    fmt::print("enduring: stopped after {} connections; {} were cut at the end of the drain\n",
               static_cast<std::uint64_t>(outcome.counters.accepted), outcome.aborted);
    if (outcome.buffers_lent + outcome.inputs_lent + outcome.output_bytes + outcome.chunks_lent !=
        0) {
        fmt::print(
            stderr,
            "enduring: bug: not given back: {} receive buffers, {} input buffers, {} bytes of "
            "output, {} file chunks\n",
            outcome.buffers_lent, outcome.inputs_lent, outcome.output_bytes, outcome.chunks_lent);
        return 1;
    }
    if (outcome.counters.closed_total() != outcome.counters.accepted) {
        fmt::print(stderr, "enduring: bug: {} connections were accepted, {} were closed\n",
                   static_cast<std::uint64_t>(outcome.counters.accepted),
                   outcome.counters.closed_total());
        return 1;
    }
    return outcome.aborted == 0 ? 0 : 1;
}

int check(const Options& options, Router router) {
    auto created = Server::create(options, std::move(router));
    if (!created) {
        return report_failure(created.error());
    }
    print_report(**created);
    for (const core::Address& address : (*created)->addresses()) {
        fmt::print("enduring: would serve {}\n", url_of(address));
    }
    fmt::print("enduring: the configuration is good\n");
    return 0;
}

int run(const CommandLine& command_line, Router router) {
    return command_line.check_only() ? check(command_line.options(), std::move(router))
                                     : serve(command_line.options(), std::move(router));
}

}  // namespace enduring::http
