#include "http/trouble.hpp"

#include <string_view>

#include "core/format.hpp"
#include "core/reason.hpp"

namespace enduring::http {

namespace {

using core::Counter;
using core::Counters;
using core::Reason;

// One kind of trouble: where it is counted, and what follows the number in its message.
struct Description {
    LogLevel level;
    Counter Counters::* counter;  // null: by reason, or of handlers
    Reason reason;                // none: not by reason
    std::string_view text;
};

constexpr Description handlers{
    LogLevel::error, nullptr, Reason::none,
    "handlers, or what they had left to be done later, ended with an exception; "
    "who waited for an answer got 500, or was cut if it had begun"};

constexpr Description counted(LogLevel level, Counter Counters::* counter, std::string_view text) {
    return {level, counter, Reason::none, text};
}
constexpr Description closed(LogLevel level, Reason reason, std::string_view text) {
    return {level, nullptr, reason, text};
}

constexpr std::array descriptions{
    handlers,
    counted(LogLevel::error, &Counters::accept_errors,
            "connections could not be accepted; for want of descriptors or memory they wait: raise "
            "the limit of open files (ulimit -n) or of memory, or lower --max-connections"),
    counted(LogLevel::error, &Counters::late_completions,
            "completions came too late, which is a bug"),
    closed(LogLevel::error, Reason::content_failed,
           "responses were cut: what they send could not be read, became shorter, or was given up"),
    closed(LogLevel::error, Reason::overload,
           "connections were cut for want of memory: raise --max-buffered or the limit of memory"),
    counted(LogLevel::warning, &Counters::submit_errors,
            "times the kernel took no submissions for a moment, for want of memory"),
    closed(LogLevel::warning, Reason::evicted,
           "idle connections were closed to make room for new ones: --max-connections is reached"),
    closed(LogLevel::warning, Reason::connections_per_ip,
           "connections were refused with 429: --max-connections-per-ip is reached"),
    closed(LogLevel::warning, Reason::handler_timeout,
           "answers took longer than --handler-timeout: 503 and close"),
    closed(LogLevel::warning, Reason::aborted,
           "connections were cut at the end of the drain, by --drain-timeout or a second signal"),
    closed(LogLevel::debug, Reason::protocol_error,
           "connections ended with a request that was refused"),
    closed(LogLevel::debug, Reason::header_timeout, "connections ended by --header-timeout"),
    closed(LogLevel::debug, Reason::body_timeout, "connections ended by --body-timeout"),
    closed(LogLevel::debug, Reason::body_min_rate, "connections ended by --body-min-rate"),
    closed(LogLevel::debug, Reason::write_timeout, "connections ended by --write-timeout"),
    closed(LogLevel::debug, Reason::write_min_rate, "connections ended by --write-min-rate"),
    closed(LogLevel::debug, Reason::peer_truncated, "clients closed in the middle of a request"),
    closed(LogLevel::debug, Reason::peer_reset, "clients reset their connection"),
    counted(LogLevel::debug, &Counters::starvations,
            "receives found no free buffer and waited: --recv-buffers says how many there are"),
};

std::uint64_t count_of(const Description& what, const Trouble::Counts& counts) noexcept {
    if (what.counter != nullptr) {
        return counts.counters.*what.counter;
    }
    return what.reason == Reason::none
               ? counts.handlers_threw
               : counts.counters.closed[static_cast<std::size_t>(what.reason)];
}

}  // namespace

std::vector<Trouble::Message> Trouble::look(const Counts& counts, std::uint64_t now_ms,
                                            LogLevel level) {
    static_assert(descriptions.size() <= kinds_max);
    std::vector<Message> messages;
    for (std::size_t i = 0; i < descriptions.size(); ++i) {
        const Description& what = descriptions[i];
        Kind& kind = kinds_[i];
        const std::uint64_t count = count_of(what, counts);
        if (what.level > level || count == kind.told || now_ms < kind.quiet_until_ms) {
            continue;
        }
        messages.push_back({what.level, core::formatted("{} {}", count - kind.told, what.text)});
        kind = {count, now_ms + quiet_ms};
    }
    last_ms_ = now_ms;
    return messages;
}

std::vector<Trouble::Message> Trouble::look_last(const Counts& counts, LogLevel level) {
    return look(counts, last_ms_ + quiet_ms, level);
}

}  // namespace enduring::http
