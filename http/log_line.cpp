#include "http/log_line.hpp"

#include <nlohmann/json.hpp>

#include "core/format.hpp"
#include "http/date.hpp"

namespace enduring::http {

namespace {

constexpr std::int64_t ms_per_second = 1000;

// Rounds down, also before 1970.
std::int64_t second_of(std::int64_t ms) noexcept {
    return ms / ms_per_second - (ms % ms_per_second < 0 ? 1 : 0);
}

// As Apache and nginx do it: \" and \\, and \xHH for all that is not printable ASCII.
void append_escaped(std::string& text, std::string_view value) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
            text += c;
        } else if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else {
            text += "\\x";
            text += digits[byte >> 4U];
            text += digits[byte & 15U];
        }
    }
}

void append_quoted(std::string& text, std::string_view value) {
    text += '"';
    if (value.empty()) {
        text += '-';
    }
    append_escaped(text, value);
    text += '"';
}

// Bytes that are no UTF-8 become U+FFFD; all else that is not ASCII is escaped.
std::string json_string(std::string_view value) {
    return nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void append_json_field(std::string& text, std::string_view name, std::string_view value) {
    if (!value.empty()) {
        core::append_formatted(text, ",\"{}\":{}", name, json_string(value));
    }
}

}  // namespace

void LogLine::append(std::string& text, const LogEntry& entry) {
    renew_time(second_of(entry.begun_ms));
    if (format_ == LogFormat::json) {
        append_json(text, entry);
    } else {
        append_common(text, entry);
    }
    text += '\n';
}

void LogLine::append_common(std::string& text, const LogEntry& entry) {
    text += entry.peer.empty() ? "-" : entry.peer;
    text += " - - [";
    text += time_;
    text += "] \"";
    if (entry.method.empty()) {
        append_escaped(text, entry.refused.empty() ? "-" : entry.refused);
    } else {
        append_escaped(text, entry.method);
        text += ' ';
        append_escaped(text, entry.target);
        text += entry.minor_version == 0 ? " HTTP/1.0" : " HTTP/1.1";
    }
    core::append_formatted(text, "\" {} {}", entry.status, entry.bytes);
    if (format_ == LogFormat::combined) {
        text += ' ';
        append_quoted(text, entry.referer);
        text += ' ';
        append_quoted(text, entry.user_agent);
    }
}

void LogLine::append_json(std::string& text, const LogEntry& entry) {
    core::append_formatted(text, "{{\"time\":\"{}.{:03}Z\"", time_,
                           entry.begun_ms - second_of(entry.begun_ms) * ms_per_second);
    append_json_field(text, "peer", entry.peer);
    if (!entry.method.empty()) {
        append_json_field(text, "method", entry.method);
        append_json_field(text, "target", entry.target);
        append_json_field(text, "version", entry.minor_version == 0 ? "1.0" : "1.1");
    }
    append_json_field(text, "refused", entry.refused);
    core::append_formatted(text, ",\"status\":{},\"bytes\":{},\"took_us\":{}", entry.status,
                           entry.bytes, entry.took_us);
    if (!entry.complete) {
        text += ",\"cut\":true";
    }
    append_json_field(text, "referer", entry.referer);
    append_json_field(text, "user_agent", entry.user_agent);
    text += '}';
}

void LogLine::renew_time(std::int64_t second) {
    if (second != second_) {
        time_ = format_ == LogFormat::json ? format_iso_date(second) : format_log_date(second);
        second_ = second;
    }
}

}  // namespace enduring::http
