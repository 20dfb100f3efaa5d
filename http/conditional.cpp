#include "http/conditional.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "http/date.hpp"
#include "http/text.hpp"

namespace enduring::http {

namespace {

// An entity tag may contain commas, so the list is not split at them.
bool value_lists_tag(std::string_view list, std::string_view tag, bool weakly) {
    list = trim(list);
    if (list == "*") {
        return true;
    }
    while (!list.empty()) {
        list.remove_prefix(std::min(list.find_first_not_of(" \t,"), list.size()));
        const bool weak = list.starts_with("W/");
        list.remove_prefix(weak ? 2 : 0);
        if (!list.starts_with('"')) {
            return false;
        }
        const std::size_t end = list.find('"', 1);
        if (end == std::string_view::npos) {
            return false;
        }
        if (list.substr(0, end + 1) == tag && (weakly || !weak)) {
            return true;
        }
        list.remove_prefix(end + 1);
    }
    return false;
}

// A list may be spread over several fields of the same name: RFC 9110 §5.3. Nothing if there is
// none.
std::optional<bool> lists_tag(const Request& request, std::string_view name, std::string_view tag,
                              bool weakly) {
    std::optional<bool> found;
    for (std::size_t i = 0; i < request.field_count(); ++i) {
        const Field field = request.field_at(i);
        if (equals_ignoring_case(field.name, name)) {
            found = found.value_or(false) || value_lists_tag(field.value, tag, weakly);
        }
    }
    return found;
}

// The value of a field that is no list. Where it is there twice nobody can tell which one is meant:
// then the value is empty, which is malformed for each of them.
std::optional<std::string_view> only_field(const Request& request, std::string_view name) {
    std::optional<std::string_view> found;
    for (std::size_t i = 0; i < request.field_count(); ++i) {
        const Field field = request.field_at(i);
        if (equals_ignoring_case(field.name, name)) {
            found = found ? std::string_view() : field.value;
        }
    }
    return found;
}

// A number that 64 bits do not hold is beyond every file, as the greatest that they do is.
std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    if (text.empty() || !std::ranges::all_of(text, is_digit)) {
        return std::nullopt;
    }
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    return result.ec == std::errc() ? number : ~std::uint64_t{0};
}

// One range of bytes. A field that is malformed, of another unit or has several ranges is ignored.
Selection select_range(std::string_view field, std::uint64_t size) {
    const Selection whole{Selection::Kind::whole, 0, size};
    constexpr std::string_view unit = "bytes=";
    if (field.size() < unit.size() || !equals_ignoring_case(field.substr(0, unit.size()), unit)) {
        return whole;
    }
    const std::string_view range = field.substr(unit.size());
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos || range.contains(',')) {
        return whole;
    }
    const auto first = parse_number(range.substr(0, dash));
    const auto last = parse_number(range.substr(dash + 1));
    if (dash == 0) {
        if (last == 0U) {
            return {Selection::Kind::unsatisfiable, 0, size};
        }
        // The last bytes of nothing are satisfiable (§14.1.2), but no part could be named.
        if (!last || size == 0) {
            return whole;
        }
        const std::uint64_t count = std::min(*last, size);
        return {Selection::Kind::part, size - count, count};
    }
    const bool open_ended = dash + 1 == range.size();
    if (!first || (!last && !open_ended) || (last && *last < *first)) {
        return whole;
    }
    if (*first >= size) {
        return {Selection::Kind::unsatisfiable, 0, size};
    }
    const std::uint64_t end = open_ended ? size : std::min(size - 1, *last) + 1;
    return {Selection::Kind::part, *first, end - *first};
}

bool range_applies(const Request& request, const Validators& validators) {
    const auto condition = only_field(request, "If-Range");
    if (!condition) {
        return true;
    }
    if (condition->starts_with('"')) {
        return *condition == validators.entity_tag;
    }
    // A file may change again in the second in which it has changed: §8.8.2.2.
    return parse_date(*condition, validators.now_seconds) == validators.modified_seconds &&
           validators.modified_seconds < validators.now_seconds;
}

}  // namespace

Selection select(const Request& request, const Validators& validators) {
    const bool reads = request.method() == Method::get || request.method() == Method::head;
    if (const auto matches = lists_tag(request, "If-Match", validators.entity_tag, false)) {
        if (!*matches) {
            return {Selection::Kind::failed, 0, 0};
        }
    } else if (const auto unmodified = only_field(request, "If-Unmodified-Since")) {
        const auto date = parse_date(*unmodified, validators.now_seconds);
        if (date && validators.modified_seconds > *date) {
            return {Selection::Kind::failed, 0, 0};
        }
    }
    if (const auto matches = lists_tag(request, "If-None-Match", validators.entity_tag, true)) {
        if (*matches) {
            return {reads ? Selection::Kind::not_modified : Selection::Kind::failed, 0, 0};
        }
    } else if (const auto modified = only_field(request, "If-Modified-Since"); modified && reads) {
        const auto date = parse_date(*modified, validators.now_seconds);
        if (date && validators.modified_seconds <= *date) {
            return {Selection::Kind::not_modified, 0, 0};
        }
    }
    const auto range = only_field(request, "Range");
    if (range && request.method() == Method::get && range_applies(request, validators)) {
        return select_range(*range, validators.size);
    }
    return {Selection::Kind::whole, 0, validators.size};
}

}  // namespace enduring::http
