// What the simulated kernel does with a submission when it takes it: checks it and begins the
// operation.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "core/token.hpp"
#include "simulation/names.hpp"
#include "simulation/report.hpp"
#include "simulation/ring.hpp"

namespace enduring::simulation {

namespace {

[[noreturn]] void reject(const io_uring_sqe& sqe, const char* why) {
    fail(why, core::formatted("{} on descriptor {}", text_of(sqe.user_data), sqe.fd));
}

void require(bool condition, const io_uring_sqe& sqe, const char* why) {
    if (!condition) [[unlikely]] {
        reject(sqe, why);
    }
}

// Slot and generation, without the operation.
constexpr std::uint64_t owner_of(std::uint64_t user_data) noexcept { return user_data >> 8; }

}  // namespace

void Ring::issue(const io_uring_sqe& sqe) {
    note(timeline_.now_us(), "  -> {} on descriptor {}", text_of(sqe.user_data), sqe.fd);
    require(sqe.personality == 0 && sqe.addr3 == 0, sqe,
            "a submission has fields that are unknown");
    switch (sqe.opcode) {
        case IORING_OP_ACCEPT:
            return issue_accept(sqe);
        case IORING_OP_RECV:
            return issue_receive(sqe);
        case IORING_OP_SEND:
        case IORING_OP_SENDMSG:
            return issue_send(sqe);
        case IORING_OP_POLL_ADD:
            return issue_poll(sqe);
        case IORING_OP_READ:
            return issue_read(sqe);
        case IORING_OP_NOP:
            return issue_nothing(sqe);
        case IORING_OP_TIMEOUT:
            return issue_timeout(sqe);
        case IORING_OP_ASYNC_CANCEL:
            return issue_cancel(sqe);
        case IORING_OP_CLOSE:
            return issue_close(sqe);
        default:
            reject(sqe, "an operation was submitted that is not expected");
    }
}

int Ring::make(const io_uring_sqe& sqe, std::uint32_t index) {
    if (free_.empty()) {
        operations_.emplace_back();
        free_.push_back(static_cast<int>(operations_.size() - 1));
    }
    const int number = free_.back();
    free_.pop_back();
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    operation.user_data = sqe.user_data;
    operation.code = sqe.opcode;
    operation.descriptor = sqe.fd;
    operation.index = index;
    operation.live = true;
    operation.multishot = false;
    operation.scheduled = false;
    operation.ending = false;
    operation.watched = false;
    operation.part_count = 0;
    ++operation.life;
    ++live_;
    return number;
}

// Every operation on a socket is one of the connection that it belongs to, and no other connection
// has ever had the same slot and generation.
void Ring::check_owner(const io_uring_sqe& sqe, std::uint32_t socket) {
    constexpr std::uint64_t nobody = ~std::uint64_t{0};
    const std::uint64_t owner = owner_of(sqe.user_data);
    if (owners_.size() <= socket) {
        owners_.resize(socket + 1, nobody);
    }
    if (owners_[socket] == nobody) {
        require(std::ranges::find(owners_, owner) == owners_.end(), sqe,
                "two connections have the same slot and generation");
        owners_[socket] = owner;
    }
    require(owners_[socket] == owner, sqe, "an operation has the token of another connection");
}

Socket& Ring::socket_of(const io_uring_sqe& sqe, const char* what) {
    const Descriptor descriptor = network_.at(sqe.fd);
    require(descriptor.kind == Descriptor::Kind::socket, sqe, what);
    check_owner(sqe, descriptor.index);
    return network_.socket(descriptor.index);
}

std::optional<std::uint32_t> Ring::socket_of(const Operation& operation) const {
    const auto found = std::ranges::find(owners_, owner_of(operation.user_data));
    return found == owners_.end()
               ? std::nullopt
               : std::optional(static_cast<std::uint32_t>(found - owners_.begin()));
}

void Ring::issue_accept(const io_uring_sqe& sqe) {
    const Descriptor descriptor = network_.at(sqe.fd);
    require(descriptor.kind == Descriptor::Kind::listener, sqe, "an accept needs a listener");
    require(sqe.accept_flags == SOCK_CLOEXEC && sqe.addr == 0 && sqe.addr2 == 0 && sqe.flags == 0 &&
                (sqe.ioprio & ~IORING_ACCEPT_MULTISHOT) == 0,
            sqe, "an accept has wrong flags");
    const bool multishot = (sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    for (const Operation& other : operations_) {
        require(!(other.live && other.code == IORING_OP_ACCEPT && other.index == descriptor.index &&
                  (multishot || other.multishot)),
                sqe, "a listener has two accepts, of which one is a multishot");
    }
    const int number = make(sqe, descriptor.index);
    operations_[static_cast<std::size_t>(number)].multishot = multishot;
    begin(number);
}

void Ring::issue_receive(const io_uring_sqe& sqe) {
    Socket& socket = socket_of(sqe, "a receive needs a socket");
    require(sqe.flags == IOSQE_BUFFER_SELECT && buffers_.has(sqe.buf_group) && sqe.addr == 0 &&
                sqe.len == 0 && sqe.msg_flags == 0 && (sqe.ioprio & ~IORING_RECV_MULTISHOT) == 0,
            sqe, "a receive has wrong flags");
    require(socket.receive_operation < 0, sqe, "a connection has two receives");
    const int number = make(sqe, network_.at(sqe.fd).index);
    operations_[static_cast<std::size_t>(number)].multishot =
        (sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
    socket.receive_operation = number;
    socket.deaf_us = Timeline::never;
    begin(number);
}

void Ring::issue_send(const io_uring_sqe& sqe) {
    Socket& socket = socket_of(sqe, "a send needs a socket");
    constexpr std::uint32_t known = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE;
    require(sqe.flags == 0 && sqe.ioprio == 0 && (sqe.msg_flags & MSG_NOSIGNAL) != 0 &&
                (sqe.msg_flags & ~known) == 0,
            sqe, "a send has wrong flags");
    require(socket.output_operation < 0, sqe, "a connection has two output operations");
    require(!socket.write_shut, sqe, "a send follows the end of the output");
    const int number = make(sqe, network_.at(sqe.fd).index);
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    operation.message_flags = sqe.msg_flags;
    operation.size = 0;
    if (sqe.opcode == IORING_OP_SEND) {
        operation.parts[operation.part_count++] = {std::bit_cast<void*>(sqe.addr), sqe.len};
        operation.size = sqe.len;
    } else {
        const auto* message = std::bit_cast<const msghdr*>(sqe.addr);
        require(message->msg_iovlen > 0 && message->msg_iovlen <= parts_max &&
                    message->msg_name == nullptr && message->msg_control == nullptr,
                sqe, "a message has a wrong header");
        for (std::size_t i = 0; i < message->msg_iovlen; ++i) {
            operation.parts[operation.part_count++] = message->msg_iov[i];
            operation.size += message->msg_iov[i].iov_len;
        }
    }
    require(operation.size > 0, sqe, "a send has nothing to send");
    socket.output_operation = number;
    begin(number);
    if (operation.live) {
        operation.watched = true;  // until it is carried out
        operation.checksum = checksum(operation);
    }
}

void Ring::issue_poll(const io_uring_sqe& sqe) {
    Socket& socket = socket_of(sqe, "a poll needs a socket");
    require(sqe.flags == 0 && sqe.poll32_events == POLLOUT && sqe.len == 0, sqe,
            "a poll has wrong flags");
    require(socket.output_operation < 0, sqe, "a connection has two output operations");
    const int number = make(sqe, network_.at(sqe.fd).index);
    socket.output_operation = number;
    begin(number);
}

void Ring::issue_read(const io_uring_sqe& sqe) {
    require(network_.is_file(sqe.fd), sqe, "a read needs a file");
    require(sqe.flags == 0 && sqe.rw_flags == 0 && sqe.len > 0, sqe, "a read has wrong flags");
    for (const Operation& other : operations_) {
        require(!other.live || owner_of(other.user_data) != owner_of(sqe.user_data) ||
                    (other.code != IORING_OP_SEND && other.code != IORING_OP_SENDMSG &&
                     other.code != IORING_OP_READ && other.code != IORING_OP_POLL_ADD),
                sqe, "a connection has two output operations");
    }
    const int number = make(sqe, network_.at(sqe.fd).index);
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    operation.data = std::bit_cast<char*>(sqe.addr);
    operation.size = sqe.len;
    operation.offset = sqe.off;
    if (draw(Fault::file_slow)) {
        // The kernel may write there at any time from now on.
        std::fill_n(operation.data, operation.size, '\xd7');
        postpone(number, timeline_.now_us() + faults_.random().below(20'000));
        return;
    }
    run(number);
}

void Ring::issue_nothing(const io_uring_sqe& sqe) {
    require(sqe.flags == 0 && sqe.rw_flags == 0, sqe, "an operation that does nothing has flags");
    const auto owner = std::ranges::find(owners_, owner_of(sqe.user_data));
    require(owner != owners_.end(), sqe, "an operation belongs to no connection");
    const auto index = static_cast<std::uint32_t>(owner - owners_.begin());
    Socket& socket = network_.socket(index);
    require(socket.output_operation < 0, sqe, "a connection has two output operations");
    const int number = make(sqe, index);
    socket.output_operation = number;
    begin(number);
}

void Ring::issue_timeout(const io_uring_sqe& sqe) {
    require(sqe.flags == 0 && sqe.len == 1 && sqe.timeout_flags == 0 && sqe.off == 0, sqe,
            "a time-out has wrong flags");
    const auto* time = std::bit_cast<const __kernel_timespec*>(sqe.addr);
    require(time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < 1'000'000'000, sqe,
            "a time-out has a wrong time");
    postpone(make(sqe, 0), timeline_.now_us() +
                               static_cast<std::uint64_t>(time->tv_sec) * 1'000'000 +
                               static_cast<std::uint64_t>(time->tv_nsec) / 1000);
}

void Ring::issue_close(const io_uring_sqe& sqe) {
    const Descriptor descriptor = network_.at(sqe.fd);
    require(sqe.flags == 0, sqe, "a close has wrong flags");
    require(descriptor.kind == Descriptor::Kind::socket ||
                descriptor.kind == Descriptor::Kind::listener,
            sqe, "a descriptor is closed that is none of a socket");
    const bool connection = core::unpack(sqe.user_data).operation == core::Operation::close;
    if (connection) {
        check_owner(sqe, descriptor.index);
    }
    for (const Operation& other : operations_) {
        if (!other.live) {
            continue;
        }
        require(other.descriptor != sqe.fd, sqe,
                "a descriptor is closed while an operation on it is in the kernel");
        const core::Operation kind = core::unpack(other.user_data).operation;
        const bool of_listener =
            kind == core::Operation::accept || kind == core::Operation::cancel_accept;
        require(!connection || of_listener || owner_of(other.user_data) != owner_of(sqe.user_data),
                sqe, "a connection is closed while it has an operation in the kernel");
    }
    const int number = make(sqe, descriptor.index);
    run(number);
}

// ---- cancelling --------------------------------------------------------------------------------

void Ring::issue_cancel(const io_uring_sqe& sqe) {
    require(sqe.flags == 0 && (sqe.cancel_flags & ~IORING_ASYNC_CANCEL_ALL) == 0, sqe,
            "a cancellation has wrong flags");
    const bool all = (sqe.cancel_flags & IORING_ASYNC_CANCEL_ALL) != 0;
    std::int32_t found = 0;
    bool running = false;
    const int number = make(sqe, 0);
    const bool answer_first = faults_.random().chance(500);
    const auto each = [&](auto&& act) {
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            if (operations_[i].live && operations_[i].user_data == sqe.addr &&
                static_cast<int>(i) != number) {
                act(static_cast<int>(i));
                if (!all) {
                    return;
                }
            }
        }
    };
    each([&](int target) {
        const Operation& operation = operations_[static_cast<std::size_t>(target)];
        ++found;
        // A file is read on a thread of the kernel's, which goes on.
        running = running || (operation.code == IORING_OP_READ && operation.scheduled);
        if (operation.code == IORING_OP_RECV) {
            network_.socket(operation.index).deaf_us = timeline_.now_us();
        }
    });
    if (found > 0 && draw(Fault::cancel_late)) {
        running = true;
    }
    const auto answer = [&] {
        const std::int32_t result = running ? -EALREADY : all ? found : found > 0 ? 0 : -ENOENT;
        if (draw(Fault::cancel_late)) {
            operations_[static_cast<std::size_t>(number)].late_result = result;
            postpone(number, timeline_.now_us() + faults_.random().below(3'000));
        } else {
            complete(number, result);
        }
    };
    if (answer_first) {
        answer();
    }
    each([&](int target) {
        if (running) {
            // It ends by itself, soon.
            operations_[static_cast<std::size_t>(target)].ending = true;
            postpone(target, timeline_.now_us() + faults_.random().below(3'000));
        } else {
            complete(target, -ECANCELED);
        }
    });
    if (!answer_first) {
        answer();
    }
}

}  // namespace enduring::simulation
