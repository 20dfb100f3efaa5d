#include "http/static_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "http/conditional.hpp"
#include "http/date.hpp"
#include "http/file_path.hpp"
#include "http/media_type.hpp"
#include "http/service.hpp"

namespace enduring::http {

namespace {

// Up to this size a file is read at once and goes out with the head in one send; a larger one is
// streamed.
constexpr std::uint64_t read_bytes_max = 64 * 1024;

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

void send_file(const Request& request, Responder responder,
               const std::shared_ptr<const OpenFile>& file, const struct stat& status,
               std::string_view name) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const std::string tag =
        fmt::format("\"{:x}-{:x}-{:x}\"", status.st_mtim.tv_sec, status.st_mtim.tv_nsec, size);
    // A date in the future would be a lie: RFC 9110 §8.8.2.1.
    const std::int64_t now_seconds = ::time(nullptr);
    const std::int64_t modified_seconds =
        std::min<std::int64_t>(status.st_mtim.tv_sec, now_seconds);
    const std::string modified = format_date(modified_seconds);
    const Selection selection =
        select(request, Validators{tag, modified_seconds, now_seconds, size});
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
            response.field("ETag", tag);
            responder.send(std::move(response));
            return;
        case Selection::Kind::unsatisfiable:
            response = error_response(Status::range_not_satisfiable);
            range = fmt::format("bytes */{}", size);
            response.field("Content-Range", range);
            responder.send(std::move(response));
            return;
        case Selection::Kind::part:
            response = Response(Status::partial_content);
            range = fmt::format("bytes {}-{}/{}", selection.offset,
                                selection.offset + selection.size - 1, size);
            response.field("Content-Range", range);
            break;
        default:
            break;
    }
    response.content_type(media_type_of(name));
    response.field("Last-Modified", modified).field("ETag", tag).field("Accept-Ranges", "bytes");
    if (request.method() == Method::head) {
        responder.send(std::move(response.content_size(selection.size)));
        return;
    }
    if (selection.size <= read_bytes_max) {
        // One for each thread, so that nothing is allocated: the bytes are copied by send().
        thread_local std::string bytes;
        bytes.resize(static_cast<std::size_t>(selection.size));
        if (!read_range(file->get(), selection.offset, bytes)) {
            responder.send(error_response(Status::internal_server_error));
            return;
        }
        responder.send(std::move(response.content(std::string_view(bytes))));
        return;
    }
    // A file that is not in the page cache is to be waited for, not to fail with EAGAIN.
    ::fcntl(file->get(), F_SETFL, 0);
    responder.send(std::move(
        response.content(core::FilePiece{selection.offset, selection.size, file, file->get()})));
}

}  // namespace

OpenFile::~OpenFile() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

core::Result<StaticFiles> StaticFiles::open(const std::string& root) {
    const int descriptor = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return core::fail(
            fmt::format("cannot serve the directory '{}': {}", root, std::strerror(errno)),
            errno == EACCES ? "let this user read and enter it" : "name a directory that exists");
    }
    StaticFiles files(std::make_shared<const OpenFile>(descriptor));
    const OpenFile probe(open_beneath(descriptor, "."));
    if (probe.get() < 0) {
        return core::fail(fmt::format("openat2 is blocked ({})", std::strerror(errno)),
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
    const auto file =
        std::make_shared<const OpenFile>(open_beneath(root_->get(), path.relative.c_str()));
    struct stat status{};
    if (file->get() < 0 || ::fstat(file->get(), &status) != 0) {
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
    send_file(request, std::move(responder), file, status, path.relative);
}

}  // namespace enduring::http
