#include "simulation/buffers.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "simulation/report.hpp"

namespace enduring::simulation {

namespace {

constexpr int spoilt = 0xdb;

// Not memory_->bufs: that is a flexible array in a union, which sanitizers take for an empty one.
io_uring_buf& entry_of(io_uring_buf_ring* memory, std::uint32_t index) {
    return reinterpret_cast<io_uring_buf*>(memory)[index];
}

}  // namespace

void Buffers::attach(io_uring_buf_ring* memory, std::uint32_t count, std::uint16_t group) {
    memory_ = memory;
    count_ = count;
    group_ = group;
    known_.resize(count);
    observe();
}

void Buffers::observe() {
    if (memory_ == nullptr) {
        return;
    }
    const std::uint16_t tail = memory_->tail;
    if (static_cast<std::uint16_t>(tail - head_) > count_) {
        fail("more receive buffers were provided than there are");
    }
    for (; seen_tail_ != tail; ++seen_tail_) {
        const io_uring_buf& entry = entry_of(memory_, seen_tail_ & (count_ - 1));
        if (entry.bid >= count_) {
            fail("a receive buffer was provided that does not exist");
        }
        Known& known = known_[entry.bid];
        if (known.provided) {
            fail("a receive buffer was provided twice", core::formatted("{}", entry.bid));
        }
        if (known.address != 0 && (known.address != entry.addr || known.size != entry.len)) {
            fail("a receive buffer was provided with another place or size");
        }
        known = {entry.addr, entry.len, true};
        std::memset(std::bit_cast<void*>(entry.addr), spoilt, entry.len);
    }
}

std::optional<Buffers::Taken> Buffers::fill(std::string_view bytes) {
    if (available() == 0) {
        return std::nullopt;
    }
    const io_uring_buf& entry = entry_of(memory_, head_ & (count_ - 1));
    ++head_;
    Known& known = known_[entry.bid];
    if (!known.provided) {
        fail("an entry of the buffer ring was changed after it had been provided");
    }
    known.provided = false;
    const std::size_t size = std::min<std::size_t>(bytes.size(), known.size);
    std::ranges::copy(bytes.substr(0, size), std::bit_cast<char*>(known.address));
    return Taken{entry.bid, static_cast<std::uint32_t>(size)};
}

}  // namespace enduring::simulation
