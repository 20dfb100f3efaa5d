#include "core/phase.hpp"

#include <array>

#include "core/check.hpp"

namespace enduring::core {

namespace {

constexpr std::array transitions{
    // While the connection is open, the session's need names the phase.
    Transition{Phase::opening, Trigger::need_request, Phase::idle},
    Transition{Phase::opening, Trigger::need_head, Phase::head},
    Transition{Phase::opening, Trigger::need_content, Phase::content},
    Transition{Phase::opening, Trigger::need_answer, Phase::handling},
    Transition{Phase::opening, Trigger::need_room, Phase::stalled},
    Transition{Phase::opening, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::opening, Trigger::quiet, Phase::flushing},
    Transition{Phase::opening, Trigger::retired, Phase::opening},
    Transition{Phase::opening, Trigger::evicted, Phase::joining},
    Transition{Phase::opening, Trigger::broken, Phase::joining},

    Transition{Phase::idle, Trigger::need_request, Phase::idle},
    Transition{Phase::idle, Trigger::need_head, Phase::head},
    Transition{Phase::idle, Trigger::need_content, Phase::content},
    Transition{Phase::idle, Trigger::need_answer, Phase::handling},
    Transition{Phase::idle, Trigger::need_room, Phase::stalled},
    Transition{Phase::idle, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::idle, Trigger::quiet, Phase::flushing},
    Transition{Phase::idle, Trigger::retired, Phase::flushing},
    Transition{Phase::idle, Trigger::evicted, Phase::joining},
    Transition{Phase::idle, Trigger::broken, Phase::joining},

    Transition{Phase::head, Trigger::need_request, Phase::idle},
    Transition{Phase::head, Trigger::need_head, Phase::head},
    Transition{Phase::head, Trigger::need_content, Phase::content},
    Transition{Phase::head, Trigger::need_answer, Phase::handling},
    Transition{Phase::head, Trigger::need_room, Phase::stalled},
    Transition{Phase::head, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::head, Trigger::retired, Phase::head},
    Transition{Phase::head, Trigger::broken, Phase::joining},

    Transition{Phase::content, Trigger::need_request, Phase::idle},
    Transition{Phase::content, Trigger::need_head, Phase::head},
    Transition{Phase::content, Trigger::need_content, Phase::content},
    Transition{Phase::content, Trigger::need_answer, Phase::handling},
    Transition{Phase::content, Trigger::need_room, Phase::stalled},
    Transition{Phase::content, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::content, Trigger::retired, Phase::content},
    Transition{Phase::content, Trigger::broken, Phase::joining},

    Transition{Phase::handling, Trigger::need_request, Phase::idle},
    Transition{Phase::handling, Trigger::need_head, Phase::head},
    Transition{Phase::handling, Trigger::need_content, Phase::content},
    Transition{Phase::handling, Trigger::need_answer, Phase::handling},
    Transition{Phase::handling, Trigger::need_room, Phase::stalled},
    Transition{Phase::handling, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::handling, Trigger::retired, Phase::handling},
    Transition{Phase::handling, Trigger::broken, Phase::joining},

    Transition{Phase::stalled, Trigger::need_request, Phase::idle},
    Transition{Phase::stalled, Trigger::need_head, Phase::head},
    Transition{Phase::stalled, Trigger::need_content, Phase::content},
    Transition{Phase::stalled, Trigger::need_answer, Phase::handling},
    Transition{Phase::stalled, Trigger::need_room, Phase::stalled},
    Transition{Phase::stalled, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::stalled, Trigger::retired, Phase::stalled},
    Transition{Phase::stalled, Trigger::broken, Phase::joining},

    // From here on the session is not asked any more.
    Transition{Phase::flushing, Trigger::flushed, Phase::lingering},
    Transition{Phase::flushing, Trigger::retired, Phase::flushing},
    Transition{Phase::flushing, Trigger::broken, Phase::joining},

    Transition{Phase::lingering, Trigger::quiet, Phase::joining},
    Transition{Phase::lingering, Trigger::retired, Phase::lingering},
    Transition{Phase::lingering, Trigger::broken, Phase::joining},

    Transition{Phase::joining, Trigger::retired, Phase::joining},
    Transition{Phase::joining, Trigger::broken, Phase::joining},
    Transition{Phase::joining, Trigger::joined, Phase::closing},

    Transition{Phase::closing, Trigger::retired, Phase::closing},
    Transition{Phase::closing, Trigger::broken, Phase::closing},
    Transition{Phase::closing, Trigger::closed, Phase::released},
};

constexpr std::uint8_t impossible = 0xff;

constexpr auto table = [] {
    std::array<std::array<std::uint8_t, trigger_count>, phase_count> cells{};
    for (auto& row : cells) {
        row.fill(impossible);
    }
    for (const Transition& transition : transitions) {
        cells[static_cast<std::size_t>(transition.from)]
             [static_cast<std::size_t>(transition.trigger)] =
                 static_cast<std::uint8_t>(transition.to);
    }
    return cells;
}();

}  // namespace

bool has_transition(Phase from, Trigger trigger) noexcept {
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(trigger)] != impossible;
}

Phase next_phase(Phase from, Trigger trigger) {
    const std::uint8_t to =
        table[static_cast<std::size_t>(from)][static_cast<std::size_t>(trigger)];
    ENDURING_CHECK(to != impossible, "the lifecycle has no such transition");
    return static_cast<Phase>(to);
}

std::string_view name_of(Phase phase) noexcept {
    constexpr std::array<std::string_view, phase_count> names{
        "opening",  "idle",      "head",    "content", "handling", "stalled",
        "flushing", "lingering", "joining", "closing", "released"};
    return names[static_cast<std::size_t>(phase)];
}

std::string_view name_of(Trigger trigger) noexcept {
    constexpr std::array<std::string_view, trigger_count> names{
        "need_request", "need_head", "need_content", "need_answer", "need_room",
        "need_nothing", "flushed",   "quiet",        "retired",     "evicted",
        "broken",       "joined",    "closed"};
    return names[static_cast<std::size_t>(trigger)];
}

}  // namespace enduring::core
