#include "http/framing.hpp"

#include <algorithm>
#include <array>
#include <charconv>

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

// unreserved / sub-delims of RFC 3986 §3.2.2.
constexpr auto reg_name_characters = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c < 128; ++c) {
        const char character = static_cast<char>(c);
        table[c] = is_letter(character) || is_digit(character) ||
                   std::string_view("-._~!$&'()*+;=").contains(character);
    }
    return table;
}();

bool is_reg_name_character(char c) noexcept {
    return reg_name_characters[static_cast<unsigned char>(c)];
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

// RFC 9112 §3.2: origin-form, absolute-form, authority-form (CONNECT), asterisk-form (OPTIONS).
bool read_target(std::string_view target, Method method, Framing& framing) {
    if (target.contains('#')) {
        return false;
    }
    if (method == Method::connect) {
        framing.path = target;
        return is_valid_host(target);
    }
    if (target.starts_with('/')) {
        split_query(target, framing);
        return true;
    }
    if (target == "*") {
        framing.path = target;
        return method == Method::options;
    }
    const std::string_view scheme = starts_with_ignoring_case(target, "http://")    ? "http://"
                                    : starts_with_ignoring_case(target, "https://") ? "https://"
                                                                                    : "";
    if (scheme.empty()) {
        return false;
    }
    target.remove_prefix(scheme.size());
    const std::size_t end = target.find_first_of("/?");
    framing.authority = target.substr(0, end);
    split_query(end == std::string_view::npos ? std::string_view() : target.substr(end), framing);
    if (framing.path.empty()) {
        // "OPTIONS http://host" asks about the server as a whole: RFC 9112 §3.2.4.
        framing.path = method == Method::options && framing.query.empty() ? "*" : "/";
    }
    return is_valid_host(framing.authority);
}

}  // namespace

bool is_valid_host(std::string_view text) noexcept {
    std::size_t colon = 0;
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos || bracket < 3) {
            return false;
        }
        for (const char c : text.substr(1, bracket - 1)) {
            if (hex_value(c) < 0 && c != ':' && c != '.') {
                return false;
            }
        }
        colon = bracket + 1;
        if (colon < text.size() && text[colon] != ':') {
            return false;
        }
    } else {
        colon = std::min(text.find(':'), text.size());
        const std::string_view name = text.substr(0, colon);
        for (std::size_t i = 0; i < name.size(); ++i) {
            if (name[i] == '%') {
                if (i + 2 >= name.size() || hex_value(name[i + 1]) < 0 ||
                    hex_value(name[i + 2]) < 0) {
                    return false;
                }
                i += 2;
            } else if (!is_reg_name_character(name[i])) {
                return false;
            }
        }
        if (name.empty()) {
            return false;
        }
    }
    if (colon >= text.size()) {
        return true;
    }
    const std::string_view port = text.substr(colon + 1);
    return port.size() <= 5 && std::ranges::all_of(port, is_digit);
}

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
    const bool host_good =
        found.hosts == 1 ? is_valid_host(found.host) : found.hosts == 0 && head.minor_version == 0;
    if (!host_good || !read_target(head.target.in(base), head.method, framing)) {
        framing.refusal = Status::bad_request;
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
