#include "http/date.hpp"

#include <array>
#include <charconv>
#include <chrono>

#include "core/format.hpp"

namespace enduring::http {

namespace {

constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Fields {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
};

// Takes a text from the front, piece by piece; one piece that does not fit fails them all.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    Scanner& literal(std::string_view expected) {
        ok_ = ok_ && rest_.starts_with(expected);
        rest_.remove_prefix(ok_ ? expected.size() : 0);
        return *this;
    }
    template <std::size_t N>
    Scanner& name(const std::array<std::string_view, N>& names, unsigned& index) {
        for (unsigned i = 0; ok_ && i < N; ++i) {
            if (rest_.starts_with(names[i])) {
                index = i;
                return literal(names[i]);
            }
        }
        ok_ = false;
        return *this;
    }
    template <class Number>
    Scanner& digits(std::size_t count, Number& value) {
        ok_ = ok_ && rest_.size() >= count && rest_[0] >= '0' && rest_[0] <= '9';
        if (ok_) {
            const char* end = rest_.data() + count;
            const auto result = std::from_chars(rest_.data(), end, value);
            ok_ = result.ec == std::errc() && result.ptr == end;
            rest_.remove_prefix(count);
        }
        return *this;
    }
    Scanner& time(Fields& fields) {
        return digits(2, fields.hour)
            .literal(":")
            .digits(2, fields.minute)
            .literal(":")
            .digits(2, fields.second);
    }
    [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

std::optional<std::int64_t> seconds_of(const Fields& fields) {
    using namespace std::chrono;
    const year_month_day date{year{fields.year}, month{fields.month + 1}, day{fields.day}};
    // A leap second is written as 60.
    if (!date.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 60) {
        return std::nullopt;
    }
    return sys_days(date).time_since_epoch().count() * 86400LL + fields.hour * 3600 +
           fields.minute * 60 + fields.second;
}

int year_of(std::int64_t unix_seconds) {
    using namespace std::chrono;
    return int(year_month_day(floor<std::chrono::days>(sys_seconds(seconds(unix_seconds)))).year());
}

// The day, and the time of it as all formats write it.
struct Moment {
    std::chrono::year_month_day date;
    unsigned weekday;
    std::string time;

    explicit Moment(std::int64_t unix_seconds) {
        using namespace std::chrono;
        const sys_seconds moment{seconds(unix_seconds)};
        const auto midnight = floor<std::chrono::days>(moment);
        const hh_mm_ss clock(moment - midnight);
        date = midnight;
        weekday = std::chrono::weekday(midnight).c_encoding();
        time = core::formatted("{:02}:{:02}:{:02}", clock.hours().count(), clock.minutes().count(),
                               clock.seconds().count());
    }

    [[nodiscard]] int year() const { return int(date.year()); }
    [[nodiscard]] unsigned month() const { return unsigned(date.month()); }
    [[nodiscard]] unsigned day() const { return unsigned(date.day()); }
    [[nodiscard]] std::string_view month_name() const { return months.at(month() - 1); }
};

}  // namespace

std::string format_date(std::int64_t unix_seconds) {
    const Moment moment(unix_seconds);
    return core::formatted("{}, {:02} {} {:04} {} GMT", days.at(moment.weekday), moment.day(),
                           moment.month_name(), moment.year(), moment.time);
}

std::string format_log_date(std::int64_t unix_seconds) {
    const Moment moment(unix_seconds);
    return core::formatted("{:02}/{}/{:04}:{} +0000", moment.day(), moment.month_name(),
                           moment.year(), moment.time);
}

std::string format_iso_date(std::int64_t unix_seconds) {
    const Moment moment(unix_seconds);
    return core::formatted("{:04}-{:02}-{:02}T{}", moment.year(), moment.month(), moment.day(),
                           moment.time);
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now_seconds) {
    unsigned weekday = 0;
    Fields fields;
    if (Scanner(text)
            .name(days, weekday)
            .literal(", ")
            .digits(2, fields.day)
            .literal(" ")
            .name(months, fields.month)
            .literal(" ")
            .digits(4, fields.year)
            .literal(" ")
            .time(fields)
            .literal(" GMT")
            .done()) {
        return seconds_of(fields);
    }
    fields = {};
    if (Scanner(text)
            .name(long_days, weekday)
            .literal(", ")
            .digits(2, fields.day)
            .literal("-")
            .name(months, fields.month)
            .literal("-")
            .digits(2, fields.year)
            .literal(" ")
            .time(fields)
            .literal(" GMT")
            .done()) {
        const int now_year = year_of(now_seconds);
        fields.year += now_year / 100 * 100;
        if (fields.year > now_year + 50) {
            fields.year -= 100;
        }
        return seconds_of(fields);
    }
    fields = {};
    const bool one_digit = text.size() > 8 && text[8] == ' ';
    if (Scanner(text)
            .name(days, weekday)
            .literal(" ")
            .name(months, fields.month)
            .literal(one_digit ? "  " : " ")
            .digits(one_digit ? 1 : 2, fields.day)
            .literal(" ")
            .time(fields)
            .literal(" ")
            .digits(4, fields.year)
            .done()) {
        return seconds_of(fields);
    }
    return std::nullopt;
}

}  // namespace enduring::http
