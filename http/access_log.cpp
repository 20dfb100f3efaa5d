#include "http/access_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

namespace enduring::http {

namespace {

using std::chrono::milliseconds;

// Lines gather meanwhile, so that a busy server's go out many at a time.
constexpr milliseconds gather_for{10};
// A bell that was missed delays lines no longer.
constexpr milliseconds sleep_at_most{1000};
// How often a target without room is looked at, and whether the log is to stop.
constexpr milliseconds room_poll{100};
constexpr std::chrono::seconds tell_every{10};
constexpr mode_t file_mode = 0644;
// By itself: of a line that was not written to its end.
constexpr std::string_view line_end = "\n";

int open_file(const std::string& path) noexcept {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, file_mode);
}

std::uint64_t lines_in(std::string_view text) noexcept {
    return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

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
    try {
        const std::string text =
            "enduring: " + fmt::format(what, std::forward<Values>(values)...) + "\n";
        [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    } catch (...) {
        // It was only a word.
    }
}

}  // namespace

core::Result<std::unique_ptr<AccessLog>> AccessLog::open(std::string target, unsigned workers,
                                                         std::size_t channel_bytes) {
    int descriptor = STDOUT_FILENO;
    if (target != standard_output) {
        descriptor = open_file(target);
        if (descriptor < 0) {
            return core::fail(
                fmt::format("the access log {} cannot be opened: {}", target, std::strerror(errno)),
                "give --access-log a file that this user may write, or stdout");
        }
    }
    return std::unique_ptr<AccessLog>(
        new AccessLog(std::move(target), descriptor, workers, channel_bytes));
}

AccessLog::AccessLog(std::string target, int descriptor, unsigned workers,
                     std::size_t channel_bytes)
    : target_(std::move(target)), descriptor_(descriptor) {
    look_at_target();
    for (unsigned i = 0; i < workers; ++i) {
        channels_.push_back(std::make_unique<LogChannel>(channel_bytes, bell_));
    }
    text_.reserve(channel_bytes + 1);
}

AccessLog::~AccessLog() {
    stop();
    if (descriptor_ != STDOUT_FILENO) {
        ::close(descriptor_);
    }
}

core::Result<void> AccessLog::start() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    core::Result<void> result;
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
        result =
            core::fail(std::string("the access log's thread cannot be started: ") + error.what(),
                       "raise the limit of processes (ulimit -u, --pids-limit)");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return result;
}

void AccessLog::reopen() noexcept {
    reopens_ = true;
    bell_.ring();
}

void AccessLog::stop(milliseconds patience) noexcept {
    if (!thread_.joinable()) {
        return;
    }
    give_up_at_ = Clock::now() + patience;
    stops_ = true;
    bell_.ring();
    thread_.join();
}

std::uint64_t AccessLog::dropped() const noexcept {
    std::uint64_t sum = lost_;
    for (const auto& channel : channels_) {
        sum += channel->dropped();
    }
    return sum;
}

// ---- the thread --------------------------------------------------------------------------------

void AccessLog::run() noexcept {
    for (;;) {
        const bool last = stops_;
        if (reopens_.exchange(false)) {
            open_again();
        }
        const bool any = take_all();
        tell_of_losses();
        if (last) {
            return;
        }
        if (!any) {
            bell_.wait(sleep_at_most, [this] { return anything_wanted(); });
        } else if (!stops_) {
            std::this_thread::sleep_for(gather_for);
        }
    }
}

bool AccessLog::anything_wanted() const noexcept {
    return stops_ || reopens_ ||
           std::ranges::any_of(channels_, [](const auto& channel) { return !channel->empty(); });
}

bool AccessLog::take_all() {
    bool any = false;
    for (const auto& channel : channels_) {
        if (channel->empty()) {
            continue;
        }
        any = true;
        if (cut_line_) {
            write(line_end);
        }
        text_.clear();
        channel->take(text_);
        write(text_);
    }
    return any;
}

void AccessLog::write(std::string_view text) noexcept {
    while (!text.empty()) {
        if (const int error = await_room(); error != 0) {
            lose(text, error);
            return;
        }
        const ssize_t size = ::write(descriptor_, text.data(), write_size(text));
        if (size > 0) {
            const std::string_view taken = text.substr(0, static_cast<std::size_t>(size));
            written_ += taken == line_end ? 0 : lines_in(taken);
            cut_line_ = !taken.ends_with(line_end);
            text.remove_prefix(taken.size());
        } else if (size < 0 && errno != EINTR && errno != EAGAIN) {
            lose(text, errno);
            return;
        }
    }
}

// A pipe that nobody reads must not hold this thread when the server stops: so a write never waits.
// 0, or why nothing more is written.
int AccessLog::await_room() const noexcept {
    while (by_page_ && !has_room(descriptor_, room_poll)) {
        if (Clock::now() >= give_up_at_.load()) {
            return ETIMEDOUT;
        }
    }
    return 0;
}

// A pipe with any room has that for a page. Whole lines, so that what others write to the same pipe
// stands between them: pipe(7).
std::size_t AccessLog::write_size(std::string_view text) const noexcept {
    if (!by_page_ || text.size() <= PIPE_BUF) {
        return text.size();
    }
    const std::size_t last = text.substr(0, PIPE_BUF).rfind(line_end);
    return last == std::string_view::npos ? PIPE_BUF : last + 1;
}

void AccessLog::lose(std::string_view text, int error) noexcept {
    lost_ += text == line_end ? 0 : lines_in(text);
    last_error_ = error;
}

void AccessLog::tell_of_losses() noexcept {
    const std::uint64_t dropped_now = dropped();
    const auto now = Clock::now();
    if (dropped_now == told_ || now < may_tell_at_) {
        return;
    }
    tell("{} lines of the access log were dropped: {}", dropped_now - told_,
         last_error_ != 0 ? std::strerror(last_error_) : "its target is too slow");
    told_ = dropped_now;
    last_error_ = 0;
    may_tell_at_ = now + tell_every;
}

void AccessLog::open_again() noexcept {
    if (target_ == standard_output) {
        return;
    }
    const int opened = open_file(target_);
    if (opened < 0) {
        tell("the access log {} cannot be opened again: {}; the old file is written on", target_,
             std::strerror(errno));
        return;
    }
    ::close(std::exchange(descriptor_, opened));
    cut_line_ = false;
    look_at_target();
}

void AccessLog::look_at_target() noexcept {
    struct stat status{};
    by_page_ = ::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode);
}

}  // namespace enduring::http
