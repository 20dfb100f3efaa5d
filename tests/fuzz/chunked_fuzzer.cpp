// The chunked coding: any cut of the bytes gives the content, the end and the verdict that a second
// decoder finds, which reads the whole by the grammar of RFC 9112 §7.1.
//
// In an input, the octet 1 and another one, n, stand for the octet before them 64 n times more: so
// that small inputs come to the bounds of the decoder.
#include <cstdint>
#include <string>
#include <string_view>

#include "http/chunked.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace enduring::http {
namespace {

using Outcome = ChunkedDecoder::Outcome;

constexpr std::size_t input_bytes_max = 20'000;

// ---- the second decoder -------------------------------------------------------------------------

bool is_one_of(std::string_view set, char c) { return set.contains(c); }
bool is_name_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           is_one_of("!#$%&'*+-.^_`|~", c);
}
bool is_text_character(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= ' ' && byte != 0x7f);
}

// Reads by descent. What is missing at the end is Outcome::more; at the first octet that has no
// place there, Outcome::invalid.
class Reference {
  public:
    explicit Reference(std::string_view bytes) : bytes_(bytes) {
        while (outcome_ == Outcome::more && !at_end()) {
            read_chunk();
        }
    }
    [[nodiscard]] Outcome outcome() const { return outcome_; }
    /// Octets up to the end or to the one that has no place.
    [[nodiscard]] std::size_t taken() const { return at_; }
    [[nodiscard]] const std::string& content() const { return content_; }
    /// Octets of the last chunk that are to come.
    [[nodiscard]] std::uint64_t announced() const { return announced_; }

  private:
    [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
    bool stop() {
        outcome_ = at_end() ? Outcome::more : Outcome::invalid;
        return false;
    }
    // An octet that counts for what chunks may add to the content must be within the bound.
    bool take(bool good, bool counts) {
        if (at_end() || (counts && ++counted_ > ChunkedDecoder::overhead_bytes_max) || !good) {
            return stop();
        }
        ++at_;
        return true;
    }
    [[nodiscard]] char next() const { return at_end() ? '\0' : bytes_[at_]; }
    bool take_one(char c, bool counts) { return take(next() == c, counts); }
    bool take_spaces(bool first_counts) {
        bool counts = first_counts;
        while (!at_end() && is_one_of(" \t", next())) {
            if (!take(true, counts)) {
                return false;
            }
            counts = true;
        }
        return true;
    }
    bool take_name() {
        if (!take(is_name_character(next()), true)) {
            return false;
        }
        while (!at_end() && is_name_character(next())) {
            if (!take(true, true)) {
                return false;
            }
        }
        return true;
    }
    bool take_quoted() {
        if (!take_one('"', true)) {
            return false;
        }
        for (;;) {
            if (next() == '"' && !at_end()) {
                return take(true, true);
            }
            const bool escape = next() == '\\';
            if (!take(is_text_character(next()), true) ||
                (escape && !take(is_text_character(next()), true))) {
                return false;
            }
        }
    }
    // *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) CRLF. What follows the size
    // directly is not counted.
    bool take_extensions() {
        bool counts = false;
        for (;;) {
            if (next() == '\r' && !at_end()) {
                return take(true, counts) && take_one('\n', false);
            }
            const std::size_t before = at_;
            if (!take_spaces(counts)) {
                return false;
            }
            counts = counts || at_ != before;
            if (!take_one(';', counts) || !take_spaces(true) || !take_name()) {
                return false;
            }
            counts = true;
            const std::size_t name_end = at_;
            if (!take_spaces(true)) {
                return false;
            }
            if (next() == '=' && !at_end()) {
                if (!take(true, true) || !take_spaces(true) ||
                    !(next() == '"' ? take_quoted() : take_name())) {
                    return false;
                }
            } else if (at_ != name_end && next() != ';') {
                // Spaces belong to an extension: no line ends with them.
                return take(false, true);
            }
        }
    }
    // *( field-line CRLF ) CRLF
    bool take_trailer() {
        while (next() != '\r' || at_end()) {
            if (!take_name() || !take_one(':', true)) {
                return false;
            }
            while (next() != '\r' || at_end()) {
                if (!take(is_text_character(next()), true)) {
                    return false;
                }
            }
            if (!take(true, true) || !take_one('\n', true)) {
                return false;
            }
        }
        return take(true, true) && take_one('\n', true);
    }
    bool take_size(std::uint64_t& size) {
        std::string digits;
        const auto is_digit = [this] { return is_one_of("0123456789abcdefABCDEF", next()); };
        if (at_end() || next() == '\0' || !is_digit()) {
            return stop();
        }
        while (!at_end() && next() != '\0' && is_digit()) {
            digits += next();
            const std::size_t zeros = digits.find_first_not_of('0');
            const std::size_t significant = zeros == std::string::npos ? 0 : digits.size() - zeros;
            if (significant > 15 || digits.size() > ChunkedDecoder::size_digits_max) {
                return stop();
            }
            ++at_;
        }
        size = std::stoull(digits, nullptr, 16);
        return true;
    }
    void read_chunk() {
        std::uint64_t size = 0;
        if (!take_size(size) || !take_extensions()) {
            return;
        }
        if (size == 0) {
            if (take_trailer()) {
                outcome_ = Outcome::complete;
            }
            return;
        }
        const std::string_view data = bytes_.substr(at_).substr(0, size);
        content_ += data;
        at_ += data.size();
        announced_ = size - data.size();
        if (announced_ == 0 && take_one('\r', false)) {
            take_one('\n', false);
        }
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
    std::size_t counted_ = 0;
    std::uint64_t announced_ = 0;
    std::string content_;
    Outcome outcome_ = Outcome::more;
};

// ---- the decoder, cut ---------------------------------------------------------------------------

struct Decoded {
    Outcome outcome = Outcome::more;
    std::size_t taken = 0;
    std::string content;
    std::uint64_t announced = 0;
};

Decoded decode(std::string_view input, fuzz::Cut cut) {
    ChunkedDecoder decoder;
    Decoded result;
    fuzz::cut_into_pieces(input, cut, [&](std::string_view piece) {
        const fuzz::Copy copy(piece);
        std::string_view bytes = copy.view();
        while (result.outcome == Outcome::more && !bytes.empty()) {
            const ChunkedDecoder::Step step = decoder.decode(bytes);
            FUZZ_EXPECT(step.taken <= bytes.size(), input);
            FUZZ_EXPECT((step.outcome == Outcome::content) == !step.content.empty(), input);
            FUZZ_EXPECT(step.content.empty() || copy.holds(step.content), input);
            FUZZ_EXPECT(step.outcome != Outcome::more || step.taken == bytes.size(), input);
            bytes.remove_prefix(step.taken);
            result.taken += step.taken;
            result.content += step.content;
            if (step.outcome != Outcome::content) {
                result.outcome = step.outcome;
            }
        }
    });
    result.announced = decoder.announced_bytes();
    if (result.outcome != Outcome::more) {
        // It has said its last.
        const ChunkedDecoder::Step step = decoder.decode("0\r\n\r\n");
        FUZZ_EXPECT(step.outcome == Outcome::invalid && step.taken == 0, input);
    }
    return result;
}

std::string expand(std::string_view input) {
    std::string result;
    for (std::size_t i = 0; i < input.size() && result.size() <= input_bytes_max; ++i) {
        if (input[i] == '\x01' && i + 1 < input.size() && !result.empty()) {
            const auto times = static_cast<unsigned char>(input[++i]);
            result.append(std::size_t{64} * times, result.back());
        } else {
            result += input[i];
        }
    }
    return result;
}

}  // namespace
}  // namespace enduring::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enduring;
    using namespace enduring::http;
    const std::string input = expand(fuzz::text_of(data, size));
    if (input.size() > input_bytes_max) {
        return -1;
    }
    const Reference reference(input);
    for (const fuzz::Cut cut : fuzz::all_cuts) {
        // Many small pieces of much input take too long for what they find.
        if (input.size() > 2048 && (cut == fuzz::Cut::everywhere || cut == fuzz::Cut::often)) {
            continue;
        }
        const Decoded decoded = decode(input, cut);
        FUZZ_EXPECT(decoded.outcome == reference.outcome(), input);
        FUZZ_EXPECT(decoded.taken == reference.taken(), input);
        FUZZ_EXPECT(decoded.content == reference.content(), input);
        FUZZ_EXPECT(decoded.announced == reference.announced(), input);
    }
    return 0;
}
