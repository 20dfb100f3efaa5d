// What the fuzzers share: how they fail, and how they cut an input into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace enduring::fuzz {

/// The text with what is not printable escaped.
inline std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\') {
            result += c;
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            result.append("\\x").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
        }
    }
    return result;
}

[[noreturn]] inline void fail(const char* file, int line, const char* condition,
                              std::string_view detail) {
    std::fprintf(stderr, "%s:%d: not so: %s\n  %s\n", file, line, condition,
                 printable(detail).c_str());
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Bytes in memory of exactly their size, so that a sanitizer sees every step beyond them.
class Copy {
  public:
    explicit Copy(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
        bytes.copy(bytes_.get(), size_);
    }
    [[nodiscard]] const char* data() const noexcept { return bytes_.get(); }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.get(), size_}; }
    /// Whether these are some of the bytes, not only equal to some.
    [[nodiscard]] bool holds(std::string_view part) const noexcept {
        return part.data() >= data() && part.data() + part.size() <= data() + size_;
    }

  private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

/// Numbers that depend on the input alone, so that every finding can be repeated.
class Numbers {
  public:
    Numbers(std::string_view input, std::uint64_t seed) noexcept : state_(seed * 2 + 1) {
        for (const char c : input) {
            state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        }
    }
    /// At least 0 and less than the bound.
    [[nodiscard]] std::size_t below(std::size_t bound) noexcept {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return static_cast<std::size_t>(state_ % bound);
    }

  private:
    std::uint64_t state_;
};

/// How an input is cut.
enum class Cut : std::uint8_t { nowhere, everywhere, once, rarely, often };
inline constexpr Cut all_cuts[] = {Cut::nowhere, Cut::everywhere, Cut::once, Cut::rarely,
                                   Cut::often};

/// Calls take(piece) for the pieces of the input in their order; none is empty.
template <class Take>
void cut_into_pieces(std::string_view input, Cut cut, Take&& take) {
    Numbers numbers(input, static_cast<std::uint64_t>(cut));
    bool was_cut = false;
    while (!input.empty()) {
        std::size_t size = input.size();
        switch (cut) {
            case Cut::nowhere:
                break;
            case Cut::everywhere:
                size = 1;
                break;
            case Cut::once:
                size = was_cut ? size : 1 + numbers.below(size);
                was_cut = true;
                break;
            case Cut::rarely:
                size = 1 + numbers.below(size);
                break;
            case Cut::often:
                size = 1 + numbers.below(size < 8 ? size : 8);
                break;
        }
        take(input.substr(0, size));
        input.remove_prefix(size);
    }
}

}  // namespace enduring::fuzz

/// Aborts when the condition is false: a finding. detail: a text that helps to understand it.
#define FUZZ_EXPECT(condition, detail) \
    (static_cast<bool>(condition)      \
         ? static_cast<void>(0)        \
         : ::enduring::fuzz::fail(__FILE__, __LINE__, #condition, (detail)))
