#include "simulation/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace enduring::simulation {

namespace report_detail {

bool tracing = false;

void print(std::uint64_t now_us, std::string_view line) {
    std::fputs(
        core::formatted("{:>14.3f} ms  {}\n", static_cast<double>(now_us) / 1000, line).c_str(),
        stdout);
    std::fflush(stdout);
}

}  // namespace report_detail

namespace {

FailureText* failure_text = nullptr;

template <std::size_t room>
void store(std::string_view text, std::array<char, room>& place) {
    const std::size_t size = std::min(text.size(), room - 1);
    std::copy_n(text.data(), size, place.data());
    place[size] = '\0';
}

}  // namespace

void set_tracing(bool on) noexcept { report_detail::tracing = on; }

void set_failure_text(FailureText* text) noexcept { failure_text = text; }

void fail(std::string_view kind, std::string_view details) {
    if (failure_text != nullptr) {
        store(kind, failure_text->kind);
        store(details, failure_text->details);
    }
    std::fputs(
        core::formatted("simulation: {}{}{}\n", kind, details.empty() ? "" : ": ", details).c_str(),
        stderr);
    std::fflush(stderr);
    std::_Exit(failed_status);
}

}  // namespace enduring::simulation
