#include "simulation/judge.hpp"

#include <algorithm>
#include <charconv>

#include "simulation/report.hpp"

namespace enduring::simulation {

namespace {

struct ResponseHead {
    unsigned status = 0;
    std::uint64_t length = 0;
    bool has_length = false;
    bool close = false;
    unsigned dates = 0;
    unsigned servers = 0;
};

bool read_number(std::string_view text, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Gives what is wrong, or null.
const char* read_head(std::string_view text, ResponseHead& head) {
    std::uint64_t status = 0;
    if (!text.starts_with("HTTP/1.1 ") || text.size() < 14 || text[12] != ' ' ||
        !read_number(text.substr(9, 3), status)) {
        return "a status line is wrong";
    }
    head.status = static_cast<unsigned>(status);
    text.remove_prefix(text.find("\r\n") + 2);
    while (text != "\r\n") {
        const std::size_t end = text.find("\r\n");
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 2);
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos || colon == 0) {
            return "a field of a response is wrong";
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = line.substr(colon + 2);
        if (name == "Content-Length") {
            if (head.has_length || !read_number(value, head.length)) {
                return "the length of a response is wrong";
            }
            head.has_length = true;
        } else if (name == "Connection") {
            head.close = value == "close";
        } else if (name == "Date") {
            ++head.dates;
        } else if (name == "Server") {
            ++head.servers;
        }
    }
    return nullptr;
}

}  // namespace

void Judge::wrong(const char* what, std::string_view details) const {
    fail(what, fmt::format("client {}, request {} of {}: {}", client_, answered_ + 1,
                           exchanges_.size(), details));
}

// ---- what was sent -----------------------------------------------------------------------------

void Judge::on_sent(std::size_t index, std::size_t begin, std::size_t end) {
    Exchange& exchange = exchanges_[index];
    const std::uint64_t now_us = scene_.timeline.now_us();
    if (begin == 0) {
        exchange.first_us = now_us;
        exchange.first_run_us = scene_.timeline.run_us();
        const Socket& socket = scene_.network.socket(socket_);
        exchange.sent_us = index == 0 ? connect_us_ : socket.last_sent_us;
        exchange.sent_bytes = socket.output_total;
    }
    const std::size_t head = exchange.head_bytes;
    if (begin < head && end >= head) {
        exchange.head_us = now_us;
        exchange.paid_until_us = now_us;
    } else if (begin >= head) {
        exchange.longest_gap_us = std::max(exchange.longest_gap_us, now_us - exchange.latest_us);
        if (const std::uint64_t rate = scene_.plan.times.body_bytes_per_s_min; rate != 0) {
            exchange.too_slow = exchange.too_slow ||
                                (now_us + Plan::slack_us >= exchange.paid_until_us &&
                                 now_us + Plan::slack_us >=
                                     exchange.head_us + scene_.plan.times.rate_grace_ms * 1'000);
            // Nobody pays further ahead than the time-out for a gap.
            exchange.paid_until_us =
                std::min(exchange.paid_until_us + (end - begin) * 1'000'000 / rate,
                         now_us + scene_.plan.times.body_timeout_ms * 1'000);
        }
    }
    exchange.latest_us = now_us;
    if (end == exchange.request.size()) {
        exchange.last_us = now_us;
    }
}

// ---- what comes --------------------------------------------------------------------------------

void Judge::take(std::string_view bytes) {
    while (!bytes.empty()) {
        if (in_content_) {
            take_content(bytes);
            continue;
        }
        if (perhaps_.starts_with(bytes)) {
            perhaps_.remove_prefix(bytes.size());
            return;
        }
        if (said_close_) {
            wrong("bytes follow the response that said close");
        }
        // A head's end may be split over two pieces.
        const std::size_t from = head_.size() < 3 ? 0 : head_.size() - 3;
        const std::size_t before = head_.size();
        head_.append(bytes);
        const std::size_t end = head_.find("\r\n\r\n", from);
        if (end == std::string::npos) {
            return;
        }
        bytes.remove_prefix(end + 4 - before);
        head_.resize(end + 4);
        take_head();
    }
}

void Judge::take_head() {
    ResponseHead head;
    if (const char* error = read_head(head_, head)) {
        wrong(error, head_);
    }
    if (head.status == 100) {
        if (answered_ >= exchanges_.size() || !exchanges_[answered_].awaits_continue ||
            continues_ == answered_ + 1) {
            wrong("100 comes for a request that does not expect it");
        }
        continues_ = answered_ + 1;
        received_ += head_.size();
        head_.clear();
        return;
    }
    if (head.dates != 1 || head.servers != 1) {
        wrong("a response has not one Date and one Server", head_);
    }
    note(scene_.timeline.now_us(), "client {} gets {}{}", client_, head.status,
         head.close ? ", close" : "");
    judge_head(head.status, head.length, head.has_length, head.close);
    received_ += head_.size();
    head_.clear();
    in_content_ = true;
    std::string_view nothing;
    take_content(nothing);
}

void Judge::judge_head(unsigned status, std::uint64_t length, bool has_length, bool close) {
    if (answered_ >= exchanges_.size() || exchanges_[answered_].first_us == Timeline::never) {
        wrong("a response comes without a request", head_);
    }
    const Exchange& exchange = exchanges_[answered_];
    bool without_content = exchange.without_content;
    if (status == exchange.status && !exchange.refused) {
        if (exchange.last_us == Timeline::never && !exchange.closes) {
            wrong("a request is answered before it is complete", head_);
        }
        content_ = exchange.content;
    } else if (refusal_is_right(exchange, status)) {
        if (!close) {
            wrong("a refusal does not say close", head_);
        }
        content_ = text_of_status(status);
        if (exchange.request.starts_with("HEAD ")) {
            // Whether the server has seen that it is a HEAD depends on how much of it had come.
            perhaps_ = content_;
            without_content = true;
        }
    } else {
        wrong("a request gets the wrong answer",
              fmt::format("{} and not {}, for\n{}", status, exchange.status,
                          exchange.request.substr(0, 200)));
    }
    if (!has_length || length != content_.size()) {
        wrong("a response has the wrong length",
              fmt::format("{} and not {}", length, content_.size()));
    }
    if (without_content) {
        content_ = {};
    }
    const std::uint32_t requests_max = scene_.plan.limits.requests_max;
    const bool must_close = exchange.closes || (requests_max != 0 && answered_ + 1 >= requests_max);
    if (must_close && !close) {
        wrong("a response does not say close and must", head_);
    }
    if (close && !must_close && status == exchange.status && !close_is_right()) {
        wrong("a response says close and must not", head_);
    }
    said_close_ = close;
}

void Judge::take_content(std::string_view& bytes) {
    const std::size_t size = std::min(bytes.size(), content_.size());
    if (bytes.substr(0, size) != content_.substr(0, size)) {
        wrong("the content of a response is wrong");
    }
    bytes.remove_prefix(size);
    content_.remove_prefix(size);
    received_ += size;
    if (content_.empty()) {
        answers_end_ = received_;
        in_content_ = false;
        ++answered_;
        ++scene_.answers;
    }
}

// ---- what may be -------------------------------------------------------------------------------

bool Judge::is_late(std::uint64_t at_us, std::uint64_t since_us,
                    std::uint64_t limit_ms) const noexcept {
    return limit_ms != 0 && at_us + Plan::slack_us >= since_us + limit_ms * 1'000;
}

bool Judge::aborted() const noexcept {
    const std::uint64_t now_us = scene_.timeline.now_us();
    return (draining() && is_late(now_us, scene_.drain_us,
                                  scene_.plan.drain_delay_ms + scene_.plan.drain_timeout_ms)) ||
           scene_.second_drain_us != Timeline::never;
}

// Whether the client has taken too long to send this request.
bool Judge::timed_out(const Exchange& exchange) const {
    const core::TimeLimits& times = scene_.plan.times;
    const std::uint64_t now_us = scene_.timeline.now_us();
    const std::uint64_t since_us = answered_ == 0 ? connect_us_ : exchange.first_us;
    if (is_late(std::min(exchange.head_us, now_us), since_us, times.header_timeout_ms)) {
        return true;
    }
    // Who is to end soon must hurry.
    if (answered_ == 0 && (draining() || scene_.plan.peer_connections_max != 0) &&
        is_late(std::min(exchange.head_us, now_us), since_us, times.last_call_ms)) {
        return true;
    }
    if (exchange.head_us == Timeline::never) {
        return false;
    }
    const std::uint64_t gap_us =
        exchange.last_us == Timeline::never
            ? std::max(exchange.longest_gap_us, now_us - exchange.latest_us)
            : exchange.longest_gap_us;
    const bool rate_is_low =
        times.body_bytes_per_s_min != 0 &&
        (exchange.too_slow ||
         (exchange.last_us == Timeline::never &&
          now_us + Plan::slack_us >=
              std::max(exchange.paid_until_us, exchange.head_us + times.rate_grace_ms * 1'000)));
    return is_late(gap_us, 0, times.body_timeout_ms) || rate_is_low;
}

bool Judge::refusal_is_right(const Exchange& exchange, unsigned status) const {
    switch (status) {
        case 400:
            return exchange.refused || (finished_ && exchange.last_us == Timeline::never);
        case 408:
            // A head without end takes a slow server long.
            return exchange.refused || timed_out(exchange);
        case 413:
        case 414:
        case 431:
        case 501:
        case 505:
            return exchange.refused;
        case 429:
            return scene_.plan.peer_connections_max != 0 && answered_ == 0;
        case 503:
            return exchange.delay_us != 0 &&
                   is_late(exchange.delay_us, 0, scene_.plan.times.handler_timeout_ms);
        default:
            return false;
    }
}

bool Judge::close_is_right() const {
    const std::uint64_t age_ms = scene_.plan.times.connection_max_age_ms;
    return draining() || finished_ ||
           is_late(scene_.timeline.now_us(), connect_us_, age_ms - age_ms / 10);
}

// Whether the server may end a response, or the connection, in the middle.
bool Judge::may_be_cut() const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    // A reset destroys what has been sent before it, too.
    const bool content_may_fail =
        std::any_of(exchanges_.begin() + static_cast<std::ptrdiff_t>(answered_), exchanges_.end(),
                    [](const Exchange& exchange) {
                        return exchange.may_be_cut && exchange.first_us != Timeline::never;
                    });
    if (aborted() || content_may_fail) {
        return true;
    }
    // Of a stop that ends before the wait in which it began the server knows nothing: to it the
    // kernel has taken nothing for all that time; or too little since the output began, which was
    // not before the connection did.
    const bool by_rate = times.write_bytes_per_s_min != 0;
    const std::uint64_t now_us = scene_.timeline.now_us();
    if (scene_.plan.stopped_us != 0 && scene_.plan.sends_are_refused &&
        (is_late(now_us, socket.last_sent_us, times.write_timeout_ms) ||
         (by_rate && is_late(now_us, connect_us_, times.rate_grace_ms)))) {
        return true;
    }
    if (manner_.reads_slowly()) {
        // Room is told of when a third of the kernel's memory is free.
        const std::uint64_t pieces = socket.output_capacity / manner_.read_piece + 2;
        if (by_rate || is_late(pieces * manner_.read_delay_us, 0, times.write_timeout_ms)) {
            return true;
        }
    }
    // Who sends, or reads, longer than the server lingers may lose what it has not read.
    return (said_close_ || manner_.reads_slowly()) && socket.ended &&
           is_late(scene_.timeline.now_us(), socket.ended_us,
                   std::min(times.linger_timeout_ms, times.linger_max_ms));
}

// Nobody waits for a connection that makes room: what its client sends then has the kernel reset
// it, and that destroys the responses on their way.
bool Judge::may_be_reset() const {
    const Socket& socket = scene_.network.socket(socket_);
    return scene_.plan.evicts && socket.ended &&
           std::any_of(exchanges_.begin(), exchanges_.end(), [&](const Exchange& exchange) {
               return exchange.first_us != Timeline::never && exchange.latest_us > socket.ended_us;
           });
}

bool Judge::may_be_unanswered(const Exchange& exchange) const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    if (may_be_cut()) {
        return true;
    }
    // Its beginning crossed the end of a connection that had been idle for too long: all earlier
    // answers had been sent ...
    if (exchange.sent_bytes == answers_end_ &&
        is_late(exchange.first_us, exchange.sent_us,
                answered_ == 0 ? times.header_timeout_ms : times.keepalive_timeout_ms)) {
        return true;
    }
    // ... or that was closed for another reason.
    // (A connection that waited for a place gets none from a server that stops.)
    if (draining() && scene_.plan.evicts && answered_ == 0) {
        return true;
    }
    // A server that stops takes no request behind the responses that it still sends.
    if (draining() && exchange.first_run_us + Plan::slack_us >= scene_.drain_run_us) {
        return true;
    }
    // Who comes from an address that has too many, and has got no answer, is the first to go.
    if (scene_.plan.peer_connections_max != 0 && scene_.plan.evicts && answered_ == 0) {
        return true;
    }
    const bool may_end = scene_.plan.evicts || draining() || scene_.plan.peer_connections_max != 0;
    return may_end &&
           (!socket.accepted || exchange.first_run_us + Plan::slack_us >= socket.ended_run_us);
}

void Judge::end(bool reset) {
    note(scene_.timeline.now_us(), "client {} sees the {}", client_, reset ? "reset" : "end");
    if (scene_.network.socket(socket_).aborted || (reset && may_be_reset())) {
        return;
    }
    if (in_response()) {
        if (!may_be_cut()) {
            wrong("a response is cut", head_);
        }
        return;
    }
    if (said_close_ || may_be_cut()) {
        return;
    }
    if (answered_ < exchanges_.size() && exchanges_[answered_].first_us != Timeline::never) {
        if (!may_be_unanswered(exchanges_[answered_])) {
            wrong("a request is not answered", exchanges_[answered_].request.substr(0, 200));
        }
        return;
    }
    if (reset && !draining()) {
        wrong("an idle connection is reset");
    }
    judge_idle_end();
}

// The server has closed a connection on which nothing was going on.
void Judge::judge_idle_end() const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    const bool opening = answered_ == 0;
    const std::uint64_t since_us = opening ? connect_us_ : socket.last_sent_us;
    const std::uint64_t limit_ms = opening ? times.header_timeout_ms : times.keepalive_timeout_ms;
    if (!finished_ && !scene_.plan.evicts && !draining() && scene_.plan.peer_connections_max == 0 &&
        !is_late(socket.ended_us, since_us, limit_ms)) {
        wrong("an idle connection is closed too early");
    }
    // By the time that the process has run; after a stop it may take as long again to catch up.
    if (!opening && socket.ended_run_us > socket.last_sent_run_us + limit_ms * 1'000 +
                                              Plan::slack_us + scene_.plan.stopped_us) {
        wrong("an idle connection is closed too late");
    }
}

}  // namespace enduring::simulation
