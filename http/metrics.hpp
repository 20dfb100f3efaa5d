// What a server has counted, as Prometheus reads it (text format, version 0.0.4): it is given
// numbers and gives text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/counters.hpp"
#include "http/exchange_meter.hpp"
#include "http/survey.hpp"

namespace enduring::http {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// What one worker has counted, and what it told of its connections; nothing: it did not in time.
struct WorkerNumbers {
    core::Counters counters{};
    ExchangeCounts exchanges{};
    std::optional<WorkerSurvey> survey{};
};

/// Of all workers, in their order. All metrics have names that begin with
/// "enduring_", and the worker's number as a label. Every closed connection is counted in
/// enduring_connections_closed_total under exactly one reason.
[[nodiscard]] std::string metrics_text(std::span<const WorkerNumbers> workers);

/// Those of the access log.
[[nodiscard]] std::string log_metrics_text(std::uint64_t written, std::uint64_t dropped);

}  // namespace enduring::http
