#include "http/metrics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/format.hpp"

namespace enduring::http {

namespace {

void add_description(std::string& text, std::string_view name, std::string_view type,
                     std::string_view meaning) {
    core::append_formatted(text, "# HELP enduring_{0} {1}.\n# TYPE enduring_{0} {2}\n", name,
                           meaning, type);
}

// A number as so many units, of which each is per_unit of what was counted.
std::string in_units(std::uint64_t value, unsigned per_unit) {
    return per_unit == 1 ? core::formatted("{}", value)
                         : core::formatted("{}", static_cast<double>(value) / per_unit);
}

// The numbers are a moment apart: more may have been closed than were accepted just before.
std::uint64_t open_of(const core::Counters& counters) {
    const std::uint64_t closed = counters.closed_total();
    return std::max<std::uint64_t>(counters.accepted, closed) - closed;
}

}  // namespace

std::string metrics_text(std::span<const core::Counters> workers) {
    std::string text;
    for (const core::CounterDescription& description : core::counter_descriptions) {
        const std::string name = core::formatted("{}_total", description.name);
        add_description(text, name, "counter", description.meaning);
        for (std::size_t worker = 0; worker < workers.size(); ++worker) {
            core::append_formatted(
                text, "enduring_{}{{worker=\"{}\"}} {}\n", name, worker,
                in_units(workers[worker].*description.counter, description.per_unit));
        }
    }
    add_description(text, "connections_closed_total", "counter",
                    "Connections closed, by the one reason that each has");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        // No connection is closed without a reason.
        for (std::size_t i = 1; i < core::reason_count; ++i) {
            core::append_formatted(
                text, "enduring_connections_closed_total{{worker=\"{}\",reason=\"{}\"}} {}\n",
                worker, core::name_of(static_cast<core::Reason>(i)),
                std::uint64_t{workers[worker].closed[i]});
        }
    }
    add_description(text, "connections_open", "gauge", "Connections that have a slot now");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        core::append_formatted(text, "enduring_connections_open{{worker=\"{}\"}} {}\n", worker,
                               open_of(workers[worker]));
    }
    return text;
}

std::string log_metrics_text(std::uint64_t written, std::uint64_t dropped) {
    std::string text;
    add_description(text, "access_log_lines_total", "counter",
                    "Lines that the access log's target has taken");
    core::append_formatted(text, "enduring_access_log_lines_total {}\n", written);
    add_description(text, "access_log_lines_dropped_total", "counter",
                    "Lines that were dropped, because the target was slow or refused them");
    core::append_formatted(text, "enduring_access_log_lines_dropped_total {}\n", dropped);
    return text;
}

}  // namespace enduring::http
