// One function for each operation that we submit; no other place prepares a submission. Each says
// why its flags are what they are.
#pragma once

#include <liburing.h>
#include <poll.h>

#include <cstddef>
#include <cstdint>

#include "core/token.hpp"

namespace enduring::core {

/// Accepts connections until cancelled: one submission, a completion each. The sockets are blocking
/// ones, since io_uring polls by itself and fails on O_NONBLOCK instead.
inline void prepare_accept(io_uring_sqe& sqe, int listener, Token token) noexcept {
    io_uring_prep_multishot_accept(&sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    sqe.user_data = pack(token);
}

/// Accepts one connection.
inline void prepare_accept_one(io_uring_sqe& sqe, int listener, Token token) noexcept {
    io_uring_prep_accept(&sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    sqe.user_data = pack(token);
}

/// Receives until cancelled, each time into a buffer of the ring `group`: an idle connection holds
/// none.
inline void prepare_receive(io_uring_sqe& sqe, int socket, std::uint16_t group,
                            Token token) noexcept {
    io_uring_prep_recv_multishot(&sqe, socket, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = group;
    sqe.user_data = pack(token);
}

/// Receives once, into a buffer of the ring: for a connection whose input had to wait before, since
/// a multishot receive brings much more before it can be cancelled.
inline void prepare_receive_once(io_uring_sqe& sqe, int socket, std::uint16_t group,
                                 Token token) noexcept {
    io_uring_prep_recv(&sqe, socket, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = group;
    sqe.user_data = pack(token);
}

/// Sends what fits now and fails with EAGAIN if nothing does. Without MSG_WAITALL, so that each
/// piece that a slow peer takes is seen, and the write time-out counts from the last of them. With
/// MSG_DONTWAIT, because the kernel would wait on a thread of its own, one for each send, when it
/// is short of memory for sockets; and because a borrowed chunk of a file must not be held
/// meanwhile.
inline constexpr int send_flags = MSG_NOSIGNAL | MSG_DONTWAIT;

/// more_follows: the bytes need not go out before the next ones are there.
inline void prepare_send(io_uring_sqe& sqe, int socket, const char* data, std::size_t size,
                         bool more_follows, Token token) noexcept {
    io_uring_prep_send(&sqe, socket, data, size, send_flags | (more_follows ? MSG_MORE : 0));
    sqe.user_data = pack(token);
}

/// As prepare_send, for several runs of bytes. The message must stay until the next submit.
inline void prepare_send_message(io_uring_sqe& sqe, int socket, const msghdr& message,
                                 bool more_follows, Token token) noexcept {
    io_uring_prep_sendmsg(&sqe, socket, &message, send_flags | (more_follows ? MSG_MORE : 0));
    sqe.user_data = pack(token);
}

/// Waits until the socket has room for output.
inline void prepare_await_room(io_uring_sqe& sqe, int socket, Token token) noexcept {
    io_uring_prep_poll_add(&sqe, socket, POLLOUT);
    sqe.user_data = pack(token);
}

/// Lets a while pass, then completes with ETIME: when the kernel is short of memory for sockets it
/// says that there is room, and there is none.
inline void prepare_pause(io_uring_sqe& sqe, Token token) noexcept {
    static constexpr __kernel_timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
    // The kernel reads the time when it takes the submission, and never writes to it.
    io_uring_prep_timeout(&sqe, const_cast<__kernel_timespec*>(&pause), 0, 0);
    sqe.user_data = pack(token);
}

/// Reads a part of a file; from the page cache at once, else on a kernel thread.
inline void prepare_read_file(io_uring_sqe& sqe, int file, char* data, std::uint32_t size,
                              std::uint64_t offset, Token token) noexcept {
    io_uring_prep_read(&sqe, file, data, size, offset);
    sqe.user_data = pack(token);
}

/// Does nothing and completes at once: what was done by a plain call is told of like all else.
inline void prepare_nothing(io_uring_sqe& sqe, Token token) noexcept {
    io_uring_prep_nop(&sqe);
    sqe.user_data = pack(token);
}

/// Cancels the operation that was submitted with `target`.
inline void prepare_cancel(io_uring_sqe& sqe, Token target, Token token) noexcept {
    io_uring_prep_cancel64(&sqe, pack(target), 0);
    sqe.user_data = pack(token);
}

/// Cancels all operations that were submitted with `target`.
inline void prepare_cancel_all(io_uring_sqe& sqe, Token target, Token token) noexcept {
    io_uring_prep_cancel64(&sqe, pack(target), IORING_ASYNC_CANCEL_ALL);
    sqe.user_data = pack(token);
}

inline void prepare_close(io_uring_sqe& sqe, int descriptor, Token token) noexcept {
    io_uring_prep_close(&sqe, descriptor);
    sqe.user_data = pack(token);
}

/// Posts a completion (result, then token) to another ring. Only a failure completes here.
inline void prepare_message(io_uring_sqe& sqe, int ring, std::uint32_t result, Token message,
                            Token token) noexcept {
    io_uring_prep_msg_ring(&sqe, ring, result, pack(message), 0);
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe.user_data = pack(token);
}

/// The operations above, for the ring's restrictions and for the probe.
inline constexpr io_uring_op used_operations[] = {
    IORING_OP_ACCEPT,   IORING_OP_RECV,    IORING_OP_SEND,         IORING_OP_SENDMSG,
    IORING_OP_POLL_ADD, IORING_OP_READ,    IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,
    IORING_OP_MSG_RING, IORING_OP_TIMEOUT, IORING_OP_NOP};

}  // namespace enduring::core
