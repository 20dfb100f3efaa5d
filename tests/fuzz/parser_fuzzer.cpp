// Parser and framing: any cut of the bytes gives the same head as none; what is accepted is what a
// second, simple reading of RFC 9112 finds, field for field; a plain head is accepted; framing
// trusts no head that says where its content ends in more than one way.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/framing.hpp"
#include "http/parser.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace enduring::http {
namespace {

using Kind = HeadParser::Outcome::Kind;

constexpr std::size_t input_bytes_max = 4096;

struct Parsed {
    HeadParser::Outcome outcome;
    RequestHead head;
};

// The bytes given before lie somewhere else each time.
Parsed parse(std::string_view input, const HeadLimits& limits, fuzz::Cut cut) {
    HeadParser parser;
    Parsed parsed;
    std::size_t end = 0;
    fuzz::cut_into_pieces(input, cut, [&](std::string_view piece) {
        if (parsed.outcome.kind != Kind::incomplete) {
            return;
        }
        end += piece.size();
        const fuzz::Copy bytes(input.substr(0, end));
        parsed.outcome =
            parser.parse(parsed.head, bytes.data(), static_cast<std::uint32_t>(end), limits);
        FUZZ_EXPECT(parser.parsed() <= end, input);
    });
    return parsed;
}

bool equal(const Span& a, const Span& b) { return a.offset == b.offset && a.size == b.size; }

void expect_same(const Parsed& a, const Parsed& b, std::string_view input) {
    FUZZ_EXPECT(a.outcome.kind == b.outcome.kind, input);
    FUZZ_EXPECT(a.outcome.status == b.outcome.status, input);
    if (a.outcome.kind != Kind::complete) {
        return;
    }
    FUZZ_EXPECT(a.outcome.size == b.outcome.size, input);
    FUZZ_EXPECT(a.head.method == b.head.method, input);
    FUZZ_EXPECT(a.head.minor_version == b.head.minor_version, input);
    FUZZ_EXPECT(equal(a.head.target, b.head.target), input);
    FUZZ_EXPECT(std::ranges::equal(a.head.fields, b.head.fields,
                                   [](const FieldSpan& x, const FieldSpan& y) {
                                       return equal(x.name, y.name) && equal(x.value, y.value);
                                   }),
                input);
}

// ---- the second reading -------------------------------------------------------------------------

struct ReferenceField {
    std::string_view name;
    std::string_view value;
};
struct Reference {
    std::string_view method;
    std::string_view target;
    char minor_version = '1';
    std::vector<ReferenceField> fields;
    std::size_t size = 0;
};

bool consists_of(std::string_view text, bool (*good)(unsigned char)) {
    return std::ranges::all_of(text, [&](char c) { return good(static_cast<unsigned char>(c)); });
}
bool is_alphanumeric(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name(std::string_view text) {
    return !text.empty() && consists_of(text, [](unsigned char c) {
        return is_alphanumeric(c) ||
               std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c));
    });
}
std::string_view without_space(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// A line up to its CRLF; nothing if there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return line;
}

// RFC 9112 §2 to §5, without a thought for speed. Nothing for what is no head, or no whole one.
std::optional<Reference> read(std::string_view input) {
    std::string_view rest = input;
    std::optional<std::string_view> line;
    do {
        line = take_line(rest);
    } while (line && line->empty());
    if (!line || line->size() < 9) {
        return std::nullopt;
    }
    Reference result;
    const std::size_t space = line->find(' ');
    result.method = line->substr(0, space);
    const std::string_view version = line->substr(line->size() - 9);
    if (!is_name(result.method) || space + 9 >= line->size() || !version.starts_with(" HTTP/1.") ||
        version.back() < '0' || version.back() > '9') {
        return std::nullopt;
    }
    result.minor_version = version.back();
    result.target = line->substr(space + 1, line->size() - 9 - space - 1);
    if (result.target.empty() ||
        !consists_of(result.target, [](unsigned char c) { return c > ' ' && c != 0x7f; })) {
        return std::nullopt;
    }
    while ((line = take_line(rest)) && !line->empty()) {
        const std::size_t colon = line->find(':');
        const std::string_view value =
            colon == std::string_view::npos ? "" : line->substr(colon + 1);
        if (colon == std::string_view::npos || !is_name(line->substr(0, colon)) ||
            !consists_of(value,
                         [](unsigned char c) { return c == '\t' || (c >= ' ' && c != 0x7f); })) {
            return std::nullopt;
        }
        result.fields.push_back({line->substr(0, colon), without_space(value)});
    }
    if (!line) {
        return std::nullopt;
    }
    result.size = input.size() - rest.size();
    return result;
}

void expect_reading(const Parsed& parsed, const Reference& reference, std::string_view input) {
    const RequestHead& head = parsed.head;
    const char* base = input.data();
    FUZZ_EXPECT(parsed.outcome.size == reference.size, input);
    FUZZ_EXPECT(head.target.in(base) == reference.target, input);
    FUZZ_EXPECT(head.method == Method::other || name_of(head.method) == reference.method, input);
    FUZZ_EXPECT(head.minor_version == (reference.minor_version == '0' ? 0 : 1), input);
    FUZZ_EXPECT(head.fields.size() == reference.fields.size(), input);
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        FUZZ_EXPECT(head.fields[i].name.in(base) == reference.fields[i].name, input);
        FUZZ_EXPECT(without_space(head.fields[i].value.in(base)) == reference.fields[i].value,
                    input);
    }
}

// Heads that there is no reason to refuse.
bool is_plain(const Reference& reference, const HeadLimits& limits) {
    constexpr std::string_view methods[] = {"GET",    "HEAD",    "POST",  "PUT",
                                            "DELETE", "OPTIONS", "PATCH", "TRACE"};
    return std::ranges::find(methods, reference.method) != std::end(methods) &&
           reference.target.starts_with('/') &&
           consists_of(
               reference.target,
               [](unsigned char c) {
                   return is_alphanumeric(c) ||
                          std::string_view("/-._~?=&%+,;:@!").contains(static_cast<char>(c));
               }) &&
           reference.size <= limits.head_bytes_max &&
           reference.target.size() <= limits.target_bytes_max &&
           reference.fields.size() <= limits.fields_max;
}

// ---- framing ------------------------------------------------------------------------------------

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return result;
}

std::vector<std::string_view> values_of(const Reference& reference, std::string_view name) {
    std::vector<std::string_view> values;
    for (const ReferenceField& field : reference.fields) {
        if (lower(field.name) == name) {
            values.push_back(field.value);
        }
    }
    return values;
}

bool lists(const Reference& reference, std::string_view name, std::string_view element) {
    for (std::string_view value : values_of(reference, name)) {
        for (;;) {
            const std::size_t comma = value.find(',');
            if (lower(without_space(value.substr(0, comma))) == element) {
                return true;
            }
            if (comma == std::string_view::npos) {
                break;
            }
            value.remove_prefix(comma + 1);
        }
    }
    return false;
}

void expect_good_framing(const Parsed& parsed, const Reference& reference,
                         const fuzz::Copy& bytes) {
    using Content = Framing::Content;
    const std::string_view input = bytes.view();
    const Framing framing = frame(parsed.head, bytes.data());
    const bool old = reference.minor_version == '0';
    FUZZ_EXPECT(framing.persistent == (!lists(reference, "connection", "close") &&
                                       (!old || lists(reference, "connection", "keep-alive"))),
                input);
    const auto lengths = values_of(reference, "content-length");
    const auto codings = values_of(reference, "transfer-encoding");
    const auto hosts = values_of(reference, "host");
    if (framing.refusal != Status::ok) {
        constexpr unsigned expected[] = {400, 417, 421, 501};
        FUZZ_EXPECT(std::ranges::find(expected, code_of(framing.refusal)) != std::end(expected),
                    input);
        return;
    }
    FUZZ_EXPECT(hosts.size() == 1 || (old && hosts.empty()), input);
    FUZZ_EXPECT(lengths.size() + codings.size() <= 1, input);
    FUZZ_EXPECT((framing.content == Content::chunked) == (codings.size() == 1), input);
    FUZZ_EXPECT(codings.empty() || (!old && lower(codings.front()) == "chunked"), input);
    if (lengths.empty()) {
        FUZZ_EXPECT(framing.content != Content::sized, input);
    } else {
        const std::string_view length = lengths.front();
        FUZZ_EXPECT(!length.empty() &&
                        consists_of(length, [](unsigned char c) { return c >= '0' && c <= '9'; }),
                    input);
        const std::size_t digits = std::min(length.find_first_not_of('0'), length.size());
        const std::string expected =
            digits == length.size() ? "0" : std::string(length.substr(digits));
        FUZZ_EXPECT(std::to_string(framing.content_bytes) == expected, input);
        FUZZ_EXPECT((framing.content == Content::sized) == (framing.content_bytes > 0), input);
    }
    FUZZ_EXPECT(!framing.expects_continue || lists(reference, "expect", "100-continue"), input);
    // "*" and "/" stand for what is not written.
    FUZZ_EXPECT(bytes.holds(framing.path) || framing.path == "*" || framing.path == "/", input);
    FUZZ_EXPECT(framing.query.empty() || bytes.holds(framing.query), input);
    FUZZ_EXPECT(framing.authority.empty() || bytes.holds(framing.authority), input);
}

void test(std::string_view input, const HeadLimits& limits) {
    const Parsed whole = parse(input, limits, fuzz::Cut::nowhere);
    for (const fuzz::Cut cut : fuzz::all_cuts) {
        if (cut != fuzz::Cut::nowhere && (cut != fuzz::Cut::everywhere || input.size() <= 512)) {
            expect_same(whole, parse(input, limits, cut), input);
        }
    }
    const std::optional<Reference> reference = read(input);
    if (whole.outcome.kind == Kind::complete) {
        FUZZ_EXPECT(reference.has_value(), input);
        FUZZ_EXPECT(whole.outcome.size <= limits.head_bytes_max, input);
        FUZZ_EXPECT(whole.head.target.size <= limits.target_bytes_max, input);
        FUZZ_EXPECT(whole.head.fields.size() <= limits.fields_max, input);
        expect_reading(whole, *reference, input);
        expect_good_framing(whole, *reference, fuzz::Copy(input.substr(0, whole.outcome.size)));
    } else if (whole.outcome.kind == Kind::refused) {
        const unsigned code = code_of(whole.outcome.status);
        constexpr unsigned expected[] = {400, 414, 431, 501, 505};
        FUZZ_EXPECT(std::ranges::find(expected, code) != std::end(expected), input);
    } else {
        FUZZ_EXPECT(input.size() < limits.head_bytes_max, input);
    }
    if (reference && is_plain(*reference, limits)) {
        FUZZ_EXPECT(whole.outcome.kind == Kind::complete, input);
    }
}

}  // namespace
}  // namespace enduring::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enduring;
    if (size > http::input_bytes_max) {
        return -1;
    }
    const std::string_view input = fuzz::text_of(data, size);
    http::test(input, {});
    http::test(input, {.head_bytes_max = 96, .target_bytes_max = 16, .fields_max = 3});
    return 0;
}
