#include "http/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/format.hpp"
#include "core/token.hpp"
#include "http/command_words.hpp"
#include "http/probe.hpp"
#include "http/text.hpp"
#include "http/units.hpp"

namespace enduring::http {

namespace {

constexpr const char* listening = "Listening";
constexpr const char* workers_and_memory = "Workers and memory";
constexpr const char* lifecycle =
    "Connection lifecycle (durations: 500ms 10s 5m 1h; sizes: 512 16k 1m 2g; 0 is off)";
constexpr const char* limits = "Limits (sizes: 512 16k 1m 2g)";
constexpr int exit_usage = 2;
// Container engines have a patience of their own, which is seldom less.
constexpr std::chrono::seconds probe_patience{5};

std::string variable_of(std::string_view flag) {
    std::string name = "ENDURING_";
    for (const char c : flag) {
        name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return name;
}

std::optional<LogFormat> log_format_of(std::string_view text) {
    return text == "common"     ? std::optional(LogFormat::common)
           : text == "combined" ? std::optional(LogFormat::combined)
           : text == "json"     ? std::optional(LogFormat::json)
                                : std::nullopt;
}

[[noreturn]] void reject(const std::string& flag, const std::string& value,
                         const std::string& allowed) {
    throw CLI::ValidationError("--" + flag,
                               core::formatted("'{}' is not allowed: {}", value, allowed));
}

// A flag whose text is read by take(text); take gives false for what is not allowed.
template <class Take>
void add_text(CLI::App& app, const std::string& flag, const std::string& help, const char* group,
              const std::string& type, const std::string& shown_default, const std::string& allowed,
              const Take& take) {
    app.add_option_function<std::string>(
           "--" + flag,
           [flag, allowed, take](const std::string& text) {
               if (!take(text)) {
                   reject(flag, text, allowed);
               }
           },
           help)
        ->group(group)
        ->type_name(type)
        ->default_str(shown_default)
        ->envname(variable_of(flag))
        ->trigger_on_parse();
}

void add_duration(CLI::App& app, const std::string& flag, std::uint64_t& target_ms,
                  const std::string& help, bool may_be_off = true) {
    add_text(app, flag, help, lifecycle, "DURATION", format_duration(target_ms),
             may_be_off ? "a duration like 500ms, 10s, 5m or 1h, or 0 for off"
                        : "a duration like 500ms, 10s, 5m or 1h, or 0",
             [&target_ms](const std::string& text) {
                 const auto value = parse_duration_ms(text);
                 target_ms = value.value_or(target_ms);
                 return value.has_value();
             });
}

template <class Number>
void add_size(CLI::App& app, const std::string& flag, Number& target, std::uint64_t least,
              std::uint64_t most, const std::string& help, const char* group) {
    add_text(app, flag, help, group, "SIZE", format_size(target),
             core::formatted("a size from {} to {}, like 4096, 16k or 1m", format_size(least),
                             format_size(most)),
             [&target, least, most](const std::string& text) {
                 const auto value = parse_size(text);
                 if (!value || *value < least || *value > most) {
                     return false;
                 }
                 target = static_cast<Number>(*value);
                 return true;
             });
}

// word: a name for 0, or empty.
void add_number(CLI::App& app, const std::string& flag, std::uint32_t& target, std::uint32_t least,
                std::uint32_t most, const std::string& help, const char* group,
                const std::string& word = "", bool power_of_two = false) {
    std::string allowed = core::formatted(
        "{} from {} to {}", power_of_two ? "a power of two" : "a number", least, most);
    if (!word.empty()) {
        allowed += ", or " + word;
    }
    add_text(app, flag, help, group, word.empty() ? "NUMBER" : "NUMBER|" + word,
             target == 0 && !word.empty() ? word : std::to_string(target), allowed,
             [&target, least, most, word, power_of_two](const std::string& text) {
                 if (!word.empty() && text == word) {
                     target = 0;
                     return true;
                 }
                 std::uint32_t value = 0;
                 const char* const end = text.data() + text.size();
                 const auto result = std::from_chars(text.data(), end, value);
                 if (result.ec != std::errc() || result.ptr != end || value < least ||
                     value > most || (power_of_two && !std::has_single_bit(value))) {
                     return false;
                 }
                 target = value;
                 return true;
             });
}

void add_rate(CLI::App& app, const std::string& flag, std::uint64_t& target,
              const std::string& help) {
    add_size(app, flag, target, 0, std::uint64_t{1} << 40, help, lifecycle);
}

void add_flag(CLI::App& app, const std::string& flag, bool& target, const std::string& help,
              const char* group) {
    app.add_flag("--" + flag, target, help)->group(group)->envname(variable_of(flag));
}

}  // namespace

CommandLine::CommandLine(std::string_view program, std::string_view description, Options defaults)
    : app_(std::make_unique<CLI::App>(std::string(description), std::string(program))),
      options_(std::move(defaults)) {
    app_->get_formatter()->column_width(36);
    app_->set_version_flag("--version", core::formatted("{} {}", program, ENDURING_VERSION),
                           "Print the version and exit");
    app_->add_option("--config", config_path_,
                     "Read flags from a file: a line each, like keepalive-timeout=20s")
        ->type_name("FILE")
        ->envname("ENDURING_CONFIG");
    app_->add_flag("--check", check_only_,
                   "Validate the configuration and this machine, print the result and exit");
    app_->add_option("--probe", probe_url_,
                     "Ask a server that runs: exit 0 if it answers below 500, 1 if not. "
                     "http://HOST:PORT/TARGET or unix:PATH:/TARGET")
        ->type_name("URL");
    app_->footer(
        "Each flag is also an environment variable: --keepalive-timeout is "
        "ENDURING_KEEPALIVE_TIMEOUT.\nThe command line wins over the environment, the environment "
        "over the file.");
    add_server_flags();
    add_lifecycle_flags();
    add_limit_flags();
}

CommandLine::~CommandLine() = default;

void CommandLine::add_server_flags() {
    CLI::App& app = *app_;
    app.add_option_function<std::vector<std::string>>(
           "--listen",
           [this](const std::vector<std::string>& texts) {
               options_.listen.clear();
               for (const std::string& text : texts) {
                   auto address = core::parse_address(trim(text));
                   if (!address) {
                       throw CLI::ValidationError("--listen", address.error().text());
                   }
                   options_.listen.push_back(std::move(*address));
               }
           },
           "Where to listen: PORT, HOST:PORT, [IPV6]:PORT or unix:PATH; may be given several times")
        ->group(listening)
        ->type_name("ADDRESS")
        ->default_str("8080")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->delimiter(',')
        ->envname("ENDURING_LISTEN");
    app.add_option_function<std::string>(
           "--admin",
           [this](const std::string& text) {
               auto address = core::parse_address(text);
               if (!address) {
                   throw CLI::ValidationError("--admin", address.error().text());
               }
               options_.admin = std::move(*address);
           },
           "Where to answer /metrics, /connections, /healthz and /readyz: an address as for "
           "--listen, which others should not reach")
        ->group(listening)
        ->type_name("ADDRESS")
        ->envname("ENDURING_ADMIN")
        ->trigger_on_parse();
    app.add_option(
           "--access-log", options_.access_log,
           "Tell of each request: 'stdout', or the path of a file, which SIGUSR1 opens anew")
        ->group(listening)
        ->type_name("stdout|PATH")
        ->envname("ENDURING_ACCESS_LOG");
    add_text(app, "access-log-format", "How a line of it is written", listening,
             "common|combined|json", "combined", "common, combined or json",
             [this](const std::string& text) {
                 const auto format = log_format_of(text);
                 options_.access_log_format = format.value_or(options_.access_log_format);
                 return format.has_value();
             });
    add_text(app, "log-level", "How much the server says of itself", listening,
             "error|warning|info|debug", std::string(name_of(options_.log_level)),
             "error, warning, info or debug", [this](const std::string& text) {
                 const auto level = log_level_of(text);
                 options_.log_level = level.value_or(options_.log_level);
                 return level.has_value();
             });
    add_number(app, "backlog", options_.backlog, 1, 65535,
               "Connections that may wait to be accepted", listening);
    add_number(app, "workers", options_.workers, 1, 256,
               "Worker threads; auto: as many as the processors and the control group's quota keep "
               "busy",
               workers_and_memory, "auto");
    add_flag(app, "pin", options_.pin, "Bind each worker to a processor", workers_and_memory);
    add_number(app, "recv-buffers", options_.receive_buffers, 8, 32768,
               "Receive buffers of each worker", workers_and_memory, "", true);
    add_size(app, "recv-buffer-size", options_.receive_buffer_bytes, 256, 1 << 20,
             "Size of each receive buffer", workers_and_memory);
    add_number(app, "ring-entries", options_.ring_entries, 64, 32768,
               "Submission entries of each worker's ring", workers_and_memory, "", true);
}

// Each says what happens, and what nginx, HAProxy, Apache or Node call it.
void CommandLine::add_lifecycle_flags() {
    CLI::App& app = *app_;
    core::TimeLimits& times = options_.times;
    add_duration(
        app, "keepalive-timeout", times.keepalive_timeout_ms,
        "Idle time between requests, then a silent close (nginx keepalive_timeout, HAProxy "
        "timeout http-keep-alive, Node keepAliveTimeout)");
    add_number(app, "keepalive-requests", options_.http.requests_max, 0, 0xffffffff,
               "The N-th response of a connection says close; 0 is off (nginx keepalive_requests, "
               "Apache MaxKeepAliveRequests, Node maxRequestsPerSocket)",
               lifecycle);
    add_duration(app, "connection-max-age", times.connection_max_age_ms,
                 "The next response after it says close; spread by 10 % up and down (nginx "
                 "keepalive_time, HAProxy close-spread-time)");
    add_flag(app, "keepalive-header", options_.http.keepalive_field,
             "Say 'Keep-Alive: timeout=..., max=...' with what is left (Apache, Node)", lifecycle);
    add_duration(
        app, "header-timeout", times.header_timeout_ms,
        "From the first byte of a request's head (for the first one from the accept) to its "
        "end, then 408, or a silent close if no byte came (nginx client_header_timeout, "
        "HAProxy timeout http-request, Node headersTimeout)");
    add_duration(app, "body-timeout", times.body_timeout_ms,
                 "Longest gap between the bytes of a request's content, then 408 and close (nginx "
                 "client_body_timeout)");
    add_rate(app, "body-min-rate", times.body_bytes_per_s_min,
             "Least bytes a second of a request's content on average, from 5 s on, else 408 and "
             "close; 0 is off (Apache RequestReadTimeout MinRate)");
    add_duration(app, "handler-timeout", times.handler_timeout_ms,
                 "How long an answer may take, then 503 and close (HAProxy timeout server)");
    add_duration(
        app, "write-timeout", times.write_timeout_ms,
        "How long the peer may take no byte of a response, then reset (nginx send_timeout, "
        "HAProxy timeout client)");
    add_rate(
        app, "write-min-rate", times.write_bytes_per_s_min,
        "Least bytes a second that the peer takes on average, from 5 s on, else reset; 0 is off "
        "(Kestrel MinResponseDataRate)");
    add_duration(app, "linger-timeout", times.linger_timeout_ms,
                 "After the last response: longest gap while what the peer still sends is read and "
                 "dropped (nginx lingering_timeout)",
                 false);
    add_duration(app, "linger-max", times.linger_max_ms,
                 "... and how long in all (nginx lingering_time)", false);
    add_size(app, "discard-max", options_.http.discard_bytes_max, 0, std::uint64_t{1} << 40,
             "Largest unwanted content that is read to keep the connection; a larger one is not "
             "read: answer, linger, close",
             lifecycle);
    add_number(app, "max-connections", options_.connections_max, 1, core::slot_limit,
               "Connections at once; auto: seven eighths of the limit of open files. When full the "
               "longest idle one makes room; with none idle, accepting pauses (nginx "
               "worker_connections, HAProxy maxconn)",
               lifecycle, "auto");
    add_number(app, "max-connections-per-ip", options_.connections_per_ip_max, 0, core::slot_limit,
               "Connections at once from one IPv4 address or IPv6 /64 network; more get 429 and "
               "close; 0 is off (nginx limit_conn, HAProxy src_conn_cur)",
               lifecycle);
    add_duration(app, "drain-delay", options_.drain_delay_ms,
                 "At SIGTERM: how long to go on as before while /readyz says 503 (Caddy "
                 "shutdown_delay)",
                 false);
    add_duration(app, "drain-timeout", options_.drain_timeout_ms,
                 "... and then how long running exchanges may take to finish (nginx "
                 "worker_shutdown_timeout, HAProxy hard-stop-after)",
                 false);
}

void CommandLine::add_limit_flags() {
    CLI::App& app = *app_;
    Limits& http = options_.http;
    add_size(app, "max-head", http.head.head_bytes_max, 256, 1 << 20,
             "Largest head of a request, else 431 (nginx large_client_header_buffers, Node "
             "maxHeaderSize)",
             limits);
    add_size(app, "max-target", http.head.target_bytes_max, 16, 1 << 20,
             "Longest target of a request, else 414 (Apache LimitRequestLine)", limits);
    add_number(app, "max-headers", http.head.fields_max, 1, 10000,
               "Most header fields of a request, else 431 (Apache LimitRequestFields, Node "
               "maxHeadersCount)",
               limits);
    add_size(app, "max-body", http.content_bytes_max, 0, std::uint64_t{1} << 40,
             "Largest content of a request, else 413 and close (nginx client_max_body_size)",
             limits);
    add_size(app, "max-buffered", http.buffered_bytes_max, 1 << 16, std::uint64_t{1} << 40,
             "Memory of each worker for requests that are incomplete or wait, and as much again "
             "for large answers that wait to be sent, else 503",
             limits);
    add_number(app, "max-pipelined", http.pipelined_max, 1, 65535,
               "Answers of a connection that may wait before its further input waits", limits);
}

namespace {

// The exit status.
int run_probe(const std::string& program, const ProbeUrl& url) {
    const auto status = probe(url, probe_patience);
    if (!status) {
        std::fputs(core::formatted("{}: {}\n", program, status.error().what).c_str(), stderr);
        return 1;
    }
    std::fputs(core::formatted("{}: the answer is {}\n", program, *status).c_str(), stdout);
    return is_well(*status) ? 0 : 1;
}

}  // namespace

std::optional<int> CommandLine::parse(int argument_count, const char* const* arguments) {
    const auto refuse = [this](const std::string& what) {
        std::fputs(core::formatted("{}: {}\n{}: --help shows all flags\n", app_->get_name(), what,
                                   app_->get_name())
                       .c_str(),
                   stderr);
        return exit_usage;
    };
    auto gathered =
        gather_words(*app_, {arguments + std::min(argument_count, 1), arguments + argument_count});
    if (!gathered) {
        return refuse(gathered.error().text());
    }
    try {
        // The library takes them from the back.
        app_->parse(std::vector<std::string>(gathered->words.rbegin(), gathered->words.rend()));
    } catch (const CLI::Success& success) {
        return app_->exit(success);
    } catch (const CLI::ParseError& error) {
        return refuse(gathered->place_of(error.what()) + error.what());
    }
    if (!probe_url_.empty()) {
        const auto url = parse_probe_url(probe_url_);
        return url ? run_probe(app_->get_name(), *url) : refuse(url.error().text());
    }
    return std::nullopt;
}

}  // namespace enduring::http
