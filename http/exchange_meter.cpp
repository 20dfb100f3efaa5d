#include "http/exchange_meter.hpp"

#include <algorithm>

namespace enduring::http {

void DurationCounts::add(std::uint64_t duration_us, std::uint64_t count) noexcept {
    const auto* const bound = std::ranges::lower_bound(bounds_us, duration_us);
    counts[static_cast<std::size_t>(bound - bounds_us.begin())] += count;
    sum_us += duration_us * count;
}

// A connection has one exchange that began in an earlier turn, so what is needed is bounded, and
// soon allocated.
void ExchangeMeter::answered_late(Moment begun) noexcept {
    try {
        late_.push_back(begun);
    } catch (const std::bad_alloc&) {
        counts_.durations.add(Moment{turn_ - begun} * moment_us, 1);  // without this turn
    }
}

void ExchangeMeter::measure(std::uint64_t now_us) noexcept {
    if (answered_at_once_ != 0) {
        counts_.durations.add(now_us - turn_us_, answered_at_once_);
        answered_at_once_ = 0;
    }
    const Moment now = moment_of(now_us);
    for (const Moment begun : late_) {
        counts_.durations.add(Moment{now - begun} * moment_us, 1);
    }
    late_.clear();
}

}  // namespace enduring::http
