// The public functions: a user's router and requests as a workload.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "core/format.hpp"
#include "http/text.hpp"
#include "simulation/faults.hpp"
#include "simulation/report.hpp"
#include "simulation/simulation.hpp"
#include "simulation/sweep.hpp"
#include "simulation/workload.hpp"

namespace enduring::simulation {

namespace {

// A client that sends much in pieces does not do it in too many.
constexpr std::size_t pieces_max = 5'000;

bool has_field(const http::test::Request& request, std::string_view name) {
    return std::ranges::any_of(request.fields, [name](const http::Field& field) {
        return http::equals_ignoring_case(field.name, name);
    });
}

// What a request's head says, as far as it matters for what must come back.
struct RequestHead {
    std::string_view method{};
    std::string_view path{};
    bool old_version = false;
    bool says_close = false;
    bool says_keep_alive = false;
    bool expects_continue = false;
};

bool lists(std::string_view value, std::string_view member) {
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        if (http::equals_ignoring_case(http::trim(value.substr(0, comma)), member)) {
            return true;
        }
        value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return false;
}

RequestHead read_request_head(std::string_view text) {
    RequestHead head;
    std::string_view line = text.substr(0, text.find("\r\n"));
    head.method = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(head.method.size() + 1, line.size()));
    const std::string_view target = line.substr(0, line.find(' '));
    head.path = target.substr(0, target.find('?'));
    head.old_version = line.ends_with(" HTTP/1.0");
    while (text.find("\r\n") != std::string_view::npos) {
        text.remove_prefix(text.find("\r\n") + 2);
        const std::string_view field = text.substr(0, text.find("\r\n"));
        const std::size_t colon = std::min(field.find(':'), field.size());
        const std::string_view name = field.substr(0, colon);
        const std::string_view value = field.substr(std::min(colon + 1, field.size()));
        if (http::equals_ignoring_case(name, "Connection")) {
            head.says_close = head.says_close || lists(value, "close");
            head.says_keep_alive = head.says_keep_alive || lists(value, "keep-alive");
        } else if (http::equals_ignoring_case(name, "Expect")) {
            head.expects_continue = lists(value, "100-continue");
        }
    }
    return head;
}

std::optional<http::Method> method_named(std::string_view name) {
    for (unsigned i = 0; i < http::method_count; ++i) {
        const auto method = static_cast<http::Method>(i);
        if (http::name_of(method) == name) {
            return method;
        }
    }
    return std::nullopt;
}

// The handler may answer before it has the content.
bool is_streamed(const http::Router& router, const RequestHead& head) {
    const std::optional<http::Method> method = method_named(head.method);
    if (!method) {
        return false;
    }
    http::Router::Match match;
    router.find(*method, head.path, match);
    return match.is_streamed();
}

// What is wrong with the response to a request; nothing if it is right.
std::string judge(const Request& request, const http::test::Response& response) {
    if (std::ranges::find(request.statuses, response.status) == request.statuses.end()) {
        std::string expected;
        for (const http::Status status : request.statuses) {
            expected +=
                core::formatted("{}{}", expected.empty() ? "" : " or ", http::code_of(status));
        }
        return core::formatted("the status is {} and not {}", http::code_of(response.status),
                               expected);
    }
    const bool without_content = request.bytes.starts_with("HEAD ");
    if (request.content && !without_content && response.content != *request.content) {
        return core::formatted("the content is not the {} bytes that were expected: {}",
                               request.content->size(), request.content->substr(0, 200));
    }
    return request.check ? request.check(response) : std::string();
}

Exchange make_exchange(Request&& request, const http::Router& router, const Plan& plan) {
    if (request.bytes.empty()) {
        fail("a request of the scenario is empty");
    }
    Exchange exchange;
    const std::size_t head_end = request.bytes.find("\r\n\r\n");
    exchange.head_bytes = head_end == std::string::npos ? request.bytes.size() : head_end + 4;
    const std::size_t content_bytes = request.bytes.size() - exchange.head_bytes;
    exchange.request = request.bytes;
    const RequestHead head =
        read_request_head(std::string_view(exchange.request).substr(0, exchange.head_bytes));
    exchange.without_content = head.method == "HEAD";
    exchange.closes = head.says_close || (head.old_version && !head.says_keep_alive);
    exchange.may_be_cut = request.may_be_cut;
    exchange.awaits_continue = head.expects_continue && !head.old_version;
    exchange.may_be_too_large = content_bytes > plan.limits.content_bytes_max;
    exchange.may_end_early = content_bytes > 0 && is_streamed(router, head);
    if (request.within) {
        exchange.within_us =
            static_cast<std::uint64_t>(std::max<std::int64_t>(request.within->count(), 0)) * 1'000;
    }
    exchange.verdict = [request = std::move(request)](const http::test::Response& response) {
        return judge(request, response);
    };
    return exchange;
}

/// Scenario and options must last as long as it does.
class ScenarioWorkload final : public Workload {
  public:
    ScenarioWorkload(const Scenario& scenario, const Options& options)
        : scenario_(scenario), options_(options), router_(scenario.router()) {}

    [[nodiscard]] const http::Router& router() const override { return router_; }
    [[nodiscard]] std::vector<Exchange> make_exchanges(Random& random, const Plan& plan,
                                                       Manner& manner) override {
        // However much is drawn there, what follows here stays the same.
        Random random_of_requests(random.next());
        std::vector<Exchange> exchanges;
        std::size_t largest = 0;
        for (Request& request : scenario_.requests(random_of_requests)) {
            largest = std::max(largest, request.bytes.size());
            exchanges.push_back(make_exchange(std::move(request), router_, plan));
        }
        if (manner.write_piece != 0) {
            manner.write_piece = static_cast<std::uint32_t>(
                std::max<std::size_t>(manner.write_piece, largest / pieces_max));
        }
        return exchanges;
    }
    void adjust(Plan& plan) const override {
        if (options_.adjust) {
            options_.adjust(plan.times, plan.limits);
        }
    }
    [[nodiscard]] Freedoms freedoms() const noexcept override {
        return {.to_go_on = true,
                .to_keep_responders = options_.may_keep_responders,
                .to_throw = options_.may_throw};
    }

  private:
    const Scenario& scenario_;
    const Options& options_;
    http::Router router_;
};

MakeWorkload workload_of(const Scenario& scenario, const Options& options) {
    return [&scenario, &options](Site&) {
        return std::make_unique<ScenarioWorkload>(scenario, options);
    };
}

Cuts cuts_of(const Options& options) {
    Cuts cuts;
    for (const Fault fault : options.without) {
        cuts.faults |= bit_of(fault);
    }
    for (const std::uint32_t client : options.without_clients) {
        cuts.clients |= client < Plan::clients_most ? 1ULL << client : 0;
    }
    cuts.requests_max = options.requests_max;
    return cuts;
}

}  // namespace

// ---- requests ----------------------------------------------------------------------------------

Request&& Request::gives(std::string expected_content) && {
    content = std::move(expected_content);
    return std::move(*this);
}

Request&& Request::gives(http::Status status) && {
    statuses = {status};
    return std::move(*this);
}

Request&& Request::gives(http::Status status, std::string expected_content) && {
    return std::move(*this).gives(status).gives(std::move(expected_content));
}

Request request(const http::test::Request& request) {
    Request made;
    made.bytes = core::formatted("{} {} HTTP/1.{}\r\n", http::name_of(request.method),
                                 request.target, request.minor_version);
    if (!has_field(request, "Host")) {
        made.bytes += "Host: localhost\r\n";
    }
    for (const http::Field& field : request.fields) {
        made.bytes += core::formatted("{}: {}\r\n", field.name, field.value);
    }
    const bool has_content = !request.content.empty() || request.method == http::Method::post ||
                             request.method == http::Method::put ||
                             request.method == http::Method::patch;
    if (has_content && !has_field(request, "Content-Length") &&
        !has_field(request, "Transfer-Encoding")) {
        made.bytes += core::formatted("Content-Length: {}\r\n", request.content.size());
    }
    made.bytes.append("\r\n").append(request.content);
    return made;
}

Request get(std::string_view target) { return request({.target = target}); }

Request post(std::string_view target, std::string_view content) {
    return request({.method = http::Method::post, .target = target, .content = content});
}

// ---- runs --------------------------------------------------------------------------------------

std::string Result::text() const {
    std::string text;
    for (const Failure& failure : failures) {
        text += core::formatted("seed {} failed: {}\n", failure.seed, failure.what);
    }
    return text + core::formatted("{} runs passed, {} failed; {} answers, {} faults, {} s\n", runs,
                                  failures.size(), answers, faults,
                                  std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

Result check(const Scenario& scenario, std::uint64_t first_seed, std::uint64_t last_seed,
             const Options& options) {
    ENDURING_CHECK(first_seed <= last_seed, "there is no seed to run");
    SweepOptions sweep_options;
    sweep_options.first_seed = first_seed;
    sweep_options.last_seed = last_seed;
    const unsigned jobs =
        options.jobs != 0 ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
    sweep_options.jobs = std::min(jobs, jobs_max);
    sweep_options.failures_max = options.failures_max;
    sweep_options.hides_errors = true;
    sweep_options.cuts = cuts_of(options);
    Result result;
    const Totals totals = sweep(workload_of(scenario, options), sweep_options,
                                [&](std::uint64_t seed, const SeedFailure& failure) {
                                    result.failures.push_back({seed, failure.text()});
                                });
    result.runs = totals.runs;
    result.answers = totals.answers;
    result.faults = totals.faults;
    result.events = totals.events;
    result.turns = totals.turns;
    result.time = std::chrono::milliseconds(totals.virtual_ms);
    return result;
}

std::optional<std::string> trace(const Scenario& scenario, std::uint64_t seed,
                                 const Options& options) {
    const auto failure =
        failure_of(workload_of(scenario, options), seed, cuts_of(options), print_settings);
    return failure ? std::optional(failure->text()) : std::nullopt;
}

Options shrink(const Scenario& scenario, std::uint64_t seed, const Options& options) {
    const Cuts cuts = simulation::shrink(workload_of(scenario, options), seed, cuts_of(options));
    Options smaller = options;
    smaller.without.clear();
    for (std::size_t i = 0; i < fault_count; ++i) {
        if ((cuts.faults & bit_of(static_cast<Fault>(i))) != 0) {
            smaller.without.push_back(static_cast<Fault>(i));
        }
    }
    smaller.without_clients.clear();
    for (std::uint32_t client = 0; client < Plan::clients_most; ++client) {
        if ((cuts.clients & (1ULL << client)) != 0) {
            smaller.without_clients.push_back(client);
        }
    }
    smaller.requests_max = cuts.requests_max;
    return smaller;
}

}  // namespace enduring::simulation
