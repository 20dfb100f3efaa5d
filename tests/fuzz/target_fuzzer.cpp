// Targets, paths and authorities: what a target is taken for consists of its own octets and is of
// the form that its method has; a path never leaves its directory, and is what a second resolution
// finds; hosts and ports are what a second reading, with the C library's inet_pton(), says.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/authority.hpp"
#include "http/file_path.hpp"
#include "http/framing.hpp"
#include "http/request_head.hpp"
#include "http/router.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace enduring::http {
namespace {

constexpr std::size_t input_bytes_max = 1024;
constexpr std::string_view digits = "0123456789";
constexpr std::string_view hexadecimal = "0123456789abcdefABCDEF";

bool consists_of(std::string_view text, std::string_view set) {
    return text.find_first_not_of(set) == std::string_view::npos;
}

// ---- authorities --------------------------------------------------------------------------------

bool is_ipv6(std::string_view text) {
    in6_addr address{};
    return !text.contains('\0') && inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

// unreserved, sub-delims without the comma
constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=";

// reg-name without a comma
bool is_name(std::string_view text) {
    if (text.empty()) {
        return false;
    }
    while (!text.empty()) {
        if (text.front() == '%') {
            if (text.size() < 3 || !consists_of(text.substr(1, 2), hexadecimal)) {
                return false;
            }
            text.remove_prefix(3);
        } else if (consists_of(text.substr(0, 1), name_characters)) {
            text.remove_prefix(1);
        } else {
            return false;
        }
    }
    return true;
}

bool is_future_address(std::string_view text) {
    const std::size_t dot = text.find('.');
    return dot != std::string_view::npos && dot >= 2 && (text[0] == 'v' || text[0] == 'V') &&
           consists_of(text.substr(1, dot - 1), hexadecimal) && dot + 1 < text.size() &&
           consists_of(text.substr(dot + 1), std::string(name_characters) + ",:");
}

bool is_port(std::string_view text) {
    const std::size_t zeros = std::min(text.find_first_not_of('0'), text.size());
    const std::string_view number = text.substr(zeros);
    return consists_of(text, digits) && number.size() <= 5 &&
           (number.empty() || std::stoul(std::string(number)) <= 65535);
}

bool is_authority(std::string_view text) {
    const bool bracket = text.starts_with('[');
    const std::size_t close = text.find(']');
    if (bracket && close == std::string_view::npos) {
        return false;
    }
    const std::size_t end = bracket ? close + 1 : std::min(text.find(':'), text.size());
    const std::string_view host = text.substr(0, end);
    const std::string_view rest = text.substr(end);
    const std::string_view inner = bracket ? host.substr(1, host.size() - 2) : host;
    return (bracket ? is_ipv6(inner) || is_future_address(inner) : is_name(inner)) &&
           (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1))));
}

void test_authority(std::string_view input) {
    const fuzz::Copy text(input);
    const auto authority = parse_authority(text.view());
    FUZZ_EXPECT(authority.has_value() == is_authority(input), input);
    FUZZ_EXPECT(is_ipv6_address(text.view()) == is_ipv6(input), input);
    if (authority) {
        FUZZ_EXPECT(text.holds(authority->host), input);
        const std::string whole =
            authority->port.data() == nullptr
                ? std::string(authority->host)
                : std::string(authority->host) + ":" + std::string(authority->port);
        FUZZ_EXPECT(whole == input, input);
    }
}

// ---- paths --------------------------------------------------------------------------------------

// Nothing for a percent sign that encodes nothing.
std::optional<std::string> decode(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        if (text.front() != '%') {
            result += text.front();
            text.remove_prefix(1);
            continue;
        }
        if (text.size() < 3 || !consists_of(text.substr(1, 2), hexadecimal)) {
            return std::nullopt;
        }
        result += static_cast<char>(std::stoi(std::string(text.substr(1, 2)), nullptr, 16));
        text.remove_prefix(3);
    }
    return result;
}

std::string encode(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '/') {
            result += c;
        } else {
            result.append(1, '%')
                .append(1, hexadecimal[byte / 16])
                .append(1, hexadecimal[byte % 16]);
        }
    }
    return result;
}

std::vector<std::string_view> segments_of(std::string_view path) {
    std::vector<std::string_view> segments;
    for (;;) {
        const std::size_t slash = path.find('/');
        segments.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return segments;
        }
        path.remove_prefix(slash + 1);
    }
}

void expect_below_directory(const FilePath& path, std::string_view input) {
    FUZZ_EXPECT(!path.relative.starts_with('/') && !path.relative.ends_with('/'), input);
    FUZZ_EXPECT(!path.relative.contains('\0'), input);
    for (const std::string_view segment : segments_of(path.relative)) {
        FUZZ_EXPECT(segment != ".." && segment != ".", input);
        FUZZ_EXPECT(!segment.empty() || path.relative.empty(), input);
    }
}

void test_path(std::string_view input) {
    const FilePath path = resolve_file_path(fuzz::Copy(input).view());
    // The first segment that cannot be decides.
    Status status = Status::ok;
    std::string relative;
    for (const std::string_view segment : segments_of(input)) {
        const auto name = decode(segment);
        if (!name || name->contains('\0')) {
            status = Status::bad_request;
            break;
        }
        if (*name == ".." || name->contains('/')) {
            status = Status::not_found;
            break;
        }
        if (!name->empty() && *name != ".") {
            relative += relative.empty() ? *name : "/" + *name;
        }
    }
    FUZZ_EXPECT(path.status == status, input);
    if (status != Status::ok) {
        return;
    }
    FUZZ_EXPECT(path.relative == relative, input);
    FUZZ_EXPECT(path.directory == (input.empty() || input.ends_with('/')), input);
    expect_below_directory(path, input);
    // The result names itself, and nothing climbs out of what stands before it.
    const FilePath again = resolve_file_path(encode(path.relative));
    FUZZ_EXPECT(again.status == Status::ok && again.relative == path.relative, input);
    const FilePath below = resolve_file_path("below/" + std::string(input));
    FUZZ_EXPECT(below.status == Status::ok, input);
    FUZZ_EXPECT(below.relative == (relative.empty() ? "below" : "below/" + relative), input);
}

// ---- targets ------------------------------------------------------------------------------------

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return result;
}

void expect_routed(const Framing& framing, std::string_view input) {
    static const Router router = [] {
        Router made;
        const Handler none = [](const Request&, Responder) {};
        made.get("/{rest...}", none).get("/a/{name}/b", none).get("/a", none);
        return made;
    }();
    Router::Match match;
    router.find(Method::get, framing.path, match);
    FUZZ_EXPECT(match.kind == Router::Match::Kind::found, input);
    const auto segments = segments_of(framing.path.substr(1));
    if (match.parameter_count == 0) {
        FUZZ_EXPECT(segments.size() == 1 && decode(segments[0]) == "a", input);
    } else if (match.parameters[0].name == "name") {
        FUZZ_EXPECT(segments.size() == 3 && decode(segments[0]) == "a" &&
                        match.parameters[0].value == segments[1] && decode(segments[2]) == "b" &&
                        !segments[1].empty(),
                    input);
    } else {
        FUZZ_EXPECT(match.parameters[0].value == framing.path.substr(1), input);
        FUZZ_EXPECT(segments.size() != 1 || decode(segments[0]) != "a", input);
    }
}

void expect_good_path(const Framing& framing, std::string_view input) {
    FUZZ_EXPECT(framing.path.starts_with('/'), input);
    FUZZ_EXPECT(framing.path.find_first_of("?#\"<>\\^`{}") == std::string_view::npos, input);
    FUZZ_EXPECT(framing.query.find_first_of("#\"<>") == std::string_view::npos, input);
    // What files and routes are made of can be decoded.
    FUZZ_EXPECT(decode(framing.path).has_value(), input);
    expect_below_directory(resolve_file_path(framing.path), input);
    expect_routed(framing, input);
}

// The parser lets no white space and no control character into a target.
bool may_be_target(std::string_view input) {
    return !input.empty() && std::ranges::none_of(input, [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
    });
}

void test_target(std::string_view input, Method method) {
    const std::string host = "Hosthost.example";
    const fuzz::Copy bytes(std::string(input) + host);
    const auto size = static_cast<std::uint32_t>(input.size());
    RequestHead head;
    head.method = method;
    head.target = {0, size};
    head.fields.push_back({{size, 4}, {size + 4, 12}});
    const Framing framing = frame(head, bytes.data());
    const bool absolute = lower(input).starts_with("http://");
    if (method == Method::connect) {
        FUZZ_EXPECT(framing.refusal != Status::ok || (is_authority(input) && framing.path == input),
                    input);
        return;
    }
    if (framing.refusal == Status::ok && framing.path == "*") {
        FUZZ_EXPECT(method == Method::options, input);
        FUZZ_EXPECT(input == "*" || (absolute && !input.substr(7).contains('/')), input);
        return;
    }
    if (framing.refusal != Status::ok) {
        FUZZ_EXPECT(framing.refusal == Status::bad_request ||
                        (framing.refusal == Status::misdirected_request &&
                         lower(input).starts_with("https://")),
                    input);
        // RFC 3986's own characters are no reason to refuse.
        FUZZ_EXPECT(
            !(input.starts_with('/') && consists_of(input, std::string(name_characters) + ",/:@?")),
            input);
        return;
    }
    expect_good_path(framing, input);
    const std::string_view rest = absolute ? input.substr(7) : input;
    const std::string query =
        framing.query.data() == nullptr ? "" : "?" + std::string(framing.query);
    if (!absolute) {
        FUZZ_EXPECT(framing.authority == "host.example", input);
        FUZZ_EXPECT(std::string(framing.path) + query == rest, input);
    } else {
        FUZZ_EXPECT(is_authority(framing.authority), input);
        // A path that is not there is the root.
        const std::string authority(framing.authority);
        FUZZ_EXPECT(authority + std::string(framing.path) + query == rest ||
                        (framing.path == "/" && authority + query == rest),
                    input);
    }
}

}  // namespace
}  // namespace enduring::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enduring;
    using namespace enduring::http;
    if (size > input_bytes_max) {
        return -1;
    }
    const std::string_view input = fuzz::text_of(data, size);
    test_authority(input);
    test_path(input);
    if (may_be_target(input)) {
        for (const Method method : {Method::get, Method::options, Method::connect}) {
            test_target(input, method);
        }
    }
    return 0;
}
