#include "core/ring.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <random>
#include <vector>

#include "core/format.hpp"
#include "core/peer_address.hpp"
#include "core/peer_counts.hpp"
#include "core/sqe.hpp"

namespace enduring::core {

namespace {

constexpr unsigned shared_flags =
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;
constexpr unsigned worker_flags = shared_flags | IORING_SETUP_SINGLE_ISSUER |
                                  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;

// Register calls that are still needed once restrictions are in force.
constexpr unsigned used_registrations[] = {IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,
                                           IORING_UNREGISTER_RING_FDS, IORING_REGISTER_PBUF_RING,
                                           IORING_UNREGISTER_PBUF_RING};

int sysctl_io_uring_disabled() {
    std::ifstream file("/proc/sys/kernel/io_uring_disabled");
    int value = 0;
    file >> value;
    return file ? value : 0;
}

bool kernel_is_older_than(int major, int minor) {
    utsname name{};
    int found_major = 0;
    int found_minor = 0;
    if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &found_major, &found_minor) != 2) {
        return false;
    }
    return found_major < major || (found_major == major && found_minor < minor);
}

std::string kernel_release() {
    utsname name{};
    return uname(&name) == 0 ? name.release : "unknown";
}

sigset_t broken_pipe() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

// A profile may block a single one of the three calls.
std::unexpected<Error> refused(const char* what, int error) {
    if (error == ENOSYS || error == EPERM || error == EACCES) {
        Error explained = explain_setup_failure(error == EACCES ? EPERM : error);
        explained.what = formatted("{}: {}", what, explained.what);
        return std::unexpected(std::move(explained));
    }
    return fail(formatted("{} ({})", what, std::strerror(error)));
}

}  // namespace

Error explain_setup_failure(int error) {
    const std::string reason = std::strerror(error);
    constexpr const char* profile =
        "run the container with --security-opt seccomp=scripts/deploy/seccomp.json (Docker and "
        "podman), or with the profile of your engine extended by io_uring_setup, io_uring_enter "
        "and io_uring_register (scripts/deploy/allow-io-uring PROFILE makes one)";
    if ((error == ENOSYS || error == EINVAL) && kernel_is_older_than(6, 1)) {
        return {
            formatted("the kernel {} is too old for this server ({})", kernel_release(), reason),
            "Linux 6.1 or newer is needed"};
    }
    if (error == ENOSYS) {
        return {formatted("io_uring is blocked ({}): a seccomp profile hides it, or this kernel "
                          "was built without it",
                          reason),
                profile};
    }
    if (error == EPERM) {
        const int disabled = sysctl_io_uring_disabled();
        if (disabled != 0) {
            return {formatted("io_uring is disabled on this machine (kernel.io_uring_disabled = "
                              "{})",
                              disabled),
                    disabled == 1
                        ? "sysctl kernel.io_uring_disabled=0 allows it to all, or name a group of "
                          "this user in kernel.io_uring_group"
                        : "sysctl kernel.io_uring_disabled=0 allows it"};
        }
        return {formatted("io_uring is blocked ({}): a seccomp profile or security module "
                          "forbids it",
                          reason),
                profile};
    }
    if (error == ENOMEM) {
        return {formatted("no memory for the ring ({})", reason),
                "give fewer --ring-entries, or raise the memory limit (ulimit -l, or of the "
                "container)"};
    }
    if (error == EMFILE || error == ENFILE) {
        return {formatted("no descriptor is left for the ring ({})", reason),
                "raise the limit of open files (ulimit -n, LimitNOFILE=, --ulimit nofile=)"};
    }
    return {formatted("io_uring cannot be set up ({})", reason), ""};
}

Result<std::unique_ptr<Ring>> Ring::open(const RingOptions& options) {
    std::unique_ptr<Ring> ring(new Ring());
    const unsigned flags = options.any_thread ? shared_flags : worker_flags;
    io_uring_params params{};
    params.cq_entries = options.completion_entries;
    // Without the indirection array (Linux 6.6) submissions are read straight from the queue.
    params.flags = flags | IORING_SETUP_NO_SQARRAY;
    int error = io_uring_queue_init_params(options.entries, &ring->ring_, &params);
    ring->without_array_ = error == 0;
    if (error == -EINVAL) {
        params = {};
        params.cq_entries = options.completion_entries;
        params.flags = flags;
        error = io_uring_queue_init_params(options.entries, &ring->ring_, &params);
    }
    if (error != 0) {
        return std::unexpected(explain_setup_failure(-error));
    }
    ring->open_ = true;
    ring->enabled_ = options.any_thread;
    // Restrictions can only be laid on a ring that is not enabled yet.
    if (options.restrict_operations && !options.any_thread) {
        if (auto restricted = ring->restrict_operations(); !restricted) {
            return std::unexpected(restricted.error());
        }
    }
    return ring;
}

Ring::~Ring() {
    if (open_) {
        io_uring_queue_exit(&ring_);
    }
}

Result<void> Ring::restrict_operations() {
    std::vector<io_uring_restriction> rules;
    for (const io_uring_op operation : used_operations) {
        io_uring_restriction rule{};
        rule.opcode = IORING_RESTRICTION_SQE_OP;
        rule.sqe_op = static_cast<__u8>(operation);
        rules.push_back(rule);
    }
    for (const unsigned registration : used_registrations) {
        io_uring_restriction rule{};
        rule.opcode = IORING_RESTRICTION_REGISTER_OP;
        rule.register_op = static_cast<__u8>(registration);
        rules.push_back(rule);
    }
    io_uring_restriction flags{};
    flags.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    flags.sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
    rules.push_back(flags);
    const int error =
        io_uring_register_restrictions(&ring_, rules.data(), static_cast<unsigned>(rules.size()));
    if (error != 0) {
        return fail(formatted("the ring's restrictions were refused ({})", std::strerror(-error)));
    }
    restricted_ = true;
    return {};
}

Result<void> Ring::enable() {
    if (enabled_) {
        return {};
    }
    if (const int error = io_uring_enable_rings(&ring_); error != 0) {
        return refused("the ring cannot be enabled", -error);
    }
    enabled_ = true;
    // sendfile cannot be told not to raise it, as sends are.
    const sigset_t set = broken_pipe();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    // A profile that blocks io_uring_enter alone would else be met by a loop that never gets on.
    if (const int error = io_uring_submit_and_get_events(&ring_); error < 0) {
        return refused("the ring cannot be entered", -error);
    }
    // A registered descriptor spares the kernel a look-up each turn; without it all works too.
    io_uring_register_ring_fd(&ring_);
    return {};
}

int Ring::submit_and_wait(std::optional<std::uint64_t> timeout_ms,
                          std::uint32_t completions) noexcept {
    int result = 0;
    if (timeout_ms == 0U) {
        result = io_uring_submit_and_get_events(&ring_);
    } else if (timeout_ms) {
        io_uring_cqe* cqe = nullptr;
        __kernel_timespec timeout{static_cast<long long>(*timeout_ms / 1000),
                                  static_cast<long long>(*timeout_ms % 1000) * 1'000'000};
        result = io_uring_submit_and_wait_timeout(&ring_, &cqe, completions, &timeout, nullptr);
    } else {
        result = io_uring_submit_and_wait(&ring_, completions);
    }
    return result >= 0 || result == -ETIME || result == -EINTR ? 0 : result;
}

void Ring::forget_unsubmitted() noexcept {
    const unsigned head = io_uring_smp_load_acquire(ring_.sq.khead);
    ring_.sq.sqe_tail = head;
    ring_.sq.sqe_head = head;
    io_uring_smp_store_release(ring_.sq.ktail, head);
}

Result<void> Ring::register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t count,
                                        std::uint16_t group) {
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = count;
    registration.bgid = group;
    const int error = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (error == -ENOSYS || error == -EPERM) {
        return refused("receive buffers cannot be registered", -error);
    }
    if (error != 0) {
        return fail(formatted("a ring of {} receive buffers cannot be registered ({})", count,
                              std::strerror(-error)),
                    "give fewer --recv-buffers");
    }
    return {};
}

std::uint64_t Ring::now_us() const noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

void Ring::limit_unsent(int socket, Unsent most) noexcept {
    const int bytes = static_cast<int>(most);
    ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void Ring::shutdown_write(int socket) noexcept { ::shutdown(socket, SHUT_WR); }

namespace {

// Whether the page cache has this byte of a file. If not, the kernel begins to read its page.
bool is_cached(int file, std::uint64_t offset) noexcept {
    char byte = 0;
    const iovec part{&byte, 1};
    return ::preadv2(file, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT) == 1;
}

// What the kernel reads at once, as it comes, and lets go of together, about.
constexpr std::uint32_t read_ahead_bytes = 128 * 1024;

// Looks at the end, where what is read in order comes last, and at the beginning; in what is larger
// also at two places that are others each time: since looking at a page brings it in, the same
// places would soon be all that is there. What is there but in part may pass; then sendfile waits
// for the rest.
bool seems_cached(int file, std::uint64_t offset, std::uint32_t size) noexcept {
    thread_local std::minstd_rand random;
    bool seems = is_cached(file, offset + size - 1) && is_cached(file, offset);
    for (int i = 0; seems && size > read_ahead_bytes && i < 2; ++i) {
        seems = is_cached(file, offset + random() % size);
    }
    return seems;
}

bool set_blocking(int socket, bool blocking) noexcept {
    int without_waiting = blocking ? 0 : 1;
    return ::ioctl(socket, FIONBIO, &without_waiting) == 0;
}

// The signal is blocked, so it waits to be taken.
void take_broken_pipe() noexcept {
    const sigset_t set = broken_pipe();
    constexpr timespec at_once{};
    sigtimedwait(&set, nullptr, &at_once);
}

}  // namespace

std::optional<std::int32_t> Ring::move_file(int socket, int file, std::uint64_t offset,
                                            std::uint32_t size) noexcept {
    if (!seems_cached(file, offset, size)) {
        return std::nullopt;
    }
    // Only a socket that does not block makes sendfile not wait for room, and only a blocking one
    // makes io_uring wait for input. Nothing else looks at it in the meantime.
    if (!set_blocking(socket, false)) {
        return std::nullopt;
    }
    auto position = static_cast<off_t>(offset);
    const ssize_t moved = ::sendfile(socket, file, &position, size);
    const int error = errno;
    if (!set_blocking(socket, true) && !set_blocking(socket, true)) {
        return -ENOTCONN;  // not even at the second try: it cannot be received from any more
    }
    if (moved >= 0) {
        return static_cast<std::int32_t>(moved);
    }
    switch (error) {
        case EPIPE:
            take_broken_pipe();
            return -EPIPE;
        case EINVAL:
        case ENOSYS:
        case EOPNOTSUPP:
        case EPERM:
            return std::nullopt;
        default:
            return -error;
    }
}

namespace {

std::optional<sockaddr_storage> peer_name(int socket) noexcept {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return std::nullopt;
    }
    return address;
}

}  // namespace

std::optional<std::uint64_t> Ring::peer(int socket) noexcept {
    const auto address = peer_name(socket);
    return address ? peer_of(*address) : std::nullopt;
}

std::optional<Address> Ring::peer_address(int socket) {
    const auto address = peer_name(socket);
    return address ? address_of(*address) : std::nullopt;
}

void Ring::reset_on_close(int socket) noexcept {
    const linger abortive{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
}

std::string Ring::features() const {
    std::string text = "multishot accept and receive, buffer ring, deferred task work";
    if (without_array_) {
        text += ", no submission array";
    }
    if (restricted_) {
        text += ", restricted to " + std::to_string(std::size(used_operations)) + " operations";
    }
    return text;
}

}  // namespace enduring::core
