#include "http/log_channel.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/check.hpp"

namespace enduring::http {

LogChannel::LogChannel(std::size_t bytes, Bell& bell)
    : size_(bytes), bytes_(std::make_unique<char[]>(bytes)), bell_(bell) {
    ENDURING_CHECK(std::has_single_bit(bytes), "the size of a log channel is a power of two");
}

bool LogChannel::put(std::string_view line) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t used = tail - head_.load(std::memory_order_acquire);
    if (line.size() > size_ - used) {
        drop();
        return false;
    }
    const std::size_t at = tail & (size_ - 1);
    const std::size_t first = std::min(line.size(), size_ - at);
    std::memcpy(bytes_.get() + at, line.data(), first);
    std::memcpy(bytes_.get(), line.data() + first, line.size() - first);
    tail_.store(tail + line.size());  // in the order that the bell needs
    bell_.ring();
    return true;
}

bool LogChannel::take(std::string& text) {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::size_t used = tail_.load(std::memory_order_acquire) - head;
    const std::size_t at = head & (size_ - 1);
    const std::size_t first = std::min(used, size_ - at);
    text.append(bytes_.get() + at, first);
    text.append(bytes_.get(), used - first);
    head_.store(head + used, std::memory_order_release);
    return used > 0;
}

}  // namespace enduring::http
