#include "core/counters.hpp"

namespace enduring::core {

Counters& Counters::operator+=(const Counters& other) noexcept {
    for (const CounterDescription& description : counter_descriptions) {
        this->*description.counter += other.*description.counter;
    }
    for (std::size_t i = 0; i < closed.size(); ++i) {
        closed[i] += other.closed[i];
    }
    return *this;
}

std::uint64_t Counters::closed_total() const noexcept {
    std::uint64_t sum = 0;
    for (const Counter& count : closed) {
        sum += count;
    }
    return sum;
}

}  // namespace enduring::core
