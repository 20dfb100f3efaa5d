// Takes the responses of one connection out of its byte stream, as RFC 9112 frames them by
// Content-Length. It knows nothing of sockets. What a server may not send to our plain GET, such as
// a response without a stated length, is malformed here.
#pragma once

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

// What the head of a response says.
struct ResponseHead {
    unsigned status = 0;
    bool closes = false;
    std::uint64_t content_length = 0;
};

inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

inline std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

// Whether a comma-separated list has the token.
inline bool has_token(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        std::size_t comma = std::min(list.find(','), list.size());
        if (equals_ignoring_case(trimmed(list.substr(0, comma)), token)) {
            return true;
        }
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

// Parses a whole head with its empty line; false when it is malformed.
inline bool parse_head(std::string_view text, ResponseHead& head) {
    head = {};
    if (text.size() < 14 || !text.starts_with("HTTP/1.") || (text[7] != '0' && text[7] != '1') ||
        text[8] != ' ' || (text[12] != ' ' && text[12] != '\r')) {
        return false;
    }
    auto [end, error] = std::from_chars(text.data() + 9, text.data() + 12, head.status);
    if (error != std::errc{} || end != text.data() + 12) {
        return false;
    }
    bool says_close = false;
    bool says_keep_alive = false;
    bool has_length = false;
    std::size_t begin = text.find("\r\n") + 2;
    while (begin + 2 < text.size()) {
        std::size_t line_end = text.find("\r\n", begin);
        std::string_view line = text.substr(begin, line_end - begin);
        begin = line_end + 2;
        std::size_t colon = line.find(':');
        if (colon == 0 || colon == line.npos || line[colon - 1] == ' ') {
            return false;
        }
        std::string_view name = line.substr(0, colon);
        std::string_view value = trimmed(line.substr(colon + 1));
        if (equals_ignoring_case(name, "Content-Length")) {
            auto [stop, bad] =
                std::from_chars(value.data(), value.data() + value.size(), head.content_length);
            if (has_length || bad != std::errc{} || stop != value.data() + value.size()) {
                return false;
            }
            has_length = true;
        } else if (equals_ignoring_case(name, "Connection")) {
            says_close |= has_token(value, "close");
            says_keep_alive |= has_token(value, "keep-alive");
        } else if (equals_ignoring_case(name, "Transfer-Encoding")) {
            return false;
        }
    }
    head.closes = says_close || (text[7] == '0' && !says_keep_alive);
    return has_length;
}

// Servers repeat their heads for a second at a time, so the last one of all connections is
// remembered, and one that equals it is not parsed again.
class HeadMemory {
  public:
    bool parse(std::string_view text, ResponseHead& head) {
        if (text != text_) {
            text_.clear();
            if (!parse_head(text, head_)) {
                return false;
            }
            text_ = text;
        }
        head = head_;
        return true;
    }

  private:
    std::string text_;
    ResponseHead head_;
};

class ResponseReader {
  public:
    enum class Result { need_more, complete, malformed };

    // Takes bytes up to the end of one response.
    Result read(std::string_view& bytes, HeadMemory& memory) {
        if (!in_body_) {
            Result result = read_head(bytes, memory);
            if (result != Result::complete) {
                return result;
            }
            in_body_ = true;
            body_left_ = head_.content_length;
        }
        auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
        bytes.remove_prefix(taken);
        body_left_ -= taken;
        if (body_left_ != 0) {
            return Result::need_more;
        }
        in_body_ = false;
        return Result::complete;
    }

    // Of the response that was completed last.
    const ResponseHead& head() const { return head_; }

    void reset() {
        in_body_ = false;
        partial_.clear();
    }

  private:
    static constexpr std::size_t head_size_max = 64 * 1024;

    Result read_head(std::string_view& bytes, HeadMemory& memory) {
        std::string_view text = bytes;
        if (!partial_.empty()) {
            partial_ += bytes;
            text = partial_;
        }
        std::size_t end = text.find("\r\n\r\n");
        if (end == text.npos) {
            if (text.size() > head_size_max) {
                return Result::malformed;
            }
            if (partial_.empty()) {
                partial_ = bytes;
            }
            bytes = {};
            return Result::need_more;
        }
        text = text.substr(0, end + 4);
        bytes.remove_prefix(text.size() - (partial_.empty() ? 0 : partial_.size() - bytes.size()));
        bool good = memory.parse(text, head_);
        partial_.clear();
        return good ? Result::complete : Result::malformed;
    }

    ResponseHead head_;
    bool in_body_ = false;
    std::uint64_t body_left_ = 0;
    std::string partial_;  // The beginning of a head whose rest has not come.
};

}  // namespace bench
