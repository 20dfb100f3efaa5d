#include "core/peer_counts.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "core/check.hpp"

namespace enduring::core {

namespace {

// No peer can have an address of this network: it is of the multicast ones.
constexpr std::uint64_t ipv4_network = 0xffff'ffff'0000'0000;

// A bijection that spreads all bits over all others. The factor is the golden ratio's fraction.
constexpr std::uint64_t mix(std::uint64_t bits) noexcept {
    for (unsigned round = 0; round < 3; ++round) {
        bits = (bits ^ bits >> 32) * 0x9e37'79b9'7f4a'7c15;
    }
    return bits ^ bits >> 32;
}

}  // namespace

bool can_tell_peers() noexcept {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    // Whatever standard input is, a call that is allowed says something else.
    return ::getpeername(0, reinterpret_cast<sockaddr*>(&address), &size) == 0 ||
           (errno != ENOSYS && errno != EPERM);
}

std::optional<std::uint64_t> peer_of(const sockaddr_storage& address) noexcept {
    if (address.ss_family == AF_INET) {
        sockaddr_in name;
        std::memcpy(&name, &address, sizeof name);
        return ipv4_network | ntohl(name.sin_addr.s_addr);
    }
    if (address.ss_family != AF_INET6) {
        return std::nullopt;
    }
    sockaddr_in6 name;
    std::memcpy(&name, &address, sizeof name);
    const std::uint8_t* const octets = name.sin6_addr.s6_addr;
    const bool is_mapped = IN6_IS_ADDR_V4MAPPED(&name.sin6_addr);
    std::uint64_t bits = 0;
    for (unsigned i = is_mapped ? 12 : 0; i < (is_mapped ? 16 : 8); ++i) {
        bits = bits << 8 | octets[i];
    }
    return is_mapped ? ipv4_network | bits : bits;
}

// An eighth of the cells are in use at most, so a bucket of sixteen is practically never full.
PeerCounts::PeerCounts(std::uint32_t connections_max, std::uint32_t limit, std::uint64_t seed)
    : buckets_(std::bit_ceil(std::size_t{connections_max} * 8 / bucket_cells + 1)),
      limit_(limit),
      seed_(seed),
      cells_(std::make_unique<Cell[]>(buckets_ * bucket_cells)) {
    ENDURING_CHECK(limit > 0 && connections_max <= count_mask, "a limit of connections is wrong");
}

PeerCounts::Place PeerCounts::find(std::uint64_t peer) const noexcept {
    const std::uint64_t bits = mix(mix(peer ^ seed_) + seed_);
    return {cells_.get() + (bits & (buckets_ - 1)) * bucket_cells, bits & ~count_mask};
}

std::uint32_t PeerCounts::sum(const Place& place) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bucket_cells; ++i) {
        const std::uint64_t cell = place.bucket[i].load();
        sum += (cell & ~count_mask) == place.tag ? cell & count_mask : 0;
    }
    return static_cast<std::uint32_t>(sum);
}

// False: the bucket is full.
bool PeerCounts::increment(const Place& place) noexcept {
    for (;;) {
        Cell* free = nullptr;
        std::uint64_t free_value = 0;
        Cell* own = nullptr;
        std::uint64_t own_value = 0;
        for (std::size_t i = 0; i < bucket_cells && own == nullptr; ++i) {
            const std::uint64_t cell = place.bucket[i].load(std::memory_order_relaxed);
            if ((cell & count_mask) == 0) {
                if (free == nullptr) {
                    free = &place.bucket[i];
                    free_value = cell;
                }
            } else if ((cell & ~count_mask) == place.tag) {
                own = &place.bucket[i];
                own_value = cell;
            }
        }
        if (own == nullptr && free == nullptr) {
            return false;
        }
        // Another thread may have changed the cell since: then all is looked at again.
        if (own != nullptr ? own->compare_exchange_weak(own_value, own_value + 1)
                           : free->compare_exchange_weak(free_value, place.tag | 1)) {
            return true;
        }
    }
}

void PeerCounts::decrement(const Place& place) noexcept {
    for (;;) {
        bool found = false;
        for (std::size_t i = 0; i < bucket_cells; ++i) {
            std::uint64_t cell = place.bucket[i].load(std::memory_order_relaxed);
            if ((cell & count_mask) == 0 || (cell & ~count_mask) != place.tag) {
                continue;
            }
            found = true;
            if (place.bucket[i].compare_exchange_weak(cell, cell - 1)) {
                return;
            }
            break;  // it has changed: what was seen of the others may not be true either
        }
        ENDURING_CHECK(found, "a connection has gone that was not counted");
    }
}

// Counted first and judged then, so that two who come at once do not both find the last place free.
bool PeerCounts::add(std::uint64_t peer) noexcept {
    const Place place = find(peer);
    if (!increment(place)) {
        return false;
    }
    if (sum(place) > limit_) {
        decrement(place);
        return false;
    }
    return true;
}

void PeerCounts::remove(std::uint64_t peer) noexcept { decrement(find(peer)); }

std::uint32_t PeerCounts::count(std::uint64_t peer) const noexcept { return sum(find(peer)); }

}  // namespace enduring::core
