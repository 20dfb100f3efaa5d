// Configuration files and command lines: neither ends in anything but settings within their bounds
// or an error that says where and what; a file is what a second reading finds; settings mean the
// same in a file as on the command line, and what was set can be written down and read again.
//
// Up to a line "--" an input is a file, behind it each line is a word of the command line.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.hpp"
#include "core/token.hpp"
#include "http/configuration_file.hpp"
#include "http/units.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/program.hpp"

namespace enduring::http {
namespace {

constexpr std::size_t input_bytes_max = 2048;
constexpr std::uint64_t year_ms = 366ULL * 24 * 3600 * 1000;
constexpr std::uint64_t size_max = 1ULL << 40;

// ---- what can be set ----------------------------------------------------------------------------

struct Flag {
    std::string_view name;
    enum class Kind : std::uint8_t { duration, size, number, power, number_or_auto } kind;
    std::uint64_t value;
    std::uint64_t least;
    std::uint64_t most;
};

// As README.md and --help have them.
std::vector<Flag> flags_of(const Options& o) {
    using enum Flag::Kind;
    const core::TimeLimits& times = o.times;
    return {
        {"keepalive-timeout", duration, times.keepalive_timeout_ms, 0, year_ms},
        {"connection-max-age", duration, times.connection_max_age_ms, 0, year_ms},
        {"header-timeout", duration, times.header_timeout_ms, 0, year_ms},
        {"body-timeout", duration, times.body_timeout_ms, 0, year_ms},
        {"handler-timeout", duration, times.handler_timeout_ms, 0, year_ms},
        {"write-timeout", duration, times.write_timeout_ms, 0, year_ms},
        {"linger-timeout", duration, times.linger_timeout_ms, 0, year_ms},
        {"linger-max", duration, times.linger_max_ms, 0, year_ms},
        {"drain-delay", duration, o.drain_delay_ms, 0, year_ms},
        {"drain-timeout", duration, o.drain_timeout_ms, 0, year_ms},
        {"body-min-rate", size, times.body_bytes_per_s_min, 0, size_max},
        {"write-min-rate", size, times.write_bytes_per_s_min, 0, size_max},
        {"recv-buffer-size", size, o.receive_buffer_bytes, 256, 1 << 20},
        {"discard-max", size, o.http.discard_bytes_max, 0, size_max},
        {"max-head", size, o.http.head.head_bytes_max, 256, 1 << 20},
        {"max-target", size, o.http.head.target_bytes_max, 16, 1 << 20},
        {"max-body", size, o.http.content_bytes_max, 0, size_max},
        {"max-buffered", size, o.http.buffered_bytes_max, 1 << 16, size_max},
        {"keepalive-requests", number, o.http.requests_max, 0, 0xffffffff},
        {"backlog", number, o.backlog, 1, 65535},
        {"max-connections-per-ip", number, o.connections_per_ip_max, 0, core::slot_limit},
        {"max-headers", number, o.http.head.fields_max, 1, 10000},
        {"max-pipelined", number, o.http.pipelined_max, 1, 65535},
        {"recv-buffers", power, o.receive_buffers, 8, 32768},
        {"ring-entries", power, o.ring_entries, 64, 32768},
        {"workers", number_or_auto, o.workers, 1, 256},
        {"max-connections", number_or_auto, o.connections_max, 1, core::slot_limit},
    };
}

std::string written(const Flag& flag) {
    switch (flag.kind) {
        case Flag::Kind::duration:
            return format_duration(flag.value);
        case Flag::Kind::size:
            return format_size(flag.value);
        case Flag::Kind::number_or_auto:
            return flag.value == 0 ? "auto" : std::to_string(flag.value);
        case Flag::Kind::number:
        case Flag::Kind::power:
            break;
    }
    return std::to_string(flag.value);
}

// Everything that is set, as words of a command line.
Words written(const Options& options) {
    Words words;
    for (const Flag& flag : flags_of(options)) {
        words.push_back(core::formatted("--{}={}", flag.name, written(flag)));
    }
    words.push_back(core::formatted("--pin={}", options.pin));
    words.push_back(core::formatted("--log-level={}", name_of(options.log_level)));
    words.push_back(core::formatted("--keepalive-header={}", options.http.keepalive_field));
    for (const core::Address& address : options.listen) {
        words.push_back("--listen=" + address.text());
    }
    if (options.admin) {
        words.push_back("--admin=" + options.admin->text());
    }
    return words;
}

std::string as_file(const Words& words) {
    std::string text;
    for (const std::string& word : words) {
        text += word.substr(2) + "\n";
    }
    return text;
}

bool equal(const Options& a, const Options& b) {
    return a.listen == b.listen && a.admin == b.admin && written(a) == written(b);
}

void expect_good(const Options& options, std::string_view input) {
    for (const Flag& flag : flags_of(options)) {
        const std::string detail = core::formatted("{}={}\n{}", flag.name, flag.value, input);
        const bool is_auto = flag.kind == Flag::Kind::number_or_auto && flag.value == 0;
        FUZZ_EXPECT(is_auto || (flag.value >= flag.least && flag.value <= flag.most), detail);
        FUZZ_EXPECT(flag.kind != Flag::Kind::power || std::has_single_bit(flag.value), detail);
    }
}

// ---- files --------------------------------------------------------------------------------------

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::string_view without_space(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// Quotation marks stand at both ends, around something without them, or not at the front.
std::string_view without_marks(std::string_view value) {
    const char mark = value.empty() ? '\0' : value.front();
    if (mark != '\'' && mark != '"') {
        return value;
    }
    FUZZ_EXPECT(value.size() > 2 && value.back() == mark, value);
    value = value.substr(1, value.size() - 2);
    FUZZ_EXPECT(!value.contains(mark), value);
    return value;
}

bool equal(const std::vector<Setting>& a, const std::vector<Setting>& b, bool with_lines) {
    return std::ranges::equal(a, b, [&](const Setting& x, const Setting& y) {
        return x.key == y.key && x.value == y.value && (!with_lines || x.line == y.line);
    });
}

void expect_error(const core::Error& error, const std::vector<std::string_view>& lines,
                  std::string_view text) {
    constexpr std::string_view start = "name, line ";
    FUZZ_EXPECT(error.what.starts_with(start), text);
    const unsigned long number = std::stoul(error.what.substr(start.size()));
    FUZZ_EXPECT(number >= 1 && number <= lines.size(), text);
    FUZZ_EXPECT(!error.remedy.empty() && !error.what.contains('\n'), text);
    // What stands before the line is good.
    const auto end = static_cast<std::size_t>(lines[number - 1].data() - text.data());
    FUZZ_EXPECT(parse_configuration(text.substr(0, end), "name").has_value(), text);
    // And the line is not.
    FUZZ_EXPECT(!without_space(lines[number - 1]).empty(), text);
}

void expect_settings(const std::vector<Setting>& settings,
                     const std::vector<std::string_view>& lines, std::string_view text) {
    std::string again;
    std::size_t next = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string_view line = lines[i];
        const bool last_without_end = i + 1 == lines.size() && !text.ends_with('\n');
        if (line.ends_with('\r') && !last_without_end) {
            line.remove_suffix(1);
        }
        FUZZ_EXPECT(std::ranges::none_of(line,
                                         [](char c) {
                                             const auto byte = static_cast<unsigned char>(c);
                                             return (byte < ' ' && c != '\t') || byte == 0x7f;
                                         }),
                    text);
        line = without_space(line);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::size_t equals = line.find('=');
        FUZZ_EXPECT(next < settings.size() && equals != std::string_view::npos, text);
        const Setting& setting = settings[next++];
        FUZZ_EXPECT(setting.line == i + 1, text);
        FUZZ_EXPECT(setting.key == without_space(line.substr(0, equals)), text);
        const std::string_view value = without_space(line.substr(equals + 1));
        FUZZ_EXPECT(setting.value == without_marks(value), text);
        FUZZ_EXPECT(!setting.value.empty() && !setting.key.empty(), text);
        FUZZ_EXPECT(setting.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
                        std::string::npos,
                    text);
        again += setting.key + "=" + std::string(value) + "\r\n";
    }
    FUZZ_EXPECT(next == settings.size(), text);
    const auto reread = parse_configuration(again, "name");
    FUZZ_EXPECT(reread.has_value() && equal(*reread, settings, false), text);
}

// ---- both ---------------------------------------------------------------------------------------

void expect_sane(const Parsed& parsed, std::string_view input) {
    if (!parsed.exit) {
        FUZZ_EXPECT(parsed.out.empty() && parsed.error.empty(), input);
        expect_good(parsed.options, input);
    } else if (*parsed.exit == 0) {
        // --help or --version
        FUZZ_EXPECT(!parsed.out.empty() && parsed.error.empty(), input);
    } else {
        FUZZ_EXPECT(*parsed.exit == 2 && parsed.out.empty(), input);
        FUZZ_EXPECT(parsed.error.starts_with("program: ") &&
                        parsed.error.ends_with("\nprogram: --help shows all flags\n"),
                    input);
    }
}

Words as_words(const std::vector<Setting>& settings) {
    Words words;
    for (const Setting& setting : settings) {
        words.push_back("--" + setting.key + "=" + setting.value);
    }
    return words;
}

// Gives the settings of a file that is accepted.
std::optional<std::vector<Setting>> test_file(std::string_view text) {
    auto settings = parse_configuration(fuzz::Copy(text).view(), "name");
    const auto lines = lines_of(text);
    if (!settings) {
        expect_error(settings.error(), lines, text);
        return std::nullopt;
    }
    expect_settings(*settings, lines, text);
    const Parsed from_file = parse_file(text);
    const Parsed from_words = parse(as_words(*settings));
    expect_sane(from_file, text);
    if (from_file.exit) {
        FUZZ_EXPECT(from_file.error.contains(", line "),
                    std::string(text) + "\n" + from_file.error);
        // Only a file may not set twice, nor ask for help.
        FUZZ_EXPECT(from_words.exit == 2 || from_file.error.contains(" already; ") ||
                        from_file.error.contains(": there is no key '"),
                    text);
        return std::nullopt;
    }
    FUZZ_EXPECT(!from_words.exit && equal(from_words.options, from_file.options), text);
    const std::string again = as_file(written(from_file.options));
    const Parsed reread = parse_file(again);
    FUZZ_EXPECT(!reread.exit && equal(reread.options, from_file.options), again);
    return *std::move(settings);
}

// True if the words are accepted.
bool test_words(const Words& words, std::string_view input) {
    const Parsed parsed = parse(words);
    expect_sane(parsed, input);
    if (parsed.exit) {
        return false;
    }
    const Parsed reread = parse(written(parsed.options));
    FUZZ_EXPECT(!reread.exit && equal(reread.options, parsed.options), input);
    return true;
}

// The command line wins over the file: it is as if the file's settings came before its words. But
// for some flags it matters that they come again.
void test_both(std::string_view text, const std::vector<Setting>& settings, const Words& words,
               std::string_view input) {
    for (const std::string_view flag : {"--listen", "--pin", "--keepalive-header"}) {
        if (std::ranges::any_of(words, [&](const std::string& w) { return w.starts_with(flag); })) {
            return;
        }
    }
    Words all = as_words(settings);
    all.insert(all.end(), words.begin(), words.end());
    const Parsed separate = parse_file(text, words);
    const Parsed together = parse(all);
    FUZZ_EXPECT(!separate.exit && !together.exit, input);
    FUZZ_EXPECT(equal(separate.options, together.options), input);
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
    constexpr std::string_view separator = "\n--\n";
    const std::size_t end = std::min(input.find(separator), input.size());
    const auto settings = test_file(input.substr(0, end));
    if (end == input.size()) {
        return 0;
    }
    Words words;
    for (const std::string_view line : lines_of(input.substr(end + separator.size()))) {
        // A file of the machine is no part of the input, and a word has no NUL.
        if (line.starts_with("--config") || line.contains('\0')) {
            return -1;
        }
        words.emplace_back(line);
    }
    if (test_words(words, input) && settings) {
        test_both(input.substr(0, end), *settings, words, input);
    }
    return 0;
}
