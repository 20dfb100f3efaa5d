// One io_uring instance: set-up, submission, the walk over completions, and the few calls on
// sockets that are not worth a submission. The loop is a template over this class's interface, so
// that tests can put a simulated kernel in its place.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/address.hpp"
#include "core/check.hpp"
#include "core/result.hpp"
#include "core/unsent.hpp"

namespace enduring::core {

/// One completion, as the kernel gave it.
struct Completion {
    std::uint64_t user_data;
    std::int32_t result;  ///< as of the system call: a count, a descriptor, or -errno
    std::uint32_t flags;

    /// The operation goes on and will complete again.
    [[nodiscard]] bool more() const noexcept { return (flags & IORING_CQE_F_MORE) != 0; }
    [[nodiscard]] bool has_buffer() const noexcept { return (flags & IORING_CQE_F_BUFFER) != 0; }
    [[nodiscard]] std::uint16_t buffer() const noexcept {
        return static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    }
};

struct RingOptions {
    std::uint32_t entries = 4096;              ///< submissions; a power of two
    std::uint32_t completion_entries = 16384;  ///< completions
    /// Forbid every operation that we do not use, so that a bug cannot open files or sockets.
    bool restrict_operations = true;
    /// For a ring that several threads use, one at a time: without the modes that bind a ring to
    /// one thread. It needs no enable().
    bool any_thread = false;
};

/// Owns the ring. Opened in any thread, used only by the one that called enable().
class Ring {
  public:
    static Result<std::unique_ptr<Ring>> open(const RingOptions& options);
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    /// Binds the ring to the calling thread and lets it start. SIGPIPE is blocked in this thread
    /// from now on.
    Result<void> enable();

    /// Submissions that can be taken before the next submit.
    [[nodiscard]] std::uint32_t sqe_room() noexcept { return io_uring_sq_space_left(&ring_); }
    [[nodiscard]] io_uring_sqe& take_sqe() noexcept {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        ENDURING_CHECK(sqe != nullptr, "the submission queue is full");
        return *sqe;
    }
    /// Submits without waiting. Gives -errno or the number submitted.
    int submit() noexcept { return io_uring_submit(&ring_); }
    /// What was taken and the kernel has not got will do nothing.
    void forget_unsubmitted() noexcept;
    /// Submits and waits until so many completions are there, at most until timeout_ms have passed
    /// (0: does not wait; nothing: without limit). Gives -errno or 0; time-out and interruption are
    /// 0.
    int submit_and_wait(std::optional<std::uint64_t> timeout_ms,
                        std::uint32_t completions = 1) noexcept;

    /// Calls take(Completion) for each completion that is there until it gives false (that one is
    /// kept for the next time); gives how many were taken.
    template <class Take>
    unsigned drain(Take&& take) {
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring_, head, cqe) {
            if (!take(Completion{cqe->user_data, cqe->res, cqe->flags})) {
                break;
            }
            ++count;
        }
        io_uring_cq_advance(&ring_, count);
        return count;
    }

    /// Completions that found the queue full; the kernel keeps them until there is room.
    [[nodiscard]] std::uint32_t overflows() const noexcept { return *ring_.cq.koverflow; }

    /// Registers a ring of provided buffers. The memory must outlive the ring.
    Result<void> register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t count,
                                      std::uint16_t group);

    [[nodiscard]] int descriptor() const noexcept { return ring_.ring_fd; }

    /// Monotonic time; one or two readings a turn.
    [[nodiscard]] std::uint64_t now_us() const noexcept;
    /// shutdown(SHUT_WR), as a plain call: the kernel runs the ring's own operation on a thread.
    void shutdown_write(int socket) noexcept;
    /// Says how much output the kernel may keep of a connection. Where it cannot, as of a socket
    /// that is not TCP, nothing changes.
    void limit_unsent(int socket, Unsent most) noexcept;
    /// Moves a part of a file (size > 0) to a socket without copying it, as much as there is room
    /// for: sendfile(2). Gives how much, or -errno. It never waits for room, and for a disk only if
    /// a part that seems to be in the page cache is there in part. Nothing: it is not, or the
    /// file's system cannot do this; the part is to be read instead.
    [[nodiscard]] std::optional<std::int32_t> move_file(int socket, int file, std::uint64_t offset,
                                                        std::uint32_t size) noexcept;
    /// Who is at the other end, as PeerCounts counts them; nothing if there is no address.
    [[nodiscard]] std::optional<std::uint64_t> peer(int socket) noexcept;
    /// Where the socket's peer is, if the system tells.
    [[nodiscard]] std::optional<Address> peer_address(int socket);
    /// Makes the coming close a reset.
    void reset_on_close(int socket) noexcept;

    /// The features in use, for the start-up message ("multishot receive, …").
    [[nodiscard]] std::string features() const;

  private:
    Ring() = default;
    Result<void> restrict_operations();

    io_uring ring_{};
    bool open_ = false;
    bool enabled_ = false;
    bool restricted_ = false;
    bool without_array_ = false;
};

/// Why io_uring_setup failed, with the remedy: kernel too old, disabled by sysctl, blocked by a
/// seccomp profile, or out of memory or descriptors. error is the positive errno.
[[nodiscard]] Error explain_setup_failure(int error);

}  // namespace enduring::core
