#include "http/static_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "core/format.hpp"
#include "http/conditional.hpp"
#include "http/date.hpp"
#include "http/file_cache.hpp"
#include "http/file_path.hpp"
#include "http/media_type.hpp"
#include "http/service.hpp"

namespace enduring::http {

namespace {

// Up to this size a file is read at once, or kept in memory, and goes out with the head in one
// send; a larger one is streamed.
constexpr std::uint64_t read_bytes_max = 64 * 1024;
// Up to this size what is kept is copied to the head; more is sent from where it is.
constexpr std::size_t copied_bytes_max = 2048;

constexpr unsigned open_tries_max = 16;

// Opens a path below the directory. O_NONBLOCK: a named pipe must not make us wait.
int open_beneath(int directory, const char* path) noexcept {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    for (unsigned tries = 0;; ++tries) {
        const long descriptor = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
        // EAGAIN: a rename elsewhere disturbed the check of a ".." in a link; the next try decides.
        if (descriptor >= 0 || (errno != EINTR && errno != EAGAIN) || tries == open_tries_max) {
            return static_cast<int>(descriptor);
        }
    }
}

Status status_of(int error) noexcept {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
        case ELOOP:
        case EXDEV:  // the path leads out of the root
        case ENAMETOOLONG:
        case ENXIO:
            return Status::not_found;
        case EACCES:
        case EPERM:
            return Status::forbidden;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return Status::service_unavailable;
        default:
            return Status::internal_server_error;
    }
}

void redirect_to_directory(const Request& request, Responder responder) {
    // The path without its leading slashes but one: "//host" would name another server. So would
    // "/\\host", since browsers take a backslash for a slash, but no path has one.
    std::string_view path = request.path();
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    std::string location = "/" + std::string(path) + "/";
    if (!request.query().empty()) {
        location += "?" + std::string(request.query());
    }
    Response response(Status::moved_permanently);
    response.content_type("text/plain").content("301 Moved Permanently\n");
    response.field("Location", location);
    responder.send(std::move(response));
}

// Reads exactly [offset, offset + size); false if the file has become shorter or cannot be read.
bool read_range(int file, std::uint64_t offset, std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::pread(file, bytes.data() + done, bytes.size() - done,
                                      static_cast<off_t>(offset + done));
        if (count <= 0) {
            if (count < 0 && errno == EINTR) {
                continue;
            }
            return false;
        }
        done += static_cast<std::size_t>(count);
    }
    return true;
}

KnownFile describe(const FileState& state, std::string_view name, std::int64_t now_seconds) {
    // A date in the future would be a lie: RFC 9110 §8.8.2.1.
    const std::int64_t modified_seconds = std::min(state.modified_s, now_seconds);
    return {.state = state,
            .tag = core::formatted("\"{:x}-{:x}-{:x}\"", state.modified_s, state.modified_ns,
                                   state.size),
            .modified_seconds = modified_seconds,
            .modified = format_date(modified_seconds),
            .media_type = media_type_of(name)};
}

// A file that a request asks for.
struct Found {
    const KnownFile& known;
    std::shared_ptr<const KnownFile> kept;  // the owner, or null
    FileCache& cache;
    std::string_view path;
    std::int64_t now_seconds;
};

// Reads the whole of a file; false if that does not give the state that was seen.
bool read_whole(int file, KnownFile& whole) {
    whole.content.resize(static_cast<std::size_t>(whole.state.size));
    struct stat status{};
    return read_range(file, 0, whole.content) && ::fstat(file, &status) == 0 &&
           FileState::of(status) == whole.state;
}

void send_kept(Response& response, std::shared_ptr<const KnownFile> kept, std::uint64_t offset,
               std::uint64_t size) {
    const std::string_view part = std::string_view(kept->content).substr(offset, size);
    if (part.size() <= copied_bytes_max) {
        response.content(part);
    } else {
        response.content(core::SharedPiece{part.data(), part.size(), std::move(kept)});
    }
}

// Adds the content, or a part of it; false if it cannot be read.
bool add_content(Response& response, Found& found, std::uint64_t offset, std::uint64_t size) {
    if (found.known.open == nullptr) {
        send_kept(response, found.kept, offset, size);
        return true;
    }
    const int file = found.known.open->get();
    const FileState& state = found.known.state;
    if (size == state.size && size <= read_bytes_max &&
        found.cache.would_keep(state, found.now_seconds)) {
        KnownFile whole = found.known;
        whole.open = nullptr;
        if (read_whole(file, whole)) {
            found.kept = found.cache.keep(found.path, whole, found.now_seconds);
            if (found.kept != nullptr) {
                send_kept(response, found.kept, 0, size);
            } else {
                response.content(std::move(whole.content));
            }
            return true;
        }
    }
    if (size <= read_bytes_max) {
        // One for each thread, so that nothing is allocated: the bytes are copied by send().
        thread_local std::string bytes;
        bytes.resize(static_cast<std::size_t>(size));
        response.content(std::string_view(bytes));
        return read_range(file, offset, bytes);
    }
    response.content(core::FilePiece{offset, size, found.known.open, file});
    return true;
}

void answer(const Request& request, Responder responder, Found found) {
    const KnownFile& known = found.known;
    const std::uint64_t size = known.state.size;
    const Selection selection =
        select(request, Validators{known.tag, known.modified_seconds, found.now_seconds, size});
    if (selection.kind == Selection::Kind::failed) {
        responder.send(error_response(Status::precondition_failed));
        return;
    }
    std::string range;
    Response response(Status::ok);
    switch (selection.kind) {
        case Selection::Kind::not_modified:
            // The client has all that the other fields could say: RFC 9110 §15.4.5.
            response = Response(Status::not_modified);
            response.field("ETag", known.tag);
            responder.send(std::move(response));
            return;
        case Selection::Kind::unsatisfiable:
            response = error_response(Status::range_not_satisfiable);
            range = core::formatted("bytes */{}", size);
            response.field("Content-Range", range);
            responder.send(std::move(response));
            return;
        case Selection::Kind::part:
            response = Response(Status::partial_content);
            range = core::formatted("bytes {}-{}/{}", selection.offset,
                                    selection.offset + selection.size - 1, size);
            response.field("Content-Range", range);
            break;
        default:
            break;
    }
    response.content_type(known.media_type);
    response.field("Last-Modified", known.modified).field("ETag", known.tag);
    response.field("Accept-Ranges", "bytes");
    if (request.method() == Method::head) {
        response.content_size(selection.size);
    } else if (!add_content(response, found, selection.offset, selection.size)) {
        response = error_response(Status::internal_server_error);
    }
    responder.send(std::move(response));
}

}  // namespace

struct StaticFiles::Root {
    Root(int descriptor, std::size_t bytes) noexcept
        : directory(descriptor), cache_bytes(bytes), files_open_max(decide_files_open()) {}

    OpenFile directory;
    std::size_t cache_bytes;
    std::size_t files_open_max;

    // An eighth of all descriptors is left for files: 16 threads may keep that much open.
    static std::size_t decide_files_open() noexcept {
        rlimit limit{};
        const rlim_t all = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
        return static_cast<std::size_t>(std::min<rlim_t>(FileCache::descriptors_max, all / 128));
    }

    // The files that this thread has kept of a directory. They go with the thread, or when it first
    // comes to another directory after the last handler of this one has gone.
    struct Kept {
        std::weak_ptr<const Root> root;
        FileCache files;
        std::weak_ptr<const void> closing;  // while a timer is set that closes what stays open
    };
    static Kept& kept_of(const std::shared_ptr<const Root>& root) {
        thread_local std::vector<std::unique_ptr<Kept>> all;
        for (const std::unique_ptr<Kept>& kept : all) {
            if (!kept->root.owner_before(root) && !root.owner_before(kept->root)) {
                return *kept;
            }
        }
        std::erase_if(all, [](const auto& kept) { return kept->root.expired(); });
        all.push_back(std::make_unique<Kept>(
            Kept{root, FileCache(root->cache_bytes, root->files_open_max), {}}));
        return *all.back();
    }

    // Who stops asking for a file must not keep it on the disk after it was deleted.
    static void close_later(const std::shared_ptr<const Root>& root, Timers& timers) {
        Kept& kept = kept_of(root);
        if (!kept.closing.expired()) {
            return;
        }
        const auto set = std::make_shared<char>();  // lives as long as the timer
        timers.after(std::chrono::seconds(FileCache::read_again_after_seconds),
                     [weak = std::weak_ptr(root), set] {
                         if (const auto still = weak.lock()) {
                             kept_of(still).files.drop_open();
                         }
                     });
        kept.closing = set;
    }
};

core::Result<StaticFiles> StaticFiles::open(const std::string& root, std::size_t cache_bytes) {
    const int descriptor = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return core::fail(
            core::formatted("cannot serve the directory '{}': {}", root, std::strerror(errno)),
            errno == EACCES ? "let this user read and enter it" : "name a directory that exists");
    }
    StaticFiles files(std::make_shared<const Root>(descriptor, cache_bytes));
    const OpenFile probe(open_beneath(descriptor, "."));
    if (probe.get() < 0) {
        return core::fail(core::formatted("openat2 is blocked ({})", std::strerror(errno)),
                          "a seccomp profile forbids it: use scripts/deploy/seccomp.json, or allow "
                          "openat2 in yours");
    }
    return files;
}

void StaticFiles::operator()(const Request& request, Responder responder) const {
    FilePath path = resolve_file_path(request.parameter("path"));
    if (path.status != Status::ok) {
        responder.send(error_response(path.status));
        return;
    }
    if (path.directory) {
        path.relative += path.relative.empty() ? "index.html" : "/index.html";
    }
    const int root = root_->directory.get();
    const std::int64_t now_seconds = ::time(nullptr);
    struct stat status{};
    FileCache& cache = Root::kept_of(root_).files;
    if (const auto kept = cache.find(path.relative, now_seconds)) {
        if (::fstatat(root, path.relative.c_str(), &status, 0) == 0 &&
            FileState::of(status) == kept->state) {
            answer(request, std::move(responder), {*kept, kept, cache, path.relative, now_seconds});
            return;
        }
        cache.drop(path.relative);
    }
    int descriptor = open_beneath(root, path.relative.c_str());
    if (descriptor < 0 && (errno == EMFILE || errno == ENFILE) && cache.drop_open() > 0) {
        descriptor = open_beneath(root, path.relative.c_str());
    }
    const auto file = std::make_shared<const OpenFile>(descriptor);
    if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
        Response response = error_response(status_of(errno));
        if (response.status() == Status::service_unavailable) {
            // Out of descriptors: another client's file ends soon.
            response.field("Retry-After", "1");
        }
        responder.send(std::move(response));
        return;
    }
    if (S_ISDIR(status.st_mode) && !path.directory) {
        redirect_to_directory(request, std::move(responder));
        return;
    }
    if (!S_ISREG(status.st_mode)) {
        responder.send(error_response(Status::not_found));
        return;
    }
    KnownFile known = describe(FileState::of(status), path.relative, now_seconds);
    known.open = file;
    if (known.state.size > read_bytes_max) {
        // A part that is not in the page cache is to be waited for, not to fail with EAGAIN.
        ::fcntl(descriptor, F_SETFL, 0);
        if (const auto kept = cache.keep(path.relative, known, now_seconds)) {
            Root::close_later(root_, responder.timers());
            answer(request, std::move(responder), {*kept, kept, cache, path.relative, now_seconds});
            return;
        }
    }
    answer(request, std::move(responder), {known, nullptr, cache, path.relative, now_seconds});
}

}  // namespace enduring::http
