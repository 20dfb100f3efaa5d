// The error log: what has gone wrong, told from what a server counts, so that telling it costs the
// workers nothing and a flood of one kind of trouble is one line every ten seconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/counters.hpp"
#include "http/log_level.hpp"

namespace enduring::http {

/// Not thread-safe.
class Trouble {
  public:
    /// What a server has counted since it began.
    struct Counts {
        core::Counters counters{};
        std::uint64_t handlers_threw = 0;
    };
    struct Message {
        LogLevel level;
        std::string text;
    };

    static constexpr std::uint64_t quiet_ms = 10'000;

    /// What is new of the levels up to this one. Each kind is told at once when it first happens,
    /// and then not again before quiet_ms have passed, with how often it has happened meanwhile.
    /// now_ms never goes back.
    [[nodiscard]] std::vector<Message> look(const Counts& counts, std::uint64_t now_ms,
                                            LogLevel level);
    /// The same for what has not been told yet: the server ends.
    [[nodiscard]] std::vector<Message> look_last(const Counts& counts, LogLevel level);

  private:
    struct Kind {
        std::uint64_t told = 0;
        std::uint64_t quiet_until_ms = 0;
    };
    static constexpr std::size_t kinds_max = 24;

    std::array<Kind, kinds_max> kinds_{};
    std::uint64_t last_ms_ = 0;
};

}  // namespace enduring::http
