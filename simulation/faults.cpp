#include "simulation/faults.hpp"

namespace enduring::simulation {

namespace {

constexpr std::array<std::string_view, fault_count> names{
    "short_receive", "short_send",     "lost_more",       "few_buffers", "scarcity",
    "accept_failed", "receive_failed", "send_failed",     "false_room",  "late",
    "reordered",     "cancel_late",    "few_submissions", "few_taken",   "few_completions",
    "busy",          "interrupted",    "file_short",      "file_slow",   "stop",
    "slow_turns",    "lost_output",    "clock_edge"};

constexpr std::uint64_t rates_stream = 1;
constexpr std::uint64_t draws_stream = 2;

}  // namespace

std::string_view name_of(Fault fault) noexcept { return names[static_cast<std::size_t>(fault)]; }

std::optional<Fault> fault_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < fault_count; ++i) {
        if (names[i] == name) {
            return static_cast<Fault>(i);
        }
    }
    return std::nullopt;
}

Faults::Faults(std::uint64_t seed, FaultSet never) : random_(seed, draws_stream) {
    Random random(seed, rates_stream);
    const std::uint64_t share = random.pick<std::uint64_t>({0, 100, 300, 300, 600});
    for (std::size_t i = 0; i < fault_count; ++i) {
        const bool on = random.chance(share);
        const auto rate = random.pick<std::uint16_t>({5, 20, 60, 200, 500});
        if (on && (never & bit_of(static_cast<Fault>(i))) == 0) {
            rates_[i] = rate;
        }
    }
}

}  // namespace enduring::simulation
