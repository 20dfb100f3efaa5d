#include "http/parser.hpp"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "http/text.hpp"

namespace enduring::http {

namespace {

// What the callbacks work on during one call of parse().
struct Work {
    RequestHead* head;
    const char* base;
    const HeadLimits* limits;
    Status refusal = Status::ok;

    [[nodiscard]] std::uint32_t offset_of(const char* at) const noexcept {
        return static_cast<std::uint32_t>(at - base);
    }
};

Work& work_of(llhttp_t* parser) noexcept { return *static_cast<Work*>(parser->data); }

// A span that was cut by the end of the bytes comes in pieces that follow each other.
void put(Span& span, std::uint32_t offset, std::size_t size) noexcept {
    if (span.size == 0) {
        span.offset = offset;
    }
    span.size += static_cast<std::uint32_t>(size);
}

int refuse(Work& work, Status status) noexcept {
    work.refusal = status;
    return HPE_USER;
}

int on_target(llhttp_t* parser, const char* at, std::size_t size) {
    Work& work = work_of(parser);
    put(work.head->target, work.offset_of(at), size);
    return work.head->target.size > work.limits->target_bytes_max
               ? refuse(work, Status::uri_too_long)
               : 0;
}

int on_name(llhttp_t* parser, const char* at, std::size_t size) {
    Work& work = work_of(parser);
    // llhttp would read Content-Length, Transfer-Encoding and Connection by itself, and refuse
    // white space that RFC 9110 §5.5 allows. The fields' meaning is framing.cpp's: here all are
    // alike.
    parser->header_state = 0;
    auto& fields = work.head->fields;
    const std::uint32_t offset = work.offset_of(at);
    // Between the names of two fields there is at least a colon and a line's end.
    if (!fields.empty() && fields.back().name.end() == offset) {
        put(fields.back().name, offset, size);
        return 0;
    }
    if (fields.size() == work.limits->fields_max) {
        return refuse(work, Status::header_fields_too_large);
    }
    fields.push_back({{offset, static_cast<std::uint32_t>(size)}, {}});
    return 0;
}

int on_value(llhttp_t* parser, const char* at, std::size_t size) {
    Work& work = work_of(parser);
    put(work.head->fields.back().value, work.offset_of(at), size);
    return 0;
}

// The content is framed by us, so llhttp stops at the end of the head.
int on_headers_complete(llhttp_t*) { return HPE_PAUSED; }

const llhttp_settings_t& settings() noexcept {
    static const llhttp_settings_t made = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_url = on_target;
        s.on_header_field = on_name;
        s.on_header_value = on_value;
        s.on_headers_complete = on_headers_complete;
        return s;
    }();
    return made;
}

const llhttp_t& fresh_state() noexcept {
    static const llhttp_t made = [] {
        llhttp_t state;
        llhttp_init(&state, HTTP_REQUEST, &settings());
        return state;
    }();
    return made;
}

constexpr auto methods = [] {
    std::array<Method, 64> table{};
    table.fill(Method::other);
    table[HTTP_GET] = Method::get;
    table[HTTP_HEAD] = Method::head;
    table[HTTP_POST] = Method::post;
    table[HTTP_PUT] = Method::put;
    table[HTTP_DELETE] = Method::delete_;
    table[HTTP_OPTIONS] = Method::options;
    table[HTTP_PATCH] = Method::patch;
    table[HTTP_TRACE] = Method::trace;
    table[HTTP_CONNECT] = Method::connect;
    return table;
}();

// A method that is longer than all that are known is one that we do not know, 501 (RFC 9112 §3);
// but what is far longer is no method but noise.
constexpr std::size_t method_bytes_max = 1024;
// "HTTP/1.1" and a line's end.
constexpr std::size_t version_bytes_max = 10;

// Whether something but whole empty lines begins with a line's end. llhttp passes over any CR and
// LF there; RFC 9112 §2.2 knows CRLF only.
bool has_stray_line_end(const char* base, std::uint32_t size) noexcept {
    constexpr std::string_view empty_line = "\r\n";
    std::uint32_t at = 0;
    while (at < size && base[at] == empty_line[at % 2]) {
        ++at;
    }
    return at < size && (at % 2 == 1 || base[at] == '\r' || base[at] == '\n');
}

std::string_view request_line_of(const char* base, std::uint32_t size) noexcept {
    std::string_view line(base, size);
    const std::size_t begin = line.find_first_not_of("\r\n");
    line.remove_prefix(begin == std::string_view::npos ? line.size() : begin);
    return line;
}

// What a method that llhttp does not know deserves: 501 if it is a token, else 400; nothing as long
// as the bytes do not tell.
std::optional<Status> judge_method(std::string_view line) noexcept {
    const std::string_view start = line.substr(0, method_bytes_max + 1);
    const std::size_t space = start.find(' ');
    const std::string_view method = start.substr(0, space);
    if (!is_token(method) || method.size() > method_bytes_max) {
        return Status::bad_request;
    }
    return space == std::string_view::npos ? std::nullopt : std::optional(Status::not_implemented);
}

// Whether the version begins like one of HTTP.
bool is_http(std::string_view line) noexcept {
    const std::size_t second = line.find(' ', line.find(' ') + 1);
    return second != std::string_view::npos && line.substr(second).starts_with(" HTTP/");
}

// Whether the field's name that was being read is one more than there may be. A name that is cut by
// the end of the bytes is counted at once, so one that turns out to be none must be as well.
bool is_name_beyond(const RequestHead& head, std::string_view parsed,
                    const HeadLimits& limits) noexcept {
    const std::size_t name = parsed.rfind('\n') + 1;
    const bool counted = !head.fields.empty() && head.fields.back().name.offset == name;
    const bool in_request_line = parsed.find_first_not_of("\r\n") >= name;
    return !in_request_line && head.fields.size() == limits.fields_max && !counted &&
           is_token(parsed.substr(name));
}

// What a version that llhttp does not accept deserves: 505 if it is well formed, else 400.
std::optional<Status> judge_version(std::string_view line) noexcept {
    const std::size_t first = line.find(' ');
    const std::size_t second = line.find(' ', first + 1);
    const std::string_view version = line.substr(second + 1, version_bytes_max);
    constexpr std::string_view form = "HTTP/d.d\r\n";
    for (std::size_t i = 0; i < version.size(); ++i) {
        if (form[i] == 'd' ? !is_digit(version[i]) : version[i] != form[i]) {
            return Status::bad_request;
        }
    }
    return version.size() < form.size() ? std::nullopt
                                        : std::optional(Status::version_not_supported);
}

}  // namespace

void HeadParser::start() noexcept {
    static_assert(sizeof(llhttp_t) <= state_bytes && alignof(llhttp_t) <= 8);
    std::memcpy(state_, &fresh_state(), sizeof(llhttp_t));
    parsed_ = 0;
    error_ = 0;
}

HeadParser::Outcome HeadParser::parse(RequestHead& head, const char* base, std::uint32_t size,
                                      const HeadLimits& limits) {
    using Kind = Outcome::Kind;
    const std::uint32_t end = std::min(size, limits.head_bytes_max);
    if (end > 0 && base[0] <= '\r' && has_stray_line_end(base, end)) {
        return {Kind::refused, Status::bad_request, 0};
    }
    if (error_ != 0) {
        return judge_error(head, base, end, limits);
    }
    auto* state = reinterpret_cast<llhttp_t*>(state_);
    Work work{&head, base, &limits};
    state->data = &work;
    llhttp_errno error = llhttp_execute(state, base + parsed_, end - parsed_);
    if (error == HPE_INVALID_VERSION && pass_minor_version(head, base, end)) {
        error = llhttp_execute(state, base + parsed_, end - parsed_);
    }
    if (error == HPE_OK) {
        parsed_ = end;
        return end == limits.head_bytes_max
                   ? Outcome{Kind::refused, Status::header_fields_too_large, 0}
                   : Outcome{Kind::incomplete};
    }
    parsed_ = static_cast<std::uint32_t>(llhttp_get_error_pos(state) - base);
    if (error == HPE_PAUSED) {
        // llhttp passes over several spaces; RFC 9112 §3 has one on each side of the target. It
        // also knows requests of HTTP/0.9, which have no version, of RTSP and of Icecast.
        const Span& target = head.target;
        if (base[target.offset - 2] == ' ' ||
            !std::string_view(base + target.end(), end - target.end()).starts_with(" HTTP/")) {
            return {Kind::refused, Status::bad_request, 0};
        }
        if (state->http_major != 1) {
            return {Kind::refused, Status::version_not_supported, 0};
        }
        head.method = methods[state->method];
        head.minor_version = state->http_minor;
        return {Kind::complete, Status::ok, parsed_};
    }
    if (error == HPE_USER) {
        return {Kind::refused, work.refusal, 0};
    }
    error_ = error;
    return judge_error(head, base, end, limits);
}

// HTTP/1.2 to 1.9 mean what HTTP/1.1 means: RFC 9110 §2.5. llhttp refuses them, so the request line
// is given to it once more with the minor version 1. False if that is not what it stopped at.
bool HeadParser::pass_minor_version(RequestHead& head, const char* base, std::uint32_t end) {
    auto* state = reinterpret_cast<llhttp_t*>(state_);
    constexpr std::string_view version_1 = " HTTP/1.";
    const std::string_view behind(base + head.target.end(), end - head.target.end());
    if (state->http_major != 1 || state->http_minor <= 1 || !behind.starts_with(version_1)) {
        return false;
    }
    const auto digit = static_cast<std::uint32_t>(head.target.end() + version_1.size());
    void* const work = state->data;
    start();
    state->data = work;
    head.target = {};
    llhttp_execute(state, base, digit);
    llhttp_execute(state, "1", 1);
    parsed_ = digit + 1;
    return true;
}

// parsed_ is where llhttp stopped. A target that is too long is too long whatever follows it; for
// the rest see the functions above.
HeadParser::Outcome HeadParser::judge_error(const RequestHead& head, const char* base,
                                            std::uint32_t size, const HeadLimits& limits) {
    using Kind = Outcome::Kind;
    const std::string_view line = request_line_of(base, size);
    std::optional<Status> verdict = Status::bad_request;
    if (error_ == HPE_INVALID_METHOD) {
        verdict = judge_method(line);
    } else if (error_ == HPE_INVALID_CONSTANT && is_http(line)) {
        // A method of RTSP's or Icecast's.
        verdict = Status::not_implemented;
    } else if (error_ == HPE_INVALID_VERSION) {
        verdict = judge_version(line);
    } else if (error_ == HPE_PAUSED_H2_UPGRADE) {
        verdict = Status::version_not_supported;
    } else if (error_ == HPE_INVALID_URL) {
        const auto target = static_cast<std::uint32_t>(line.data() - base + line.find(' ') + 1);
        if (parsed_ > target && parsed_ - target > limits.target_bytes_max) {
            verdict = Status::uri_too_long;
        }
    } else if (is_name_beyond(head, {base, parsed_}, limits)) {
        verdict = Status::header_fields_too_large;
    }
    if (!verdict) {
        return size == limits.head_bytes_max ? Outcome{Kind::refused, Status::bad_request, 0}
                                             : Outcome{Kind::incomplete};
    }
    return {Kind::refused, *verdict, 0};
}

}  // namespace enduring::http
