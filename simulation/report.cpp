#include "simulation/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace enduring::simulation {

namespace report_detail {

bool tracing = false;

void print(std::uint64_t now_us, std::string_view line) {
    fmt::print("{:>14.3f} ms  {}\n", static_cast<double>(now_us) / 1000, line);
    std::fflush(stdout);
}

}  // namespace report_detail

namespace {

char* failure_text = nullptr;
std::size_t failure_text_size = 0;

}  // namespace

void set_tracing(bool on) noexcept { report_detail::tracing = on; }

void set_failure_text(char* text, std::size_t size) noexcept {
    failure_text = text;
    failure_text_size = size;
}

void fail(std::string_view kind, std::string_view details) {
    if (failure_text != nullptr) {
        const std::size_t size = std::min(kind.size(), failure_text_size - 1);
        std::copy_n(kind.data(), size, failure_text);
        failure_text[size] = '\0';
    }
    fmt::print(stderr, "simulate: {}{}{}\n", kind, details.empty() ? "" : ": ", details);
    std::fflush(stderr);
    std::_Exit(failed_status);
}

}  // namespace enduring::simulation
