#include "http/configuration_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <utility>

#include "core/format.hpp"

namespace enduring::http {

namespace {

constexpr const char* form = "write a setting in each line, like keepalive-timeout = 20s";

bool is_control_character(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

// Takes a line off the front, without its end.
std::string_view take_line(std::string_view& text) noexcept {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (end != std::string_view::npos && line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

core::Result<Setting> parse_setting(std::string_view line, std::size_t number,
                                    std::string_view name) {
    const auto bad = [&](const std::string& why, std::string remedy) {
        return core::fail(core::formatted("{}: {}", line_of(name, number), why), std::move(remedy));
    };
    if (line.front() == '[') {
        return bad(core::formatted("'{}' begins a section", line),
                   "there are no sections: remove the line");
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
        return bad(core::formatted("'{}' sets nothing", line), form);
    }
    const std::string_view key = trim(line.substr(0, equals));
    std::string_view value = trim(line.substr(equals + 1));
    if (key.empty()) {
        return bad(core::formatted("no key stands before '={}'", value), form);
    }
    if (!std::ranges::all_of(key, is_key_character)) {
        return bad(core::formatted("'{}' is no key", key),
                   "a key has letters, digits and hyphens, and a comment begins with #");
    }
    if (value.empty()) {
        return bad(core::formatted("'{}' has no value", key),
                   "give it one, or remove the line to have the default");
    }
    if (const char mark = value.front(); mark == '"' || mark == '\'') {
        if (value.size() < 3 || value.find(mark, 1) != value.size() - 1) {
            return bad(
                core::formatted("the value {} of '{}' has a quotation mark too many, or is empty",
                                value, key),
                "write it without quotation marks, or with one at each end");
        }
        value = value.substr(1, value.size() - 2);
    }
    return Setting{number, std::string(key), std::string(value)};
}

}  // namespace

std::string line_of(std::string_view name, std::size_t line) {
    return core::formatted("{}, line {}", name, line);
}

core::Result<std::vector<Setting>> parse_configuration(std::string_view text,
                                                       std::string_view name) {
    std::vector<Setting> settings;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view whole = take_line(text);
        if (std::ranges::any_of(whole, is_control_character)) {
            return core::fail(core::formatted("{} has a control character", line_of(name, number)),
                              "a configuration is plain text, with lines that end with LF or CRLF");
        }
        const std::string_view line = trim(whole);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        auto setting = parse_setting(line, number, name);
        if (!setting) {
            return std::unexpected(std::move(setting.error()));
        }
        settings.push_back(std::move(*setting));
    }
    return settings;
}

core::Result<std::vector<Setting>> read_configuration_file(const std::string& path) {
    const char* const remedy = "name a file that this user may read";
    if (path.empty()) {
        return core::fail("the name of the configuration file is empty", remedy);
    }
    const auto failed = [&] {
        return core::fail(core::formatted("cannot read the configuration file '{}': {}", path,
                                          std::strerror(errno)),
                          remedy);
    };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return failed();
    }
    std::string text;
    std::array<char, 4096> piece;
    ssize_t count = 0;
    do {
        count = ::read(descriptor, piece.data(), piece.size());
        if (count > 0) {
            text.append(piece.data(), static_cast<std::size_t>(count));
        }
    } while ((count > 0 && text.size() <= configuration_bytes_max) ||
             (count < 0 && errno == EINTR));
    const int error = errno;
    ::close(descriptor);
    errno = error;
    if (count < 0) {
        return failed();
    }
    if (text.size() > configuration_bytes_max) {
        return core::fail(core::formatted("the configuration file '{}' has more than {} bytes",
                                          path, configuration_bytes_max),
                          "name a file of settings");
    }
    return parse_configuration(text, path);
}

}  // namespace enduring::http
