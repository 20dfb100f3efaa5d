// Which connections have been quiet for longest, for a server that needs room. Pure; it knows of
// connections only what it is told. Nothing is kept in order while connections come to rest and
// leave it, which they do all the time; the longest ones are looked for when they are needed, many
// at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace enduring::core {

/// Not thread-safe; one per worker.
class QuietOrder {
  public:
    /// So many connections may be quiet at once.
    explicit QuietOrder(std::size_t connections_max) { found_.reserve(connections_max); }

    struct Entry {
        std::uint64_t since_ms;
        std::uint32_t slot;
        std::uint32_t generation;

        friend bool operator==(const Entry&, const Entry&) = default;
    };

    /// The next one of those found, longest first. It may have gone on since: then its `since_ms`
    /// is not true any more, and the next may be taken. Whoever came to rest after the search has
    /// been quiet for less time than all that are left, so the order stays true.
    [[nodiscard]] std::optional<Entry> take() {
        if (found_.empty()) {
            return std::nullopt;
        }
        const Entry entry = found_.back();
        found_.pop_back();
        return entry;
    }

    /// The entry that was taken last will be the next one again.
    void put_back(const Entry& entry) { found_.push_back(entry); }

    /// Looks anew. for_each(add) calls add(Entry) for each connection that is quiet now. A
    /// sixteenth of them is kept, so that a search is paid for by many evictions.
    template <class ForEach>
    void search(ForEach&& for_each) {
        found_.clear();
        for_each([this](const Entry& entry) { found_.push_back(entry); });
        const std::size_t kept = std::min(found_.size(), kept_min + found_.size() / 16);
        const auto end = found_.begin() + static_cast<std::ptrdiff_t>(kept);
        const auto is_longer = [](const Entry& left, const Entry& right) {
            return left.since_ms < right.since_ms;
        };
        std::nth_element(found_.begin(), end, found_.end(), is_longer);
        found_.erase(end, found_.end());
        std::sort(found_.begin(), found_.end(),
                  [&](const Entry& left, const Entry& right) { return is_longer(right, left); });
    }

  private:
    static constexpr std::size_t kept_min = 32;

    std::vector<Entry> found_;  // the longest last
};

}  // namespace enduring::core
