#include "http/chunked.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace enduring::http {

namespace {

// 15 digits: the size fits 60 bits, and no sum of ours can overflow.
constexpr std::uint64_t size_max = (1ULL << 60) - 1;

// What a field's value may hold (RFC 9110 §5.5), and with the exceptions that the states make, a
// quoted string (§5.6.4): tabs, spaces, visible characters and octets above 127.
bool is_field_character(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::decode(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
        if (state_ == State::data) {
            const std::size_t size =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - taken));
            left_ -= size;
            if (left_ == 0) {
                state_ = State::data_cr;
            }
            return {Outcome::content, taken + size, bytes.substr(taken, size)};
        }
        if (!take(bytes[taken])) {
            state_ = State::broken;
            return {Outcome::invalid, taken, {}};
        }
        ++taken;
        if (state_ == State::ended) {
            return {Outcome::complete, taken, {}};
        }
    }
    return {Outcome::more, taken, {}};
}

bool ChunkedDecoder::take(char c) {
    switch (state_) {
        case State::size_first:
            left_ = 0;
            size_digits_ = 0;
            [[fallthrough]];
        case State::size: {
            if (const int digit = hex_value(c); digit >= 0) {
                // Leading zeros are digits too, but not without end. The bound is each chunk's own:
                // a long content may have any number of chunks.
                if (left_ > (size_max >> 4) || ++size_digits_ > size_digits_max) {
                    return false;
                }
                left_ = left_ << 4 | static_cast<unsigned>(digit);
                state_ = State::size;
                return true;
            }
            if (state_ == State::size_first) {
                return false;
            }
            if (c == '\r') {
                state_ = State::size_cr;
                return true;
            }
            if (c == ';') {
                state_ = State::extension_name_first;
                return true;
            }
            // BWS may stand before an extension, but not before the line's end.
            if (c == ' ' || c == '\t') {
                state_ = State::extension_space_before;
                return true;
            }
            return false;
        }
        case State::size_cr:
            return c == '\n' && end_size_line();
        case State::data_cr:
            state_ = State::data_lf;
            return c == '\r';
        case State::data_lf:
            state_ = State::size_first;
            return c == '\n';
        case State::trailer_first:
        case State::trailer_name:
        case State::trailer_value:
        case State::trailer_lf:
        case State::last_lf:
            return ++overhead_bytes_ <= overhead_bytes_max && take_trailer(c);
        case State::data:
        case State::broken:
        case State::ended:
            return false;
        default:
            return ++overhead_bytes_ <= overhead_bytes_max && take_extension(c);
    }
}

bool ChunkedDecoder::end_size_line() {
    state_ = left_ == 0 ? State::trailer_first : State::data;
    return true;
}

// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
bool ChunkedDecoder::take_extension(char c) {
    const bool space = c == ' ' || c == '\t';
    switch (state_) {
        case State::extension_space_before:
            if (c == ';') {
                state_ = State::extension_name_first;
                return true;
            }
            return space;
        case State::extension_name_first:
            if (is_token_character(c)) {
                state_ = State::extension_name;
                return true;
            }
            return space;
        case State::extension_name:
            if (is_token_character(c)) {
                return true;
            }
            if (c == '=') {
                state_ = State::extension_value_first;
                return true;
            }
            break;
        case State::extension_space_after_name:
            if (c == '=') {
                state_ = State::extension_value_first;
                return true;
            }
            if (c == ';') {
                state_ = State::extension_name_first;
                return true;
            }
            return space;
        case State::extension_value_first:
            if (c == '"') {
                state_ = State::extension_quoted;
                return true;
            }
            if (is_token_character(c)) {
                state_ = State::extension_token;
                return true;
            }
            return space;
        case State::extension_token:
            if (is_token_character(c)) {
                return true;
            }
            break;
        case State::extension_quoted:
            if (c == '"') {
                state_ = State::extension_end;
            } else if (c == '\\') {
                state_ = State::extension_escaped;
            } else {
                return is_field_character(c);
            }
            return true;
        case State::extension_escaped:
            state_ = State::extension_quoted;
            return is_field_character(c);
        default:
            break;
    }
    // After a name, a token or a quoted string.
    if (c == '\r') {
        state_ = State::size_cr;
        return true;
    }
    if (c == ';') {
        state_ = State::extension_name_first;
        return true;
    }
    if (space) {
        state_ = state_ == State::extension_name ? State::extension_space_after_name
                                                 : State::extension_space_before;
        return true;
    }
    return false;
}

bool ChunkedDecoder::take_trailer(char c) {
    switch (state_) {
        case State::trailer_first:
            if (c == '\r') {
                state_ = State::last_lf;
                return true;
            }
            state_ = State::trailer_name;
            return is_token_character(c);
        case State::trailer_name:
            if (c == ':') {
                state_ = State::trailer_value;
                return true;
            }
            return is_token_character(c);
        case State::trailer_value:
            if (c == '\r') {
                state_ = State::trailer_lf;
                return true;
            }
            return is_field_character(c);
        case State::trailer_lf:
            state_ = State::trailer_first;
            return c == '\n';
        default:
            state_ = State::ended;
            return c == '\n';
    }
}

}  // namespace enduring::http
