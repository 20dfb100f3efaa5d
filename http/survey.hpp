// What a worker finds when it goes through its connections, as it is asked to now and then: how
// many are in each phase, and those that stand out. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/address.hpp"
#include "core/host.hpp"
#include "core/phase.hpp"

namespace enduring::http {

/// A connection, as it was when its worker looked.
struct ConnectionRow {
    unsigned worker = 0;
    core::ConnectionId id{};
    core::Phase phase = core::Phase::opening;
    std::uint64_t age_ms = 0;
    std::uint64_t phase_ms = 0;  ///< since its phase began; idle: since its last answer had gone
    std::uint64_t output_bytes = 0;  ///< written, and not yet taken by the kernel
    std::uint32_t requests = 0;
    std::optional<core::Address> peer{};  ///< nothing: the system does not tell
};

/// Keeps the rows in which one of the times is longest.
class LongestRows {
  public:
    LongestRows(std::size_t most, std::uint64_t ConnectionRow::* time)
        : most_(most), longer_{time} {}

    void add(const ConnectionRow& row) {
        if (rows_.size() == most_) {
            if (rows_.empty() || !longer_(row, rows_.front())) {
                return;
            }
            std::ranges::pop_heap(rows_, longer_);
            rows_.pop_back();
        }
        rows_.push_back(row);
        std::ranges::push_heap(rows_, longer_);
    }
    /// The longest first.
    [[nodiscard]] std::vector<ConnectionRow> take() {
        std::ranges::sort_heap(rows_, longer_);
        return std::exchange(rows_, {});
    }

  private:
    struct Longer {
        std::uint64_t ConnectionRow::* time;
        bool operator()(const ConnectionRow& a, const ConnectionRow& b) const {
            return a.*time > b.*time;
        }
    };

    std::size_t most_;
    Longer longer_;
    std::vector<ConnectionRow> rows_;  // a heap, the shortest in front
};

/// All that one worker tells.
struct WorkerSurvey {
    std::array<std::uint32_t, core::phase_count> phases{};  ///< connections in each
    std::uint64_t receive_buffers_lent = 0;
    std::uint64_t input_buffers_lent = 0;
    std::uint64_t output_bytes = 0;
    std::uint64_t file_chunks_lent = 0;
    std::uint64_t completion_overflows = 0;  ///< since the start
    std::vector<ConnectionRow> oldest{};     ///< the oldest first
    /// Those that owe something or are owed something (whatever is not idle, or has output that
    /// waits), the longest in its phase first.
    std::vector<ConnectionRow> slowest{};
};

/// Goes through all connections of a core::Loop, in its thread. rows: how many are to be listed.
template <class Loop>
void survey_connections(Loop& loop, unsigned worker, std::size_t rows, WorkerSurvey& survey) {
    LongestRows oldest(rows, &ConnectionRow::age_ms);
    LongestRows slowest(rows, &ConnectionRow::phase_ms);
    const std::uint64_t now_ms = loop.now_ms();
    loop.for_each_connection([&](const auto& connection) {
        const core::Phase phase = connection.lifecycle.phase();
        ++survey.phases[static_cast<std::size_t>(phase)];
        if (rows == 0) {
            return;
        }
        const ConnectionRow row{.worker = worker,
                                .id = connection.id,
                                .phase = phase,
                                .age_ms = now_ms - connection.opened_ms,
                                .phase_ms = now_ms - connection.lifecycle.phase_begin_ms(),
                                .output_bytes = connection.output.size_bytes(),
                                .requests = connection.session.requests()};
        oldest.add(row);
        if (phase != core::Phase::idle || row.output_bytes > 0) {
            slowest.add(row);
        }
    });
    survey.oldest = oldest.take();
    survey.slowest = slowest.take();
    for (auto* list : {&survey.oldest, &survey.slowest}) {
        for (ConnectionRow& row : *list) {
            // The descriptor of one that is being closed may be another's already.
            if (row.phase < core::Phase::closing) {
                row.peer = loop.peer(row.id);
            }
        }
    }
}

/// What each worker told; nothing of those that have not.
using Surveys = std::vector<std::optional<WorkerSurvey>>;

/// The oldest and the slowest connections of all workers, so many of each, as a JSON object.
[[nodiscard]] std::string connections_json(const Surveys& surveys, std::size_t rows);

}  // namespace enduring::http
