#include "http/file_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace enduring::http {

namespace {

// What a file takes besides its content and path, about.
constexpr std::size_t overhead_bytes = 512;

std::size_t memory_of(std::string_view path, const KnownFile& file) noexcept {
    return overhead_bytes + path.size() + file.content.capacity();
}

}  // namespace

struct FileCache::Counted {
    KnownFile file;
    std::size_t bytes;
    std::shared_ptr<std::size_t> total;

    Counted(KnownFile&& known, std::size_t size, std::shared_ptr<std::size_t> sum) noexcept
        : file(std::move(known)), bytes(size), total(std::move(sum)) {
        *total += bytes;
    }
    ~Counted() { *total -= bytes; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
};

bool FileCache::is_open(const Entry& entry) noexcept { return entry.file->open != nullptr; }

FileState FileState::of(const struct stat& status) noexcept {
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size = static_cast<std::uint64_t>(status.st_size),
            .modified_s = status.st_mtim.tv_sec,
            .modified_ns = status.st_mtim.tv_nsec,
            .changed_s = status.st_ctim.tv_sec,
            .changed_ns = status.st_ctim.tv_nsec};
}

std::shared_ptr<const KnownFile> FileCache::find(std::string_view path, std::int64_t now_seconds) {
    const auto found = by_path_.find(path);
    if (found == by_path_.end()) {
        return nullptr;
    }
    const Entries::iterator entry = found->second;
    if (now_seconds < entry->read_seconds ||
        now_seconds - entry->read_seconds >= read_again_after_seconds) {
        erase(entry);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->file;
}

bool FileCache::would_keep(const FileState& state, std::int64_t now_seconds) const noexcept {
    const std::int64_t changed_s = std::max(state.modified_s, state.changed_s);
    return overhead_bytes + state.size <= bytes_max_ && changed_s <= now_seconds &&
           now_seconds - changed_s >= settled_after_seconds;
}

std::shared_ptr<const KnownFile> FileCache::keep(std::string_view path, KnownFile& file,
                                                 std::int64_t now_seconds) {
    drop(path);
    const std::size_t bytes = memory_of(path, file);
    const bool stays_open = file.open != nullptr;
    const bool may = stays_open ? files_open_max_ > 0 : would_keep(file.state, now_seconds);
    if (!may || !make_room(bytes)) {
        return nullptr;
    }
    if (stays_open && descriptors_ == files_open_max_) {
        erase(std::prev(std::ranges::find_if(entries_.rbegin(), entries_.rend(), is_open).base()));
    }
    const auto counted = std::make_shared<const Counted>(std::move(file), bytes, bytes_);
    const std::shared_ptr<const KnownFile> kept(counted, &counted->file);
    entries_.push_front({std::string(path), kept, now_seconds});
    try {
        by_path_.emplace(entries_.front().path, entries_.begin());
    } catch (...) {
        entries_.pop_front();
        throw;
    }
    descriptors_ += stays_open ? 1 : 0;
    return kept;
}

void FileCache::drop(std::string_view path) {
    if (const auto found = by_path_.find(path); found != by_path_.end()) {
        erase(found->second);
    }
}

std::size_t FileCache::drop_open() noexcept {
    const std::size_t count = descriptors_;
    for (auto entry = entries_.begin(); descriptors_ > 0;) {
        const auto next = std::next(entry);
        if (is_open(*entry)) {
            erase(entry);
        }
        entry = next;
    }
    return count;
}

void FileCache::erase(Entries::iterator entry) noexcept {
    descriptors_ -= is_open(*entry) ? 1 : 0;
    by_path_.erase(entry->path);
    entries_.erase(entry);
}

// What is being sent would stay in memory: it is passed over. Nothing goes unless that helps.
bool FileCache::make_room(std::size_t bytes) {
    std::size_t freed = 0;
    auto first = entries_.end();
    while (*bytes_ + bytes - freed > bytes_max_ && first != entries_.begin()) {
        --first;
        freed += first->file.use_count() == 1 ? memory_of(first->path, *first->file) : 0;
    }
    if (*bytes_ + bytes - freed > bytes_max_) {
        return false;
    }
    while (first != entries_.end()) {
        const Entries::iterator entry = first++;
        if (entry->file.use_count() == 1) {
            erase(entry);
        }
    }
    return true;
}

}  // namespace enduring::http
