// Small files that stay in memory and large ones that stay open, so that answering with one takes a
// look at its state and no reading or opening. Not thread-safe; one per worker's thread and
// directory.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/open_file.hpp"

namespace enduring::http {

/// Which file it is and in which state, as stat(2) tells.
struct FileState {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_s = 0;  ///< since 1970; the content
    std::int64_t modified_ns = 0;
    std::int64_t changed_s = 0;  ///< what else is known of it, too
    std::int64_t changed_ns = 0;

    [[nodiscard]] static FileState of(const struct stat& status) noexcept;
    friend bool operator==(const FileState&, const FileState&) = default;
};

/// A file, and what answers say of it.
struct KnownFile {
    FileState state;
    std::string tag;                   ///< a strong entity tag, with its quotes
    std::int64_t modified_seconds{0};  ///< not later than when it was looked at
    std::string modified;              ///< ... as a date
    std::string_view media_type;
    std::string content{};                   ///< if that is kept
    std::shared_ptr<const OpenFile> open{};  ///< ... or else its descriptor
};

class FileCache {
  public:
    /// The clock by which files change may be as coarse as a second, so only what is older than
    /// that can be told from what it becomes.
    static constexpr std::int64_t settled_after_seconds = 2;
    /// Not every change moves a time: not one through a mapping before the kernel writes it out.
    static constexpr std::int64_t read_again_after_seconds = 10;
    /// Of files that stay open. Each holds what it needs on the disk, though it may be deleted.
    static constexpr std::size_t descriptors_max = 32;

    /// bytes_max: of all contents that it has given out and that are still in use, kept or not;
    /// 0: nothing is kept.
    /// files_open_max: no more than so many stay open.
    explicit FileCache(std::size_t bytes_max, std::size_t files_open_max = descriptors_max)
        : bytes_max_(bytes_max),
          files_open_max_(files_open_max),
          bytes_(std::make_shared<std::size_t>(0)) {}

    /// What is kept for this path, or null. It is to be compared with the file's state of now.
    [[nodiscard]] std::shared_ptr<const KnownFile> find(std::string_view path,
                                                        std::int64_t now_seconds);
    /// Moves a file with its content or descriptor into the cache, and gives what is to be sent
    /// from. Null, and the file is as it was, if it cannot be kept: its content has just changed,
    /// so that another change might not be seen, or there is no room.
    std::shared_ptr<const KnownFile> keep(std::string_view path, KnownFile& file,
                                          std::int64_t now_seconds);
    void drop(std::string_view path);
    /// Forgets all files that stay open; each is closed when nobody sends it any more. To be called
    /// within read_again_after_seconds, so that what is deleted goes. Returns how many there were.
    std::size_t drop_open() noexcept;

    /// Whether the content of a file of this size and state would be kept.
    [[nodiscard]] bool would_keep(const FileState& state, std::int64_t now_seconds) const noexcept;
    /// Memory of the contents that are kept or still in use.
    [[nodiscard]] std::size_t bytes() const noexcept { return *bytes_; }

  private:
    // Counts its memory for as long as anybody uses it.
    struct Counted;
    struct Entry {
        std::string path;
        std::shared_ptr<const KnownFile> file;
        std::int64_t read_seconds;
    };
    using Entries = std::list<Entry>;

    static bool is_open(const Entry& entry) noexcept;

    void erase(Entries::iterator entry) noexcept;
    bool make_room(std::size_t bytes);

    std::size_t bytes_max_;
    std::size_t files_open_max_;
    std::shared_ptr<std::size_t> bytes_;
    std::size_t descriptors_ = 0;
    Entries entries_;  // the last used first
    std::unordered_map<std::string_view, Entries::iterator> by_path_;
};

}  // namespace enduring::http
