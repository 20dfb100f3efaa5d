#include "core/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "core/check.hpp"

namespace enduring::core {

namespace {

// calloc gives zero pages that cost nothing until a slot is used; a zero node has no timer.
template <class Node>
Node* zeroed(std::uint32_t capacity) {
    auto* nodes = static_cast<Node*>(std::calloc(capacity, sizeof(Node)));
    ENDURING_CHECK(nodes != nullptr, "out of memory for timers");
    return nodes;
}

}  // namespace

TimerWheel::TimerWheel(std::uint32_t capacity, std::uint64_t now_ms)
    : capacity_(capacity),
      nodes_(zeroed<Node>(capacity), [](Node* nodes) { std::free(nodes); }),
      base_ms_(now_ms) {
    heads_.fill(nobody);
}

void TimerWheel::set(std::uint32_t slot, std::uint64_t deadline_ms) {
    ENDURING_CHECK(slot < capacity_, "timer slot out of range");
    cancel(slot);
    if (deadline_ms == never) {
        return;
    }
    const std::uint64_t since_base_ms = deadline_ms > base_ms_ ? deadline_ms - base_ms_ : 0;
    const std::uint64_t tick = since_base_ms / tick_ms + (since_base_ms % tick_ms != 0);
    place(slot, std::max(tick, now_tick_ + 1));
}

void TimerWheel::cancel(std::uint32_t slot) {
    ENDURING_CHECK(slot < capacity_, "timer slot out of range");
    if (nodes_[slot].place != 0) {
        unlink(slot);
    }
}

std::uint64_t TimerWheel::deadline_ms(std::uint32_t slot) const {
    const Node& node = nodes_[slot];
    return node.place == 0 ? never : base_ms_ + node.tick * tick_ms;
}

std::uint64_t TimerWheel::next_ms() const {
    if (due_ != nobody) {
        return base_ms_ + now_tick_ * tick_ms;
    }
    const auto next = next_place();
    return next ? base_ms_ + next->first * tick_ms : never;
}

// The first occupied place after now, as its first tick and its index. A place of a higher level is
// a range of ticks: its timers are sorted into lower levels when time reaches the range's
// beginning.
std::optional<std::pair<std::uint64_t, std::uint16_t>> TimerWheel::next_place() const {
    for (unsigned level = 0; level < levels; ++level) {
        if (occupied_[level] == 0) {
            continue;
        }
        const unsigned shift = level * level_bits;
        const auto current = static_cast<unsigned>(now_tick_ >> shift) & (places - 1);
        const std::uint64_t rotated = std::rotr(occupied_[level], static_cast<int>(current));
        const auto ahead = static_cast<unsigned>(std::countr_zero(rotated));
        const unsigned index = (current + ahead) & (places - 1);
        const std::uint64_t tick = ((now_tick_ >> shift) + ahead) << shift;
        return std::pair(tick, static_cast<std::uint16_t>(level * places + index));
    }
    return std::nullopt;
}

void TimerWheel::collect(std::uint64_t now_ms) {
    const std::uint64_t target = now_ms > base_ms_ ? (now_ms - base_ms_) / tick_ms : 0;
    while (now_tick_ < target) {
        const auto next = next_place();
        if (!next || next->first > target) {
            now_tick_ = target;
            break;
        }
        now_tick_ = std::max(now_tick_, next->first);
        std::uint32_t& head = heads_[next->second];
        while (head != nobody) {
            const std::uint32_t slot = head;
            const std::uint64_t tick = nodes_[slot].tick;
            unlink(slot);
            nodes_[slot].tick = tick & last_tick;
            if (tick <= now_tick_) {
                link(slot, due_, in_due);
            } else {
                place(slot, tick);
            }
        }
    }
}

// The level is given by the highest bit in which the tick differs from now: a timer is only ever
// placed in a range that has not begun yet, and moves down a level each time its range begins.
void TimerWheel::place(std::uint32_t slot, std::uint64_t tick) {
    tick = std::min(tick, last_tick);
    const std::uint64_t differing = (tick ^ now_tick_) | (places - 1);
    const auto highest = static_cast<unsigned>(63 - std::countl_zero(differing));
    const unsigned level = std::min(highest / level_bits, levels - 1);
    const auto index = static_cast<unsigned>(tick >> (level * level_bits)) & (places - 1);
    nodes_[slot].tick = tick & last_tick;
    link(slot, heads_[level * places + index],
         static_cast<std::uint16_t>(level * places + index + 1));
    occupied_[level] |= 1ULL << index;
}

void TimerWheel::link(std::uint32_t slot, std::uint32_t& head, std::uint16_t where) {
    Node& node = nodes_[slot];
    node.previous = nobody;
    node.next = head;
    node.place = where;
    if (head != nobody) {
        nodes_[head].previous = slot;
    }
    head = slot;
    ++armed_;
}

void TimerWheel::unlink(std::uint32_t slot) {
    Node& node = nodes_[slot];
    if (node.next != nobody) {
        nodes_[node.next].previous = node.previous;
    }
    if (node.previous != nobody) {
        nodes_[node.previous].next = node.next;
    } else if (node.place == in_due) {
        due_ = node.next;
    } else {
        const auto where = static_cast<unsigned>(node.place) - 1U;
        heads_[where] = node.next;
        if (node.next == nobody) {
            occupied_[where / places] &= ~(1ULL << (where % places));
        }
    }
    node.place = 0;
    --armed_;
}

}  // namespace enduring::core
