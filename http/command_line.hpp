// The flags of a server, for every program that is one: each flag is also an environment variable
// (ENDURING_…) and a key of the configuration file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/options.hpp"

namespace CLI {
class App;
}

namespace enduring::http {

/// What a program of this library takes on its command line.
class CommandLine {
  public:
    /// description: what the program does, a sentence. defaults: what flags that are not given
    /// mean.
    CommandLine(std::string_view program, std::string_view description, Options defaults = {});
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// To add the program's own arguments before parse().
    [[nodiscard]] CLI::App& app() noexcept { return *app_; }

    /// Nothing when the program should go on; else the exit status: 0 after --help and --version,
    /// 0 or 1 after --probe, which it does; 2 after a mistake, which is said on standard error with
    /// what is allowed.
    [[nodiscard]] std::optional<int> parse(int argument_count, const char* const* arguments);

    /// What was set.
    [[nodiscard]] const Options& options() const noexcept { return options_; }
    /// --check was given.
    [[nodiscard]] bool check_only() const noexcept { return check_only_; }

  private:
    void add_server_flags();
    void add_lifecycle_flags();
    void add_limit_flags();

    std::unique_ptr<CLI::App> app_;
    Options options_;
    bool check_only_ = false;
    std::string config_path_;
    std::string probe_url_;
};

}  // namespace enduring::http
