// What the load generator found, and how it says so.
#pragma once

#include <cstdint>
#include <cstdio>

#include "histogram.hpp"

namespace bench {

struct LoadErrors {
    std::uint64_t connect = 0;       // No connection could be made.
    std::uint64_t reset = 0;         // The connection broke with an error.
    std::uint64_t closed_early = 0;  // The server closed and had not said so.
    std::uint64_t status = 0;        // A response with another status than 200.
    std::uint64_t framing = 0;       // A response that cannot be understood.
    std::uint64_t surplus = 0;       // Bytes after the last response.
    std::uint64_t not_closed = 0;    // The server did not close as agreed.
    std::uint64_t timeout = 0;       // No whole response in time.

    std::uint64_t total() const {
        return connect + reset + closed_early + status + framing + surplus + not_closed + timeout;
    }
};

struct LoadReport {
    std::uint64_t responses = 0;  // Whole ones with status 200.
    std::uint64_t connections = 0;
    // Pipelined requests that the server need not answer, since it announced its close before.
    std::uint64_t unanswered_after_close = 0;
    std::uint64_t bytes = 0;
    std::uint64_t elapsed_ns = 0;
    LoadErrors errors;
    Histogram latency;

    bool good() const { return responses != 0 && errors.total() == 0; }

    // One line of JSON.
    void print() const {
        std::printf("{\"requests\": %llu, \"error_total\": %llu, \"errors\": {", number(responses),
                    number(errors.total()));
        std::printf("\"connect\": %llu, \"reset\": %llu, \"closed_early\": %llu, ",
                    number(errors.connect), number(errors.reset), number(errors.closed_early));
        std::printf("\"status\": %llu, \"framing\": %llu, \"surplus\": %llu, ",
                    number(errors.status), number(errors.framing), number(errors.surplus));
        std::printf("\"not_closed\": %llu, \"timeout\": %llu}, ", number(errors.not_closed),
                    number(errors.timeout));
        std::printf("\"connections\": %llu, \"unanswered_after_close\": %llu, \"bytes\": %llu, ",
                    number(connections), number(unanswered_after_close), number(bytes));
        std::printf(
            "\"seconds\": %.6f, \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, "
            "\"p99.9\": %.1f, \"max\": %.1f}}\n",
            static_cast<double>(elapsed_ns) / 1e9, microseconds(latency.quantile(0.5)),
            microseconds(latency.quantile(0.99)), microseconds(latency.quantile(0.999)),
            microseconds(latency.max()));
    }

  private:
    static unsigned long long number(std::uint64_t value) { return value; }

    static double microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }
};

}  // namespace bench
