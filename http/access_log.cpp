#include "http/access_log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "core/format.hpp"

namespace enduring::http {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Lines gather meanwhile, so that a busy server's go out many at a time.
constexpr milliseconds gather_for{10};
// How often a target without room is looked at, and whether the log is to stop.
constexpr milliseconds room_poll{100};
// A write that has begun may hold the thread: a terminal that was stopped, a disk that does not
// answer. After this it is left.
constexpr milliseconds thread_patience{1000};
constexpr std::chrono::seconds tell_every{10};
constexpr mode_t file_mode = 0640;

bool has_room(int descriptor, milliseconds patience) noexcept {
    pollfd ready{descriptor, POLLOUT, 0};
    return ::poll(&ready, 1, static_cast<int>(patience.count())) > 0;
}

// Says something on standard error, which may be the same pipe that nobody reads: then it is left.
template <class... Values>
void tell(fmt::format_string<Values...> what, Values&&... values) noexcept {
    if (!has_room(STDERR_FILENO, milliseconds(0))) {
        return;
    }
    constexpr std::string_view begin = "enduring: ";
    std::array<char, 1024> text{};
    const std::size_t room = text.size() - begin.size() - 1;
    begin.copy(text.data(), begin.size());
    const std::size_t size =
        begin.size() + core::put_formatted(std::span(text).subspan(begin.size(), room), what,
                                           std::forward<Values>(values)...);
    text[size] = '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), size + 1);
}

std::uint64_t lines_in(std::string_view text) noexcept {
    return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

// Never waits: not for who might come to read a pipe.
int open_target(const std::string& path, int more_flags) noexcept {
    return ::open(path.c_str(),
                  O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | more_flags, file_mode);
}

std::string why_not_open(int error) {
    return error == ENXIO ? "nobody reads it" : std::strerror(error);
}

core::Result<int> cannot_open(const std::string& path, int error) {
    return core::fail(
        core::formatted("the access log {} cannot be opened: {}", path, why_not_open(error)),
        "give --access-log a file that this user may write, or stdout");
}

// -1: there is no such file yet, and one can be made.
core::Result<int> open_if_there(const std::string& path) {
    const int descriptor = open_target(path, 0);
    if (descriptor >= 0 || errno != ENOENT) {
        return descriptor >= 0 ? core::Result<int>(descriptor) : cannot_open(path, errno);
    }
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    if (::faccessat(AT_FDCWD, directory.empty() ? "." : directory.c_str(), W_OK | X_OK,
                    AT_EACCESS) != 0) {
        return cannot_open(path, errno);
    }
    return -1;
}

// Whether a file ends in the middle of a line; false if that cannot be told.
bool ends_in_line(const std::string& path, off_t size) noexcept {
    if (size == 0) {
        return false;
    }
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) {
        return false;
    }
    char last = '\n';
    const ssize_t got = ::pread(file, &last, 1, size - 1);
    ::close(file);
    return got == 1 && last != '\n';
}

}  // namespace

// What the thread uses.
class AccessLog::Writer {
  public:
    Writer(std::string target, int descriptor, unsigned workers, std::size_t channel_bytes)
        : target_(std::move(target)),
          standard_output_(is_standard_output(target_)),
          descriptor_(descriptor) {
        for (unsigned i = 0; i < workers; ++i) {
            channels_.push_back(std::make_unique<LogChannel>(channel_bytes, bell_));
        }
        text_.reserve(channel_bytes + 1);
    }
    ~Writer() {
        if (!standard_output_ && descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    [[nodiscard]] LogChannel& channel(unsigned worker) noexcept { return *channels_[worker]; }
    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        std::uint64_t sum = lost_;
        for (const auto& channel : channels_) {
            sum += channel->dropped();
        }
        return sum;
    }
    void reopen() noexcept {
        reopens_ = true;
        bell_.ring();
    }

    core::Result<void> prepare() {
        if (descriptor_ < 0) {
            descriptor_ = open_target(target_, O_CREAT);
            if (descriptor_ < 0) {
                return std::unexpected(cannot_open(target_, errno).error());
            }
        }
        look_at_target();
        return {};
    }

    void run() noexcept {
        for (;;) {
            const bool last = stops_;
            if (reopens_.exchange(false)) {
                open_again();
            }
            const bool any = take_all();
            tell_of_losses();
            if (last) {
                break;
            }
            if (!any) {
                bell_.wait([this] { return anything_wanted(); });
            } else if (!stops_) {
                std::this_thread::sleep_for(gather_for);
            }
        }
        ended_.set_value();
    }

    // Whether the thread has ended in time.
    bool stop(milliseconds patience) noexcept {
        give_up_at_ = Clock::now() + patience;
        stops_ = true;
        bell_.ring();
        return ended_.get_future().wait_for(patience + thread_patience) ==
               std::future_status::ready;
    }

  private:
    [[nodiscard]] bool anything_wanted() const noexcept {
        return stops_ || reopens_ || std::ranges::any_of(channels_, [](const auto& channel) {
                   return !channel->empty();
               });
    }

    bool take_all() noexcept {
        bool any = false;
        for (const auto& channel : channels_) {
            if (channel->empty()) {
                continue;
            }
            any = true;
            // The end of a line that was cut comes first; there is room for it.
            text_.assign(cut_line_ ? "\n" : "");
            channel->take(text_);
            write(text_, cut_line_);
        }
        return any;
    }

    // ends_cut_line: the first character is no line of this text.
    void write(std::string_view text, bool ends_cut_line) noexcept {
        const auto count = [&](std::string_view part) {
            return lines_in(part) - (std::exchange(ends_cut_line, false) ? 1 : 0);
        };
        while (!text.empty()) {
            int error = await_room();
            ssize_t size = -1;
            if (error == 0) {
                size = ::write(descriptor_, text.data(), write_size(text));
                error = size < 0 ? errno : 0;
            }
            if (size > 0) {
                const std::string_view taken = text.substr(0, static_cast<std::size_t>(size));
                written_ += count(taken);
                cut_line_ = !taken.ends_with('\n');
                text.remove_prefix(taken.size());
            } else if (error != EINTR && error != EAGAIN) {
                lost_ += count(text);
                last_error_ = error;
                return;
            }
        }
    }

    // A pipe that nobody reads must not hold this thread when the server stops: so a write never
    // waits. 0, or why nothing more is written.
    [[nodiscard]] int await_room() const noexcept {
        for (;;) {
            const auto left = std::chrono::ceil<milliseconds>(give_up_at_.load() - Clock::now());
            if (left.count() <= 0) {
                return ETIMEDOUT;
            }
            if (!by_page_ || has_room(descriptor_, std::min(left, room_poll))) {
                return 0;
            }
        }
    }

    // A pipe with any room has that for a page. Whole lines, so that what others write to the same
    // pipe stands between them: pipe(7).
    [[nodiscard]] std::size_t write_size(std::string_view text) const noexcept {
        if (!by_page_ || text.size() <= PIPE_BUF) {
            return text.size();
        }
        const std::size_t last = text.substr(0, PIPE_BUF).rfind('\n');
        return last == std::string_view::npos || last == 0 ? PIPE_BUF : last + 1;
    }

    void tell_of_losses() noexcept {
        const std::uint64_t dropped_now = dropped();
        const auto now = Clock::now();
        if (dropped_now == told_ || now < may_tell_at_) {
            return;
        }
        tell("{} lines of the access log were dropped: {}", dropped_now - told_,
             last_error_ != 0 && last_error_ != ETIMEDOUT ? std::strerror(last_error_)
                                                          : "its target is too slow");
        told_ = dropped_now;
        last_error_ = 0;
        may_tell_at_ = now + tell_every;
    }

    void open_again() noexcept {
        if (standard_output_) {
            return;
        }
        const int opened = open_target(target_, O_CREAT);
        if (opened < 0) {
            const int error = errno;
            tell("the access log {} cannot be opened again: {}; the old file is written on",
                 target_, error == ENXIO ? "nobody reads it" : std::strerror(error));
            return;
        }
        ::close(std::exchange(descriptor_, opened));
        look_at_target();
    }

    void look_at_target() noexcept {
        struct stat status{};
        by_page_ = ::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode);
        cut_line_ = !by_page_ && !standard_output_ && ends_in_line(target_, status.st_size);
    }

    std::string target_;
    bool standard_output_;
    int descriptor_;
    bool by_page_ = false;   // not a file: it is asked whether it has room, for a page
    bool cut_line_ = false;  // the last line was not written to its end
    Bell bell_;
    std::vector<std::unique_ptr<LogChannel>> channels_;
    std::string text_;  // what is being written
    std::promise<void> ended_;
    std::atomic<bool> reopens_ = false;
    std::atomic<bool> stops_ = false;
    std::atomic<Clock::time_point> give_up_at_ = Clock::time_point::max();
    std::atomic<std::uint64_t> written_ = 0;
    std::atomic<std::uint64_t> lost_ = 0;
    // For what is told of losses.
    int last_error_ = 0;
    std::uint64_t told_ = 0;
    Clock::time_point may_tell_at_{};
};

bool AccessLog::is_standard_output(std::string_view target) noexcept {
    constexpr std::array<std::string_view, 4> names{"stdout", "-", "/dev/stdout",
                                                    "/proc/self/fd/1"};
    return std::ranges::find(names, target) != names.end();
}

core::Result<std::unique_ptr<AccessLog>> AccessLog::open(std::string target, unsigned workers,
                                                         std::size_t channel_bytes) {
    core::Result<int> descriptor = STDOUT_FILENO;
    if (!is_standard_output(target)) {
        descriptor = open_if_there(target);
        if (!descriptor) {
            return std::unexpected(descriptor.error());
        }
    }
    return std::unique_ptr<AccessLog>(new AccessLog(
        std::make_shared<Writer>(std::move(target), *descriptor, workers, channel_bytes)));
}

AccessLog::AccessLog(std::shared_ptr<Writer> writer) : writer_(std::move(writer)) {}

AccessLog::~AccessLog() { stop(); }

LogChannel& AccessLog::channel(unsigned worker) noexcept { return writer_->channel(worker); }

core::Result<void> AccessLog::start() {
    if (auto prepared = writer_->prepare(); !prepared) {
        return prepared;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::string failure;
    try {
        thread_ = std::thread([writer = writer_] { writer->run(); });
    } catch (const std::system_error& error) {
        failure = error.what();
    } catch (const std::bad_alloc&) {
        failure = "there is not enough memory";
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!failure.empty()) {
        return core::fail("the access log's thread cannot be started: " + failure,
                          "raise the limit of processes (ulimit -u, --pids-limit)");
    }
    return {};
}

void AccessLog::reopen() noexcept { writer_->reopen(); }

void AccessLog::stop(milliseconds patience) noexcept {
    if (!thread_.joinable()) {
        return;
    }
    if (writer_->stop(patience)) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

std::uint64_t AccessLog::written() const noexcept { return writer_->written(); }
std::uint64_t AccessLog::dropped() const noexcept { return writer_->dropped(); }

}  // namespace enduring::http
