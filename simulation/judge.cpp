#include "simulation/judge.hpp"

#include <algorithm>
#include <charconv>

#include "simulation/report.hpp"

namespace enduring::simulation {

struct Judge::ResponseHead {
    unsigned status = 0;
    std::uint64_t length = 0;
    bool has_length = false;
    bool close = false;
    bool chunked = false;
    unsigned dates = 0;
    unsigned servers = 0;
    bool wants_fields = false;
    std::vector<http::test::Response::Field> fields{};
};

namespace {

bool read_number(std::string_view text, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

// Gives what is wrong, or null.
const char* Judge::read_head(std::string_view text, ResponseHead& head) {
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
        } else if (name == "Transfer-Encoding") {
            if (head.chunked || value != "chunked") {
                return "the transfer coding of a response is wrong";
            }
            head.chunked = true;
        } else if (name == "Connection") {
            head.close = value == "close";
        } else if (name == "Date") {
            ++head.dates;
        } else if (name == "Server") {
            ++head.servers;
        }
        if (head.wants_fields) {
            head.fields.push_back({.name = std::string(name), .value = std::string(value)});
        }
    }
    return nullptr;
}

void Judge::wrong(const char* what, std::string_view details) const {
    fail(what, core::formatted("client {}, request {} of {}: {}", client_, answered_ + 1,
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
    head.wants_fields = answered_ < exchanges_.size() && exchanges_[answered_].verdict;
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
    judge_head(head);
    received_ += head_.size();
    head_.clear();
    in_content_ = true;
    std::string_view nothing;
    take_content(nothing);
}

void Judge::judge_head(const ResponseHead& head) {
    if (answered_ >= exchanges_.size() || exchanges_[answered_].first_us == Timeline::never) {
        wrong("a response comes without a request", head_);
    }
    may_end_ = false;  // the connection has gone on
    const Exchange& exchange = exchanges_[answered_];
    // What the server says by itself closes, and has a content that is known.
    const bool refuses = head.close && head.has_length &&
                         head.length == text_of_status(head.status).size() &&
                         refusal_is_right(exchange, head.status);
    if (exchange.verdict && !refuses) {
        expect_any(exchange, head);
    } else {
        expect_known(exchange, head);
    }
    const std::uint32_t requests_max = scene_.plan.limits.requests_max;
    const bool must_close = exchange.closes || (requests_max != 0 && answered_ + 1 >= requests_max);
    if (must_close && !head.close) {
        wrong("a response does not say close and must", head_);
    }
    if (head.close && !must_close && head.status == exchange.status && !exchange.verdict &&
        !close_is_right()) {
        wrong("a response says close and must not", head_);
    }
    said_close_ = head.close;
}

void Judge::expect_known(const Exchange& exchange, const ResponseHead& head) {
    framing_ = Framing::known;
    bool without_content = exchange.without_content;
    if (head.status == exchange.status && !exchange.refused && !exchange.verdict) {
        if (exchange.last_us == Timeline::never && !exchange.closes) {
            wrong("a request is answered before it is complete", head_);
        }
        content_ = exchange.content;
    } else if (refusal_is_right(exchange, head.status)) {
        if (!head.close) {
            wrong("a refusal does not say close", head_);
        }
        content_ = text_of_status(head.status);
        if (exchange.request.starts_with("HEAD ")) {
            // Whether the server has seen that it is a HEAD depends on how much of it had come.
            perhaps_ = content_;
            without_content = true;
        }
    } else {
        wrong("a request gets the wrong answer",
              core::formatted("{} and not {}, for\n{}", head.status, exchange.status,
                              exchange.request.substr(0, 200)));
    }
    if (!head.has_length || head.length != content_.size()) {
        wrong("a response has the wrong length",
              core::formatted("{} and not {}", head.length, content_.size()));
    }
    if (without_content) {
        content_ = {};
    }
}

void Judge::expect_any(const Exchange& exchange, const ResponseHead& head) {
    if (exchange.head_us == Timeline::never && head.status < 400) {
        wrong("a request is answered before its head is complete", head_);
    }
    if (head.chunked && head.has_length) {
        wrong("a response has both a length and a transfer coding", head_);
    }
    const bool without_content =
        exchange.without_content || head.status == 204 || head.status == 304;
    framing_ = without_content || head.has_length ? Framing::sized
               : head.chunked                     ? Framing::chunked
                                                  : Framing::until_end;
    if (framing_ == Framing::until_end && !head.close) {
        wrong("the end of a response cannot be told", head_);
    }
    content_left_ = without_content ? 0 : head.length;
    chunks_ = {};
    response_ = {.status = static_cast<http::Status>(head.status),
                 .reason = head_.substr(13, head_.find("\r\n") - 13),
                 .fields = head.fields,
                 .chunked = head.chunked,
                 .bytes = head_};
}

void Judge::take_content(std::string_view& bytes) {
    if (framing_ == Framing::known) {
        take_known(bytes);
    } else {
        take_any(bytes);
    }
}

void Judge::take_known(std::string_view& bytes) {
    const std::size_t size = std::min(bytes.size(), content_.size());
    if (bytes.substr(0, size) != content_.substr(0, size)) {
        wrong("the content of a response is wrong");
    }
    bytes.remove_prefix(size);
    content_.remove_prefix(size);
    received_ += size;
    if (content_.empty()) {
        finish_response();
    }
}

void Judge::take_any(std::string_view& bytes) {
    const std::string_view before = bytes;
    bool complete = false;
    if (framing_ == Framing::chunked) {
        if (const char* error = chunks_.take(bytes, response_.content)) {
            wrong(error, response_.bytes.substr(0, response_.bytes.find("\r\n\r\n")));
        }
        complete = chunks_.complete();
    } else {
        const std::uint64_t wanted = framing_ == Framing::sized ? content_left_ : bytes.size();
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), wanted));
        response_.content.append(bytes.substr(0, size));
        bytes.remove_prefix(size);
        content_left_ -= framing_ == Framing::sized ? size : 0;
        complete = framing_ == Framing::sized && content_left_ == 0;
    }
    const std::size_t taken = before.size() - bytes.size();
    response_.bytes.append(before.substr(0, taken));
    received_ += taken;
    if (complete) {
        finish_any();
    }
}

void Judge::finish_any() {
    const Exchange& exchange = exchanges_[answered_];
    if (const std::string error = exchange.verdict(response_); !error.empty()) {
        wrong("a request gets the wrong answer",
              core::formatted("{}\n--- request\n{}\n--- answer\n{}", error,
                              exchange.request.substr(0, 400), response_.bytes.substr(0, 800)));
    }
    may_end_ = exchange.may_end_early;
    finish_response();
}

void Judge::finish_response() {
    answers_end_ = received_;
    in_content_ = false;
    ++answered_;
    ++scene_.answers;
}

}  // namespace enduring::simulation
