// The picture of the lifecycle in ARCHITECTURE.md is generated from the transition table. This test
// fails when it is stale; with ENDURING_UPDATE_DIAGRAM=1 in the environment it writes it anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "core/lifecycle.hpp"

namespace enduring::core {
namespace {

constexpr const char* begin_mark = "<!-- lifecycle diagram: begin -->\n";
constexpr const char* end_mark = "<!-- lifecycle diagram: end -->\n";

// A state diagram in Mermaid's language. The six open phases all lead to each other by the
// session's needs, so they are drawn as one group.
std::string draw() {
    std::string text = "```mermaid\nstateDiagram-v2\n    direction LR\n    [*] --> opening\n";
    text += "    state \"open: the session's need names the phase\" as open {\n";
    for (std::size_t to = 0; to < phase_count; ++to) {
        const auto phase = static_cast<Phase>(to);
        if (has_transition(phase, Trigger::need_request)) {
            text += "        " + std::string(name_of(phase)) + "\n";
        }
    }
    text += "    }\n";
    // From the same phase to the same phase by several triggers: one arrow.
    std::map<std::pair<std::string, std::string>, std::string> arrows;
    for (std::size_t from = 0; from < phase_count; ++from) {
        for (std::size_t by = 0; by < trigger_count; ++by) {
            const auto phase = static_cast<Phase>(from);
            const auto trigger = static_cast<Trigger>(by);
            if (!has_transition(phase, trigger) || next_phase(phase, trigger) == phase) {
                continue;
            }
            const Phase next = next_phase(phase, trigger);
            const bool inside = has_transition(phase, Trigger::need_request) &&
                                has_transition(next, Trigger::need_request);
            if (inside) {
                continue;
            }
            const bool whole_group =
                trigger == Trigger::need_nothing ||
                (trigger == Trigger::broken && has_transition(phase, Trigger::need_request));
            std::string& label = arrows[{whole_group ? "open" : std::string(name_of(phase)),
                                         std::string(name_of(next))}];
            const std::string name(name_of(trigger));
            if (label.find(name) == std::string::npos) {
                label += (label.empty() ? "" : ", ") + name;
            }
        }
    }
    for (const auto& [ends, label] : arrows) {
        text += "    " + ends.first + " --> " + ends.second + ": " + label + "\n";
    }
    return text + "    released --> [*]\n```\n";
}

TEST(Diagram, IsThatOfTheTransitionTable) {
    const std::string path = std::string(ENDURING_SOURCE_DIRECTORY) + "/ARCHITECTURE.md";
    std::ifstream in(path);
    std::string page(std::istreambuf_iterator<char>(in), {});
    const std::size_t begin = page.find(begin_mark);
    const std::size_t end = page.find(end_mark);
    ASSERT_NE(begin, std::string::npos);
    ASSERT_NE(end, std::string::npos);
    const std::size_t start = begin + std::string(begin_mark).size();
    if (std::getenv("ENDURING_UPDATE_DIAGRAM") != nullptr) {
        std::ofstream(path) << page.substr(0, start) << draw() << page.substr(end);
        return;
    }
    EXPECT_EQ(draw(), page.substr(start, end - start))
        << "run scripts/diagram to draw the picture anew";
}

}  // namespace
}  // namespace enduring::core
