#include "http/serve.hpp"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "core/format.hpp"
#include "http/access_log.hpp"
#include "http/server.hpp"
#include "http/units.hpp"

namespace enduring::http {

namespace {

constexpr long drain_poll_ns = 20'000'000;

int report_failure(const core::Error& error) {
    std::fputs(core::formatted("enduring: {}\n", error.what).c_str(), stderr);
    if (!error.remedy.empty()) {
        std::fputs(core::formatted("enduring: what to do: {}\n", error.remedy).c_str(), stderr);
    }
    return 1;
}

std::string url_of(const core::Address& address) {
    switch (address.kind) {
        case core::Address::Kind::local:
            return address.text();
        case core::Address::Kind::any:
            return core::formatted("http://127.0.0.1:{}/ (and every other address of this machine)",
                                   address.port);
        case core::Address::Kind::host:
            break;
    }
    return core::formatted("http://{}/", address.text());
}

// What the server says: to standard output, unless that is the access log. If nobody reads there,
// it stays unsaid, since a server that waits for that would not stop either.
class Voice {
  public:
    explicit Voice(const Options& options)
        : descriptor_(AccessLog::is_standard_output(options.access_log) ? STDERR_FILENO
                                                                        : STDOUT_FILENO) {}

    template <class... Values>
    void say(fmt::format_string<Values...> what, Values&&... values) const {
        pollfd ready{descriptor_, POLLOUT, 0};
        if (::poll(&ready, 1, patience_ms) == 0) {
            return;  // if it cannot be told, nothing speaks against trying
        }
        const std::string text =
            "enduring: " + core::formatted(what, std::forward<Values>(values)...) + "\n";
        [[maybe_unused]] const ssize_t written = ::write(descriptor_, text.data(), text.size());
    }

  private:
    static constexpr int patience_ms = 1'000;

    int descriptor_;
};

void say_report(const Voice& voice, const Server& server) {
    for (const std::string& line : server.report()) {
        voice.say("{}", line);
    }
}

// SIGUSR1: the access log's file was renamed. The others end the server.
sigset_t awaited_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    return signals;
}

// Until the server is to end.
void wait_for_signal(Server& server, const sigset_t& signals) {
    for (;;) {
        // Less than 0: interrupted by a stop and continue; nothing to do.
        const int signal = sigwaitinfo(&signals, nullptr);
        if (signal == SIGUSR1) {
            server.reopen_log();
        } else if (signal > 0) {
            return;
        }
    }
}

// Waits for the drain to end; a further signal cuts it short.
Server::Outcome wait_for_end(Server& server, const sigset_t& signals) {
    const timespec pause{0, drain_poll_ns};
    while (!server.ended()) {
        const int signal = sigtimedwait(&signals, nullptr, &pause);
        if (signal == SIGUSR1) {
            server.reopen_log();
        } else if (signal > 0) {
            server.drain();
        }
    }
    return server.wait();
}

}  // namespace

int serve(const Options& options, Router router) {
    const sigset_t signals = awaited_signals();
    sigset_t blocked = signals;
    sigaddset(&blocked, SIGPIPE);  // nobody reads any more what is said here
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    const Voice voice(options);
    auto created = Server::create(options, std::move(router));
    if (!created) {
        return report_failure(created.error());
    }
    Server& server = **created;
    say_report(voice, server);
    if (auto started = server.start(); !started) {
        return report_failure(started.error());
    }
    for (const core::Address& address : server.addresses()) {
        voice.say("serving {}", url_of(address));
    }
    if (const auto admin = server.admin_address()) {
        voice.say("admin {}", url_of(*admin));
    }
    wait_for_signal(server, signals);
    voice.say("draining, for at most {}, after a delay of {}",
              format_duration(options.drain_timeout_ms), format_duration(options.drain_delay_ms));
    server.drain();
    const Server::Outcome outcome = wait_for_end(server, signals);
    voice.say("stopped after {} connections; {} were cut at the end of the drain",
              static_cast<std::uint64_t>(outcome.counters.accepted), outcome.aborted);
    if (outcome.log_lines_dropped > 0) {
        voice.say("{} lines of the access log were dropped", outcome.log_lines_dropped);
    }
    if (outcome.buffers_lent + outcome.inputs_lent + outcome.output_bytes + outcome.chunks_lent !=
        0) {
        std::fputs(
            core::formatted(
                "enduring: bug: not given back: {} receive buffers, {} input buffers, {} bytes of "
                "output, {} file chunks\n",
                outcome.buffers_lent, outcome.inputs_lent, outcome.output_bytes,
                outcome.chunks_lent)
                .c_str(),
            stderr);
        return 1;
    }
    if (outcome.counters.closed_total() != outcome.counters.accepted) {
        std::fputs(core::formatted("enduring: bug: {} connections were accepted, {} were closed\n",
                                   static_cast<std::uint64_t>(outcome.counters.accepted),
                                   outcome.counters.closed_total())
                       .c_str(),
                   stderr);
        return 1;
    }
    return outcome.aborted == 0 ? 0 : 1;
}

int check(const Options& options, Router router) {
    auto created = Server::create(options, std::move(router));
    if (!created) {
        return report_failure(created.error());
    }
    const Voice voice(options);
    say_report(voice, **created);
    for (const core::Address& address : (*created)->addresses()) {
        voice.say("would serve {}", url_of(address));
    }
    voice.say("the configuration is good");
    return 0;
}

int run(const CommandLine& command_line, Router router) {
    return command_line.check_only() ? check(command_line.options(), std::move(router))
                                     : serve(command_line.options(), std::move(router));
}

}  // namespace enduring::http
