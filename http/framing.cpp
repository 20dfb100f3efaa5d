#include "http/framing.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/authority.hpp"
#include "http/text.hpp"

namespace enduring::http {

namespace {

// What was found in the fields that matter here.
struct Found {
    std::string_view host;
    std::string_view content_length;
    unsigned hosts = 0;
    unsigned content_lengths = 0;
    unsigned transfer_codings = 0;   // elements of the list, over all fields
    bool transfer_encoding = false;  // the field is there
    bool coding_invalid = false;     // an element is empty or no token
    bool coding_unknown = false;     // an element that we cannot know how to decode
    bool chunked_last = false;
    unsigned chunked = 0;
    bool close = false;
    bool keep_alive = false;
    bool expect = false;
    bool expect_unknown = false;
};

void take_transfer_encoding(Found& found, std::string_view value) {
    found.transfer_encoding = true;
    for_each_element(value, [&](std::string_view coding) {
        ++found.transfer_codings;
        found.chunked_last = equals_ignoring_case(coding, "chunked");
        found.chunked += found.chunked_last ? 1 : 0;
        found.coding_invalid = found.coding_invalid || !is_token(coding);
        constexpr std::array<std::string_view, 5> registered{"gzip", "x-gzip", "deflate",
                                                             "compress", "identity"};
        found.coding_unknown =
            found.coding_unknown ||
            (!found.chunked_last && std::ranges::none_of(registered, [&](std::string_view name) {
                return equals_ignoring_case(coding, name);
            }));
    });
}

void take_field(Found& found, std::string_view name, std::string_view value) {
    switch (name.size()) {
        case 4:
            if (equals_ignoring_case(name, "host")) {
                found.host = value;
                ++found.hosts;
            }
            break;
        case 6:
            if (equals_ignoring_case(name, "expect")) {
                for_each_element(value, [&](std::string_view expectation) {
                    const bool known = equals_ignoring_case(expectation, "100-continue");
                    found.expect = found.expect || known;
                    found.expect_unknown = found.expect_unknown || (!known && !expectation.empty());
                });
            }
            break;
        case 10:
            if (equals_ignoring_case(name, "connection")) {
                for_each_element(value, [&](std::string_view option) {
                    found.close = found.close || equals_ignoring_case(option, "close");
                    found.keep_alive =
                        found.keep_alive || equals_ignoring_case(option, "keep-alive");
                });
            }
            break;
        case 14:
            if (equals_ignoring_case(name, "content-length")) {
                found.content_length = value;
                ++found.content_lengths;
            }
            break;
        case 17:
            if (equals_ignoring_case(name, "transfer-encoding")) {
                take_transfer_encoding(found, value);
            }
            break;
        default:
            break;
    }
}

// 1*DIGIT that fits 63 bits: nothing that we compute with it can overflow.
bool parse_length(std::string_view text, std::uint64_t& length) noexcept {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) {
        return false;
    }
    const auto result = std::from_chars(text.data(), text.data() + text.size(), length);
    return result.ec == std::errc() && length <= (~std::uint64_t{0} >> 1);
}

Status frame_content(const Found& found, const RequestHead& head, Framing& framing) {
    if (found.content_lengths > 1 || (found.content_lengths == 1 && found.transfer_encoding)) {
        return Status::bad_request;
    }
    if (found.content_lengths == 1) {
        if (!parse_length(found.content_length, framing.content_bytes)) {
            return Status::bad_request;
        }
        framing.content =
            framing.content_bytes > 0 ? Framing::Content::sized : Framing::Content::none;
        return Status::ok;
    }
    if (!found.transfer_encoding) {
        return Status::ok;
    }
    // HTTP/1.0 has no transfer codings: whoever sent this cannot be trusted about the framing.
    if (head.minor_version == 0 || found.coding_invalid || found.chunked > 1) {
        return Status::bad_request;
    }
    if (!found.chunked_last) {
        return found.chunked == 0 && found.coding_unknown ? Status::not_implemented
                                                          : Status::bad_request;
    }
    if (found.transfer_codings > 1) {
        return Status::not_implemented;
    }
    framing.content = Framing::Content::chunked;
    return Status::ok;
}

// Octets that have no place in a target, or need a second look. Most targets have none of them.
constexpr auto suspicious_octets = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view("%#\"<>\\^`{}")) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();

bool is_suspicious(std::string_view target) noexcept {
    return std::ranges::any_of(
        target, [](char c) { return suspicious_octets[static_cast<unsigned char>(c)]; });
}

// RFC 3986 §3.3 and §3.4, but for what browsers send as it is: brackets and bars anywhere, and in a
// query also braces, carets, backticks, backslashes, and percent signs that encode nothing.
bool has_valid_octets(std::string_view target) noexcept {
    const std::size_t question = std::min(target.find('?'), target.size());
    for (std::size_t i = 0; i < target.size(); ++i) {
        constexpr std::string_view never = "#\"<>";
        constexpr std::string_view not_in_path = "\\^`{}";
        if (never.contains(target[i]) || (i < question && not_in_path.contains(target[i]))) {
            return false;
        }
        if (target[i] == '%' && i < question &&
            (i + 2 >= question || hex_value(target[i + 1]) < 0 || hex_value(target[i + 2]) < 0)) {
            return false;
        }
    }
    return true;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start) noexcept {
    return text.size() >= start.size() && equals_ignoring_case(text.substr(0, start.size()), start);
}

void split_query(std::string_view target, Framing& framing) {
    const std::size_t question = target.find('?');
    framing.path = target.substr(0, question);
    if (question != std::string_view::npos) {
        framing.query = target.substr(question + 1);
    }
}

// An absolute target takes the place of the Host field: RFC 9112 §3.2.2.
Status read_absolute(std::string_view target, Method method, Framing& framing) {
    constexpr std::string_view http = "http://";
    constexpr std::string_view https = "https://";
    const bool secure = starts_with_ignoring_case(target, https);
    if (!secure && !starts_with_ignoring_case(target, http)) {
        return Status::bad_request;
    }
    target.remove_prefix(secure ? https.size() : http.size());
    const std::size_t end = target.find_first_of("/?");
    framing.authority = target.substr(0, end);
    if (!parse_authority(framing.authority)) {
        return Status::bad_request;
    }
    if (end == std::string_view::npos) {
        // "OPTIONS http://host" asks about the server as a whole: RFC 9112 §3.2.4.
        framing.path = method == Method::options ? "*" : "/";
    } else {
        split_query(target.substr(end), framing);
        framing.path = framing.path.empty() ? "/" : framing.path;
    }
    // RFC 9110 §7.4: a resource of https needs a secured connection, and ours is none.
    return secure ? Status::misdirected_request : Status::ok;
}

// RFC 9112 §3.2: origin-form, absolute-form, authority-form (CONNECT), asterisk-form (OPTIONS).
Status read_target(std::string_view target, Method method, Framing& framing) {
    if (is_suspicious(target) && !has_valid_octets(target)) {
        return Status::bad_request;
    }
    if (method == Method::connect) {
        framing.path = target;
        const auto authority = parse_authority(target);
        const bool has_port =
            authority && authority->port.find_first_not_of('0') != std::string_view::npos;
        return has_port ? Status::ok : Status::bad_request;
    }
    if (target.starts_with('/')) {
        split_query(target, framing);
        return Status::ok;
    }
    if (target == "*") {
        framing.path = target;
        return method == Method::options ? Status::ok : Status::bad_request;
    }
    return read_absolute(target, method, framing);
}

}  // namespace

Framing frame(const RequestHead& head, const char* base) {
    Framing framing;
    Found found;
    for (const FieldSpan& field : head.fields) {
        take_field(found, field.name.in(base), trim(field.value.in(base)));
    }
    framing.persistent = !found.close && (head.minor_version >= 1 || found.keep_alive);
    framing.refusal = frame_content(found, head, framing);
    if (framing.refusal != Status::ok) {
        return framing;
    }
    const bool host_good = found.hosts == 1 ? parse_authority(found.host).has_value()
                                            : found.hosts == 0 && head.minor_version == 0;
    framing.refusal =
        host_good ? read_target(head.target.in(base), head.method, framing) : Status::bad_request;
    if (framing.refusal != Status::ok) {
        return framing;
    }
    if (framing.authority.empty()) {
        framing.authority = found.host;
    }
    if (head.minor_version >= 1) {
        framing.expects_continue = found.expect;
        framing.refusal = found.expect_unknown ? Status::expectation_failed : Status::ok;
    }
    return framing;
}

}  // namespace enduring::http
