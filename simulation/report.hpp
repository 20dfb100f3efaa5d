// How a run tells what happened: a history for people, if it is wanted, and a failure, which ends
// the process. Since runs are the same for the same seed, no history is kept while none is wanted:
// a run that failed is run again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/format.hpp"

namespace enduring::simulation {

/// Exit status of a process in which a run failed.
inline constexpr int failed_status = 70;

/// The history is printed as it happens.
void set_tracing(bool on) noexcept;
/// What a process that failed leaves behind, in memory that it shares. Texts end with a zero.
struct FailureText {
    std::array<char, 256> kind{};
    std::array<char, 4096> details{};
};
/// Where the message of a failure goes, beside standard error; null: nowhere.
void set_failure_text(FailureText* text) noexcept;

namespace report_detail {
extern bool tracing;
void print(std::uint64_t now_us, std::string_view line);
}  // namespace report_detail

[[nodiscard]] inline bool tracing() noexcept { return report_detail::tracing; }

/// A line of the history.
template <class... Arguments>
void note(std::uint64_t now_us, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (report_detail::tracing) [[unlikely]] {
        report_detail::print(now_us,
                             core::formatted(format, std::forward<Arguments>(arguments)...));
    }
}

/// The run has failed: something is not as it must be. `kind` is the same for the same failure in
/// another run; `details` need not be.
[[noreturn]] void fail(std::string_view kind, std::string_view details = {});

}  // namespace enduring::simulation
