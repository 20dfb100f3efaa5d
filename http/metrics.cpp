#include "http/metrics.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

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

constexpr unsigned us_per_s = 1'000'000;

// The numbers are a moment apart: more may have been closed than were accepted just before.
std::uint64_t open_of(const core::Counters& counters) {
    const std::uint64_t closed = counters.closed_total();
    return std::max<std::uint64_t>(counters.accepted, closed) - closed;
}

std::string_view label_of(unsigned method) {
    return method == methodless                             ? "none"
           : method == static_cast<unsigned>(Method::other) ? "other"
                                                            : name_of(static_cast<Method>(method));
}

using Workers = std::span<const WorkerNumbers>;

void add_counters(std::string& text, Workers workers) {
    for (const core::CounterDescription& description : core::counter_descriptions) {
        const std::string name = core::formatted("{}_total", description.name);
        add_description(text, name, "counter", description.meaning);
        for (std::size_t worker = 0; worker < workers.size(); ++worker) {
            core::append_formatted(
                text, "enduring_{}{{worker=\"{}\"}} {}\n", name, worker,
                in_units(workers[worker].counters.*description.counter, description.per_unit));
        }
    }
}

void add_connections(std::string& text, Workers workers) {
    add_description(text, "connections_closed_total", "counter",
                    "Connections closed, by the one reason that each has");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        // No connection is closed without a reason.
        for (std::size_t i = 1; i < core::reason_count; ++i) {
            core::append_formatted(
                text, "enduring_connections_closed_total{{worker=\"{}\",reason=\"{}\"}} {}\n",
                worker, core::name_of(static_cast<core::Reason>(i)),
                std::uint64_t{workers[worker].counters.closed[i]});
        }
    }
    add_description(text, "connections_open", "gauge", "Connections that have a slot now");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        core::append_formatted(text, "enduring_connections_open{{worker=\"{}\"}} {}\n", worker,
                               open_of(workers[worker].counters));
    }
}

// Of the many combinations only those that there have been.
void add_requests(std::string& text, Workers workers) {
    add_description(text, "requests_total", "counter",
                    "Complete answers, by method and status; without a method: to what was no "
                    "request");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        for (unsigned method = 0; method <= methodless; ++method) {
            for (unsigned i = 0; i < status_class_count; ++i) {
                const std::uint64_t count = workers[worker].exchanges.answers[method][i];
                if (count != 0) {
                    core::append_formatted(
                        text,
                        "enduring_requests_total{{worker=\"{}\",method=\"{}\",status=\"{}xx\"}} "
                        "{}\n",
                        worker, label_of(method), i + 1, count);
                }
            }
        }
    }
}

void add_durations(std::string& text, Workers workers) {
    constexpr auto& bounds = DurationCounts::bounds_us;
    constexpr std::string_view name = "request_duration_seconds";
    add_description(text, name, "histogram",
                    "How long exchanges took, from the turn in which the head was complete to the "
                    "end of that in which the answer was");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        const DurationCounts& durations = workers[worker].exchanges.durations;
        std::uint64_t count = 0;
        for (std::size_t i = 0; i <= bounds.size(); ++i) {
            count += durations.counts[i];
            core::append_formatted(
                text, "enduring_{}_bucket{{worker=\"{}\",le=\"{}\"}} {}\n", name, worker,
                i < bounds.size() ? in_units(bounds[i], us_per_s) : "+Inf", count);
        }
        core::append_formatted(text,
                               "enduring_{0}_sum{{worker=\"{1}\"}} {2}\n"
                               "enduring_{0}_count{{worker=\"{1}\"}} {3}\n",
                               name, worker, in_units(durations.sum_us, us_per_s), count);
    }
}

void add_phases(std::string& text, Workers workers) {
    add_description(text, "connections", "gauge", "Connections in each state of their lives");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        const std::optional<WorkerSurvey>& survey = workers[worker].survey;
        if (!survey) {
            continue;
        }
        // What is released is none any more.
        for (std::size_t i = 0; i + 1 < core::phase_count; ++i) {
            core::append_formatted(text, "enduring_connections{{worker=\"{}\",state=\"{}\"}} {}\n",
                                   worker, core::name_of(static_cast<core::Phase>(i)),
                                   survey->phases[i]);
        }
    }
}

void add_surveys(std::string& text, Workers workers) {
    struct Shown {
        std::uint64_t WorkerSurvey::* number;
        std::string_view name;
        std::string_view type;
        std::string_view meaning;
    };
    constexpr std::array shown{
        Shown{&WorkerSurvey::receive_buffers_lent, "receive_buffers_lent", "gauge",
              "Receive buffers that have not been given back to the kernel"},
        Shown{&WorkerSurvey::input_buffers_lent, "input_buffers_lent", "gauge",
              "Connections that keep input, or make or take something in pieces"},
        Shown{&WorkerSurvey::output_bytes, "output_bytes", "gauge",
              "Bytes of memory that answers take until they are sent"},
        Shown{&WorkerSurvey::file_chunks_lent, "file_chunks_lent", "gauge",
              "Chunks of memory through which files are sent"},
        Shown{&WorkerSurvey::completion_overflows, "completion_overflows_total", "counter",
              "Completions for which the kernel found no memory; none is expected"},
    };
    for (const Shown& family : shown) {
        add_description(text, family.name, family.type, family.meaning);
        for (std::size_t worker = 0; worker < workers.size(); ++worker) {
            if (const std::optional<WorkerSurvey>& survey = workers[worker].survey) {
                core::append_formatted(text, "enduring_{}{{worker=\"{}\"}} {}\n", family.name,
                                       worker, (*survey).*family.number);
            }
        }
    }
    add_description(text, "worker_answers", "gauge",
                    "Whether the worker told of its connections in time; what it could not tell is "
                    "left out");
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
        core::append_formatted(text, "enduring_worker_answers{{worker=\"{}\"}} {}\n", worker,
                               workers[worker].survey ? 1 : 0);
    }
}

}  // namespace

std::string metrics_text(Workers workers) {
    std::string text;
    add_counters(text, workers);
    add_connections(text, workers);
    add_requests(text, workers);
    add_durations(text, workers);
    add_phases(text, workers);
    add_surveys(text, workers);
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
