// Reads what a server has sent as a row of responses, as strictly as RFC 9112 §4 to §6 lets it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace enduring::fuzz {

struct ReadResponse {
    unsigned status = 0;
    bool closes = false;
    unsigned call = 0;        ///< the value of the field Call; 0: none
    bool has_length = false;  ///< a Content-Length field is there
    std::size_t length = 0;
    bool without_content = false;  ///< though its length is not 0: the answer to a HEAD
};

namespace detail {

inline std::string_view take_line(std::string_view& text, std::string_view whole) {
    const std::size_t end = text.find("\r\n");
    FUZZ_EXPECT(end != std::string_view::npos, whole);
    const std::string_view line = text.substr(0, end);
    FUZZ_EXPECT(std::ranges::none_of(line,
                                     [](char c) {
                                         const auto byte = static_cast<unsigned char>(c);
                                         return byte < 0x20 || byte == 0x7f;
                                     }),
                whole);
    text.remove_prefix(end + 2);
    return line;
}

inline std::size_t number_of(std::string_view text, std::string_view whole) {
    FUZZ_EXPECT(!text.empty() && text.size() < 10 &&
                    text.find_first_not_of("0123456789") == std::string_view::npos,
                whole);
    return std::stoul(std::string(text));
}

inline ReadResponse take_head(std::string_view& text, std::string_view whole) {
    ReadResponse response;
    const std::string_view line = take_line(text, whole);
    FUZZ_EXPECT(line.starts_with("HTTP/1.1 ") && line.size() > 13 && line[12] == ' ', whole);
    response.status = static_cast<unsigned>(number_of(line.substr(9, 3), whole));
    bool dated = false;
    for (;;) {
        const std::string_view field = take_line(text, whole);
        if (field.empty()) {
            break;
        }
        const std::size_t colon = field.find(": ");
        FUZZ_EXPECT(colon != std::string_view::npos && colon > 0, whole);
        const std::string_view name = field.substr(0, colon);
        const std::string_view value = field.substr(colon + 2);
        FUZZ_EXPECT(name.find_first_of(" \t:") == std::string_view::npos, whole);
        if (name == "Content-Length") {
            FUZZ_EXPECT(!response.has_length, whole);
            response.has_length = true;
            response.length = number_of(value, whole);
        } else if (name == "Connection") {
            FUZZ_EXPECT(value == "close" || value == "keep-alive", whole);
            response.closes = value == "close";
        } else if (name == "Call") {
            response.call = static_cast<unsigned>(number_of(value, whole));
        } else if (name == "Date") {
            FUZZ_EXPECT(!dated, whole);
            dated = true;
        }
    }
    FUZZ_EXPECT(dated || response.status == 100, whole);
    return response;
}

}  // namespace detail

/// The contents must not begin with "HTTP/1.1 ": the answer to a HEAD is told from others by what
/// follows it.
inline std::vector<ReadResponse> read_responses(std::string_view whole) {
    std::vector<ReadResponse> responses;
    std::string_view text = whole;
    while (!text.empty()) {
        FUZZ_EXPECT(responses.empty() || !responses.back().closes, whole);
        ReadResponse response = detail::take_head(text, whole);
        const bool may_have_content =
            response.status >= 200 && response.status != 204 && response.status != 304;
        FUZZ_EXPECT(response.has_length == may_have_content, whole);
        response.without_content =
            response.length > 0 && (text.empty() || text.starts_with("HTTP/1.1 "));
        if (!response.without_content) {
            FUZZ_EXPECT(text.size() >= response.length, whole);
            text.remove_prefix(response.length);
        }
        responses.push_back(response);
    }
    return responses;
}

}  // namespace enduring::fuzz
