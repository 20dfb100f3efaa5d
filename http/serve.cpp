#include "http/serve.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.hpp"
#include "http/access_log.hpp"
#include "http/log_level.hpp"
#include "http/server.hpp"
#include "http/trouble.hpp"
#include "http/units.hpp"

namespace enduring::http {

namespace {

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

// What the server says of itself. What is usual goes to standard output, unless that is the access
// log, and trouble to standard error. If nobody reads there, it stays unsaid, since a server that
// waits for that would not stop either.
class Voice {
  public:
    explicit Voice(const Options& options)
        : level_(options.log_level),
          usual_(AccessLog::is_standard_output(options.access_log) ? STDERR_FILENO
                                                                   : STDOUT_FILENO) {}

    [[nodiscard]] LogLevel level() const noexcept { return level_; }

    template <class... Values>
    void say(fmt::format_string<Values...> what, Values&&... values) const {
        if (level_ >= LogLevel::info) {
            write(usual_, core::formatted(what, std::forward<Values>(values)...));
        }
    }
    void say(const std::vector<Trouble::Message>& messages) const {
        for (const Trouble::Message& message : messages) {
            if (!write(STDERR_FILENO,
                       core::formatted("{}: {}", name_of(message.level), message.text))) {
                return;
            }
        }
    }

  private:
    static constexpr int patience_ms = 1'000;

    // False: nobody reads.
    static bool write(int descriptor, std::string_view what) {
        pollfd ready{descriptor, POLLOUT, 0};
        if (::poll(&ready, 1, patience_ms) == 0) {
            return false;  // if it cannot be told, nothing speaks against trying
        }
        const std::string text = core::formatted("enduring: {}\n", what);
        [[maybe_unused]] const ssize_t written = ::write(descriptor, text.data(), text.size());
        return true;
    }

    LogLevel level_;
    int usual_;
};

// The running server, as the thread sees it that waits for its end.
class Attendance {
  public:
    Attendance(Server& server, const Voice& voice, const sigset_t& signals)
        : server_(server), voice_(voice), signals_(signals) {}

    /// Until a signal says that the server is to end.
    void until_signal() {
        while (!next_signal(look_every)) {
            look();
        }
    }
    /// Until the drain has ended; a further signal cuts it short.
    Server::Outcome until_end() {
        while (!server_.ended()) {
            if (next_signal(drain_poll)) {
                server_.drain();
            }
            if (now_ms() >= look_ms_) {
                look();
            }
        }
        const Server::Outcome outcome = server_.wait();
        voice_.say(trouble_.look_last(counts(), voice_.level()));
        return outcome;
    }

  private:
    static constexpr std::uint64_t look_every_ms = 1'000;
    static constexpr timespec look_every{look_every_ms / 1'000, 0};
    static constexpr timespec drain_poll{0, 20'000'000};

    // Whether one came that ends the server.
    bool next_signal(const timespec& patience) {
        // Less than 0: none came, or a stop and continue interrupted it.
        const int signal = sigtimedwait(&signals_, nullptr, &patience);
        if (signal == SIGUSR1) {
            server_.reopen_log();
        }
        return signal > 0 && signal != SIGUSR1;
    }
    [[nodiscard]] Trouble::Counts counts() const {
        return {server_.counters(), server_.handlers_threw()};
    }
    void look() {
        look_ms_ = now_ms() + look_every_ms;
        voice_.say(trouble_.look(counts(), now_ms(), voice_.level()));
    }
    static std::uint64_t now_ms() {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                              std::chrono::steady_clock::now().time_since_epoch())
                                              .count());
    }

    Server& server_;
    const Voice& voice_;
    const sigset_t& signals_;
    Trouble trouble_;
    std::uint64_t look_ms_ = 0;  // when the next look is due
};

// Where the kernel gives huge pages without being asked, memory that is used here and there takes
// half as much again, which counts against a container's limit, and saves hardly any time.
void do_without_huge_pages() noexcept {
    ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // where that cannot be, it is as it was
}

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

}  // namespace

int serve(const Options& options, Router router) {
    const sigset_t signals = awaited_signals();
    sigset_t blocked = signals;
    sigaddset(&blocked, SIGPIPE);  // nobody reads any more what is said here
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    do_without_huge_pages();
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
    Attendance attendance(server, voice, signals);
    attendance.until_signal();
    voice.say("draining, for at most {}, after a delay of {}",
              format_duration(options.drain_timeout_ms), format_duration(options.drain_delay_ms));
    server.drain();
    const Server::Outcome outcome = attendance.until_end();
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
