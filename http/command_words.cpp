#include "http/command_words.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <expected>
#include <optional>
#include <span>
#include <utility>

#include "core/format.hpp"

namespace enduring::http {

namespace {

constexpr std::string_view config_flag = "--config";

// These ask for something else than a server that is set up in some way.
constexpr std::array<std::string_view, 5> flags_that_are_no_keys{"help", "version", "check",
                                                                 "config", "probe"};

bool names(std::string_view word, std::string_view flag) noexcept {
    return word.starts_with(flag) && (word.size() == flag.size() || word[flag.size()] == '=');
}

// What follows "--" is no flag.
std::span<const std::string> flags_of(const std::vector<std::string>& words) {
    return {words.begin(), std::ranges::find(words, "--")};
}

// CLI11 takes an empty variable for none.
std::optional<std::string> value_of_variable(const std::string& name) {
    const char* const value = name.empty() ? nullptr : std::getenv(name.c_str());
    return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<std::string> find_config_path(std::span<const std::string> flags) {
    for (std::size_t i = 0; i < flags.size(); ++i) {
        if (flags[i] == config_flag) {
            // Without a path it is refused when the words are parsed.
            return i + 1 < flags.size() ? std::optional(flags[i + 1]) : std::nullopt;
        }
        if (names(flags[i], config_flag)) {
            return flags[i].substr(config_flag.size() + 1);
        }
    }
    return value_of_variable("ENDURING_CONFIG");
}

// Whether a setting is one of a flag's that may be given, and given once where once is all.
core::Result<const CLI::Option*> find_option(const CLI::App& app, const std::string& file,
                                             std::span<const Setting> before,
                                             const Setting& setting) {
    const CLI::Option* const option = app.get_option_no_throw("--" + setting.key);
    if (option == nullptr ||
        std::ranges::find(flags_that_are_no_keys, setting.key) != flags_that_are_no_keys.end()) {
        return core::fail(
            core::formatted("{}: there is no key '{}'", line_of(file, setting.line), setting.key),
            "a key is the name of a flag that sets something, without its hyphens");
    }
    const auto first = std::ranges::find(before, setting.key, &Setting::key);
    const bool repeatable = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll ||
                            option->get_items_expected_max() > 1;
    if (first != before.end() && !repeatable) {
        return core::fail(core::formatted("{}: line {} has set '{}' already",
                                          line_of(file, setting.line), first->line, setting.key),
                          "remove one of the two");
    }
    return option;
}

}  // namespace

std::string CommandWords::place_of(std::string_view error) const {
    // The first flag that is named is the one that the error is about.
    std::string_view flag = error.substr(std::min(error.find("--"), error.size()));
    flag.remove_prefix(std::min<std::size_t>(flag.size(), 2));
    flag = flag.substr(0, static_cast<std::size_t>(
                              std::ranges::find_if_not(flag, is_key_character) - flag.begin()));
    const Setting* found = nullptr;
    for (const Setting& setting : from_file) {
        // Of a flag that is there several times, the one whose value is told.
        if (setting.key == flag &&
            (found == nullptr || error.contains("'" + setting.value + "'"))) {
            found = &setting;
        }
    }
    return found == nullptr ? "" : line_of(file, found->line) + ": ";
}

core::Result<CommandWords> gather_words(const CLI::App& app, std::vector<std::string> given) {
    const std::span<const std::string> flags = flags_of(given);
    for (const std::string& flag : flags) {
        // CLI11 would take the next word for its value.
        if (flag.starts_with("--") && flag.find('=') == flag.size() - 1 &&
            !names(flag, config_flag)) {
            return core::fail(core::formatted("{} has no value", flag.substr(0, flag.size() - 1)),
                              core::formatted("write {}VALUE", flag));
        }
    }
    const std::optional<std::string> path = find_config_path(flags);
    if (!path) {
        return CommandWords{.words = std::move(given)};
    }
    auto settings = read_configuration_file(*path);
    if (!settings) {
        return std::unexpected(std::move(settings.error()));
    }
    CommandWords result{.words = {}, .from_file = {}, .file = *path};
    for (const Setting& setting : *settings) {
        const auto option = find_option(app, *path, std::span(settings->data(), &setting), setting);
        if (!option) {
            return std::unexpected(option.error());
        }
        const bool given_too = std::ranges::any_of(
            flags, [&](const std::string& word) { return names(word, "--" + setting.key); });
        if (!given_too && !value_of_variable((*option)->get_envname())) {
            result.words.push_back(core::formatted("--{}={}", setting.key, setting.value));
            result.from_file.push_back(setting);
        }
    }
    result.words.insert(result.words.end(), given.begin(), given.end());
    return result;
}

}  // namespace enduring::http
