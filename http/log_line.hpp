// A line of the access log for one exchange, in the formats that tools read. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace enduring::http {

enum class LogFormat : std::uint8_t {
    common,    ///< Apache's and nginx's: peer, time, request line, status, bytes
    combined,  ///< common, with Referer and User-Agent
    json,      ///< an object a line, with the time in milliseconds and what the exchange took
};

/// What is said of an exchange.
struct LogEntry {
    /// nginx's number for who left before the answer had begun, or was cut off.
    static constexpr unsigned status_unanswered = 499;

    std::string_view peer{};     ///< its address; empty: not known
    std::int64_t begun_ms = 0;   ///< when the head was complete: milliseconds since 1970
    std::uint64_t took_us = 0;   ///< from then on until the answer was queued or given up
    std::string_view method{};   ///< empty: no head could be made of what came
    std::string_view refused{};  ///< ... then the first line of that, or its beginning
    std::string_view target{};   ///< as it came
    unsigned minor_version = 1;  ///< of HTTP/1
    unsigned status = 0;         ///< of the answer
    std::uint64_t bytes = 0;     ///< of the answer's content, without its chunks' frames
    bool complete = true;        ///< the answer was queued to its end
    std::string_view referer{};  ///< fields of the request; empty: it has none
    std::string_view user_agent{};
};

/// Not thread-safe: it keeps the text of the current second.
class LogLine {
  public:
    explicit LogLine(LogFormat format) : format_(format) {}

    /// Appends the line with its end. Times are UTC. Whatever a peer sent is escaped, so that it
    /// can neither end the line nor steer a terminal.
    void append(std::string& text, const LogEntry& entry);

  private:
    void append_common(std::string& text, const LogEntry& entry);
    void append_json(std::string& text, const LogEntry& entry);
    void renew_time(std::int64_t second);

    LogFormat format_;
    std::int64_t second_ = std::numeric_limits<std::int64_t>::min();
    std::string time_;
};

}  // namespace enduring::http
