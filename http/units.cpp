#include "http/units.hpp"

#include <charconv>
#include <cmath>

#include "http/text.hpp"

namespace enduring::http {

namespace {

constexpr double year_ms = 366.0 * 24 * 3600 * 1000;

}  // namespace

std::optional<std::uint64_t> parse_duration_ms(std::string_view text) {
    if (text.empty() || !is_digit(text.front())) {
        return std::nullopt;
    }
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (result.ec != std::errc()) {
        return std::nullopt;
    }
    const std::string_view unit(result.ptr, static_cast<std::size_t>(end - result.ptr));
    double factor = 0;
    if (unit == "ms") {
        factor = 1;
    } else if (unit == "s" || unit.empty()) {
        factor = 1000;
    } else if (unit == "m") {
        factor = 60'000;
    } else if (unit == "h") {
        factor = 3'600'000;
    }
    const double milliseconds = number * factor;
    if (factor == 0 || !(milliseconds <= year_ms)) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(std::llround(milliseconds));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, number);
    if (result.ec != std::errc()) {
        return std::nullopt;
    }
    const std::string_view unit(result.ptr, static_cast<std::size_t>(end - result.ptr));
    unsigned shift = 0;
    if (equals_ignoring_case(unit, "k")) {
        shift = 10;
    } else if (equals_ignoring_case(unit, "m")) {
        shift = 20;
    } else if (equals_ignoring_case(unit, "g")) {
        shift = 30;
    } else if (!unit.empty()) {
        return std::nullopt;
    }
    if (number > (~std::uint64_t{0} >> shift)) {
        return std::nullopt;
    }
    return number << shift;
}

std::string format_duration(std::uint64_t milliseconds) {
    if (milliseconds == 0) {
        return "0";
    }
    if (milliseconds % 3'600'000 == 0) {
        return std::to_string(milliseconds / 3'600'000) + "h";
    }
    if (milliseconds % 60'000 == 0) {
        return std::to_string(milliseconds / 60'000) + "m";
    }
    if (milliseconds % 1000 == 0) {
        return std::to_string(milliseconds / 1000) + "s";
    }
    return std::to_string(milliseconds) + "ms";
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::string_view units = "gmk";
    for (unsigned i = 0; i < units.size(); ++i) {
        const unsigned shift = 30 - 10 * i;
        if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0) {
            return std::to_string(bytes >> shift) + units[i];
        }
    }
    return std::to_string(bytes);
}

}  // namespace enduring::http
