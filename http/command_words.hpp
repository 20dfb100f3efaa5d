// The words that a program is told its settings with: those of its command line, and before them
// what its configuration file sets. It knows which flags there are and nothing of their values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "http/configuration_file.hpp"

namespace CLI {
class App;
}

namespace enduring::http {

struct CommandWords {
    std::vector<std::string> words;    ///< in their order
    std::vector<Setting> from_file{};  ///< the settings that became words
    std::string file{};                ///< where they are from

    /// Where the setting stands that an error of the program's flags is about, to be put before the
    /// error; empty if it does not stand in the file.
    [[nodiscard]] std::string place_of(std::string_view error) const;
};

/// given: the command line without the program's name. Reads the file that it or the environment
/// names. What the command line or the environment sets as well is not taken from the file.
[[nodiscard]] core::Result<CommandWords> gather_words(const CLI::App& app,
                                                      std::vector<std::string> given);

}  // namespace enduring::http
