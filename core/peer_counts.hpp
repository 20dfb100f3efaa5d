// How many connections each peer address has, over all workers, for a limit on them. Counted when a
// connection comes and when it goes, without a lock.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace enduring::core {

/// Whether the system tells who a peer is: a seccomp profile may forbid the call that asks.
[[nodiscard]] bool can_tell_peers() noexcept;

/// What counts as one peer: an IPv4 address, or the 64 bits that an IPv6 network has (who has one
/// address of it has them all). Nothing for other families.
[[nodiscard]] std::optional<std::uint64_t> peer_of(const sockaddr_storage& address) noexcept;

/// Thread-safe. Of a peer never more are admitted than the limit; of two that come for the last
/// place at the same moment both may be refused. Two peers are taken for one with a probability of
/// one in 2^35, and the seed keeps anybody from choosing them.
class PeerCounts {
  public:
    /// connections_max: of all peers together; limit: of one.
    PeerCounts(std::uint32_t connections_max, std::uint32_t limit, std::uint64_t seed);

    /// Counts one more. False: the peer has as many as it may; nothing was counted.
    [[nodiscard]] bool add(std::uint64_t peer) noexcept;
    /// One that was counted has gone.
    void remove(std::uint64_t peer) noexcept;
    [[nodiscard]] std::uint32_t count(std::uint64_t peer) const noexcept;

  private:
    // A cell holds a tag and how many connections have it; none has it when the number is zero. The
    // cells of one peer are in one bucket, and their numbers are added: two threads may each have
    // taken a free cell for it at the same moment.
    using Cell = std::atomic<std::uint64_t>;
    static constexpr std::size_t bucket_cells = 16;
    static constexpr unsigned count_bits = 25;
    static constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;

    struct Place {
        Cell* bucket;
        std::uint64_t tag;  // above the count's bits
    };
    [[nodiscard]] Place find(std::uint64_t peer) const noexcept;
    [[nodiscard]] static std::uint32_t sum(const Place& place) noexcept;
    [[nodiscard]] static bool increment(const Place& place) noexcept;
    static void decrement(const Place& place) noexcept;

    std::size_t buckets_;  // a power of two
    std::uint32_t limit_;
    std::uint64_t seed_;
    std::unique_ptr<Cell[]> cells_;
};

}  // namespace enduring::core
