#include "http/metrics.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "core/format.hpp"

namespace enduring::http {

namespace {

void add_description(std::string& text, std::string_view name, std::string_view type,
                     std::string_view meaning) {
    core::append_formatted(text, "# HELP enduring_{0} {1}.\n# TYPE enduring_{0} {2}\n", name,
                           meaning, type);
}

}  // namespace

std::string metrics_text(const core::Counters& counters) {
    std::string text;
    for (const core::CounterDescription& description : core::counter_descriptions) {
        const std::string name = core::formatted("{}_total", description.name);
        const std::uint64_t value = counters.*description.counter;
        add_description(text, name, "counter", description.meaning);
        core::append_formatted(text, "enduring_{} {}\n", name, value);
    }
    add_description(text, "connections_closed_total", "counter",
                    "Connections closed, by the one reason that each has");
    for (std::size_t i = 0; i < counters.closed.size(); ++i) {
        const auto reason = static_cast<core::Reason>(i);
        if (reason == core::Reason::none) {
            continue;  // no connection is closed without a reason
        }
        const std::uint64_t value = counters.closed[i];
        core::append_formatted(text, "enduring_connections_closed_total{{reason=\"{}\"}} {}\n",
                               core::name_of(reason), value);
    }
    add_description(text, "connections_open", "gauge", "Connections that have a slot now");
    // The numbers are a moment apart: more may have been closed than were accepted just before.
    const std::uint64_t closed = counters.closed_total();
    core::append_formatted(text, "enduring_connections_open {}\n",
                           std::max<std::uint64_t>(counters.accepted, closed) - closed);
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
