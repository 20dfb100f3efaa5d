// How the simulated kernel carries operations out, when they can be.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "simulation/names.hpp"
#include "simulation/report.hpp"
#include "simulation/ring.hpp"

namespace enduring::simulation {

namespace {

// As many rounds as the kernel makes before it lets others run.
constexpr unsigned receives_max = 32;

}  // namespace

// The operation can be carried out, or must wait; or it is, but only some time later.
void Ring::begin(int number) {
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    if (!can_run(operation)) {
        return;
    }
    // What has arrived is received at once after a stop: the server may rely on that.
    const bool may_be_late = operation.code != IORING_OP_RECV || !faults_.on(Fault::stop);
    if (may_be_late && draw(Fault::late)) {
        postpone(number, timeline_.now_us() + faults_.random().below(plan_.lateness_us_max));
        return;
    }
    run(number);
}

void Ring::postpone(int number, std::uint64_t until_us) {
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    // A new life, so that an earlier appointment is not kept.
    ++operation.life;
    operation.scheduled = true;
    timeline_.schedule(until_us, Happening::operation_due, static_cast<std::uint32_t>(number),
                       operation.life);
}

bool Ring::can_run(const Operation& operation) {
    switch (operation.code) {
        case IORING_OP_RECV: {
            const Socket& socket = network_.socket(operation.index);
            return !socket.input.empty() || socket.client_finished || socket.reset_by_client;
        }
        case IORING_OP_SEND:
        case IORING_OP_SENDMSG: {
            const Socket& socket = network_.socket(operation.index);
            return socket.output_room() > 0 || socket.reset_by_client ||
                   (operation.message_flags & MSG_DONTWAIT) != 0;
        }
        case IORING_OP_POLL_ADD: {
            const Socket& socket = network_.socket(operation.index);
            return socket.output_room() * 3 >= socket.output_capacity || socket.reset_by_client;
        }
        case IORING_OP_ACCEPT:
            return !network_.listener(operation.index).waiting.empty();
        default:
            return true;
    }
}

void Ring::run(int number) {
    const Operation& operation = operations_[static_cast<std::size_t>(number)];
    if (operation.ending && !can_run(operation)) {
        complete(number, -ECANCELED);
        return;
    }
    switch (operation.code) {
        case IORING_OP_ACCEPT:
            return run_accept(number);
        case IORING_OP_RECV:
            return run_receive(number);
        case IORING_OP_SEND:
        case IORING_OP_SENDMSG:
            return run_send(number);
        case IORING_OP_POLL_ADD:
            if (can_run(operation)) {
                Socket& socket = network_.socket(operation.index);
                socket.promise_broken = draw(Fault::false_room);
                complete(number, socket.reset_by_client ? POLLOUT | POLLERR | POLLHUP : POLLOUT);
            }
            return;
        case IORING_OP_READ:
            return run_read(number);
        case IORING_OP_NOP:
            return complete(number, 0);
        case IORING_OP_TIMEOUT:
            return complete(number, operation.ending ? -ECANCELED : -ETIME);
        case IORING_OP_CLOSE:
            return run_close(number);
        case IORING_OP_ASYNC_CANCEL:
            return complete(number, operation.late_result);
        default:
            return;
    }
}

void Ring::complete(int number, std::int32_t result, std::uint32_t flags) {
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    post(operation.user_data, result, flags);
    if ((flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    operation.live = false;
    --live_;
    free_.push_back(number);
    switch (operation.code) {
        case IORING_OP_RECV:
            network_.socket(operation.index).receive_operation = -1;
            break;
        case IORING_OP_SEND:
        case IORING_OP_SENDMSG:
        case IORING_OP_POLL_ADD:
        case IORING_OP_NOP:
            network_.socket(operation.index).output_operation = -1;
            break;
        default:
            break;
    }
}

// Each arrival wakes one accept.
void Ring::run_listener(std::uint32_t index) {
    Listener& listener = network_.listener(index);
    for (; listener.wakes > 0; --listener.wakes) {
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            if (operations_[i].live && operations_[i].code == IORING_OP_ACCEPT &&
                operations_[i].index == index && !operations_[i].scheduled) {
                begin(static_cast<int>(i));
                break;
            }
        }
    }
}

void Ring::run_accept(int number) {
    const std::uint32_t index = operations_[static_cast<std::size_t>(number)].index;
    while (!network_.listener(index).waiting.empty()) {
        const bool multishot = operations_[static_cast<std::size_t>(number)].multishot;
        const bool scarce = timeline_.now_us() < scarce_until_us_;
        if (scarce || draw(Fault::scarcity)) {
            if (!scarce) {
                scarce_until_us_ = timeline_.now_us() + faults_.random().below(400'000);
            }
            complete(number, -faults_.random().pick({EMFILE, ENFILE, ENOMEM, ENOBUFS}));
            return;
        }
        if (draw(Fault::accept_failed)) {
            network_.abort_waiting(index);
            complete(number, faults_.random().chance(500) ? -ECONNABORTED : -EPROTO);
            return;
        }
        const int descriptor = network_.accept(index);
        const bool more = multishot && !full() && !draw(Fault::lost_more) &&
                          !operations_[static_cast<std::size_t>(number)].ending;
        complete(number, descriptor, more ? IORING_CQE_F_MORE : 0);
        if (!more) {
            return;
        }
    }
    if (operations_[static_cast<std::size_t>(number)].ending) {
        complete(number, -ECANCELED);
    }
}

void Ring::run_receive(int number) {
    const Operation& operation = operations_[static_cast<std::size_t>(number)];
    const std::uint32_t index = operation.index;
    const bool multishot = operation.multishot;
    const bool ending = operation.ending;
    Socket& socket = network_.socket(index);
    if (draw(Fault::receive_failed)) {
        complete(number, -faults_.random().pick({EINTR, EAGAIN}));
        return;
    }
    for (unsigned i = 0; i < receives_max && !socket.input.empty(); ++i) {
        std::string_view bytes = socket.input.waiting();
        if (draw(Fault::short_receive)) {
            bytes = bytes.substr(0, 1 + faults_.random().below(bytes.size()));
        }
        const auto taken = buffers_.fill(bytes);
        if (!taken) {
            complete(number, -ENOBUFS);
            return;
        }
        socket.input.take(taken->size);
        const bool more = multishot && !full() && !draw(Fault::lost_more) && !ending;
        complete(number, static_cast<std::int32_t>(taken->size),
                 IORING_CQE_F_BUFFER | std::uint32_t{taken->number} << IORING_CQE_BUFFER_SHIFT |
                     (more ? IORING_CQE_F_MORE : 0));
        network_.on_received(index);
        if (!more) {
            return;
        }
    }
    if (!socket.input.empty()) {
        network_.mark_ready(index);
        return;
    }
    if (socket.reset_by_client) {
        complete(number, -ECONNRESET);
    } else if (socket.client_finished) {
        // Some kernels have taken a buffer before they find that nothing will come.
        const auto taken = faults_.on(Fault::short_receive) ? buffers_.fill({}) : std::nullopt;
        complete(number, 0,
                 taken
                     ? IORING_CQE_F_BUFFER | std::uint32_t{taken->number} << IORING_CQE_BUFFER_SHIFT
                     : 0);
    } else if (ending) {
        complete(number, -ECANCELED);
    }
}

void Ring::run_send(int number) {
    Operation& operation = operations_[static_cast<std::size_t>(number)];
    Socket& socket = network_.socket(operation.index);
    if (operation.watched && operation.checksum != checksum(operation)) {
        fail("bytes were changed while the kernel was to send them");
    }
    if (socket.reset_by_client) {
        complete(number, faults_.random().chance(500) ? -EPIPE : -ECONNRESET);
        return;
    }
    if (draw(Fault::send_failed)) {
        complete(number, -faults_.random().pick({EINTR, ENOMEM, ENOBUFS}));
        return;
    }
    std::size_t room = socket.output_room();
    if ((operation.message_flags & MSG_DONTWAIT) != 0 && socket.promise_broken) {
        socket.promise_broken = false;
        room = 0;
    }
    if (room == 0) {
        if ((operation.message_flags & MSG_DONTWAIT) != 0) {
            complete(number, -EAGAIN);
        }
        return;
    }
    std::size_t wanted = std::min(room, operation.size);
    if (draw(Fault::short_send)) {
        wanted = 1 + faults_.random().below(wanted);
    }
    std::size_t left = wanted;
    for (std::size_t i = 0; i < operation.part_count && left > 0; ++i) {
        const std::size_t count = std::min(left, operation.parts[i].iov_len);
        network_.send(operation.index,
                      {static_cast<const char*>(operation.parts[i].iov_base), count});
        left -= count;
    }
    complete(number, static_cast<std::int32_t>(wanted));
}

void Ring::run_read(int number) {
    const Operation& operation = operations_[static_cast<std::size_t>(number)];
    if (operation.ending && faults_.random().chance(500)) {
        complete(number, -ECANCELED);
        return;
    }
    if (draw(Fault::file_short)) {
        if (const auto socket = socket_of(operation)) {
            network_.socket(*socket).file_failed = true;
        }
        complete(number, faults_.random().chance(500) ? 0 : -EIO);
        return;
    }
    const std::uint64_t file_size = network_.file_size(operation.descriptor);
    std::uint64_t size =
        std::min<std::uint64_t>(operation.size, file_size - std::min(file_size, operation.offset));
    if (size > 1 && draw(Fault::file_slow)) {
        size = 1 + faults_.random().below(size);
    }
    complete(number,
             network_.read_file(operation.descriptor, operation.data, size, operation.offset));
}

std::optional<std::int32_t> Ring::move_file(int descriptor, int file, std::uint64_t offset,
                                            std::uint32_t size) {
    const Descriptor what = network_.at(descriptor);
    if (what.kind != Descriptor::Kind::socket || !network_.is_file(file) || size == 0) {
        fail("what is moved to a socket is no part of a file, or this is no socket");
    }
    Socket& socket = network_.socket(what.index);
    if (socket.output_operation >= 0 || socket.write_shut) {
        fail("a file is sent at the same time as something else, or after the end of the output");
    }
    // What is not in memory must be read. Where files are slow most are, and else none, so that
    // both ways and their mixture are seen.
    if (faults_.on(Fault::file_slow) && faults_.random().chance(900)) {
        return std::nullopt;
    }
    const auto result = [&]() -> std::int32_t {
        if (socket.reset_by_client) {
            return faults_.random().chance(500) ? -EPIPE : -ECONNRESET;
        }
        if (draw(Fault::file_short)) {
            socket.file_failed = true;
            return faults_.random().chance(500) ? 0 : -EIO;
        }
        if (draw(Fault::send_failed)) {
            return -faults_.random().pick({EINTR, ENOMEM, ENOBUFS});
        }
        const std::size_t room =
            std::exchange(socket.promise_broken, false) ? 0 : socket.output_room();
        const std::uint64_t whole = network_.file_size(file);
        std::uint64_t wanted = std::min<std::uint64_t>(size, whole - std::min(whole, offset));
        if (wanted == 0) {
            return 0;
        }
        if (room == 0) {
            return -EAGAIN;
        }
        wanted = std::min<std::uint64_t>(wanted, room);
        if (draw(Fault::short_send)) {
            wanted = 1 + faults_.random().below(wanted);
        }
        std::string bytes(wanted, '\0');
        const std::int32_t count = network_.read_file(file, bytes.data(), bytes.size(), offset);
        if (count > 0) {
            network_.send(what.index,
                          std::string_view(bytes).substr(0, static_cast<std::size_t>(count)));
        }
        return count;
    }();
    note(timeline_.now_us(), "  a file is moved to descriptor {}: {}", descriptor,
         result_text(result));
    return result;
}

void Ring::run_close(int number) {
    network_.close(operations_[static_cast<std::size_t>(number)].descriptor);
    complete(number, 0);
}

std::uint64_t Ring::checksum(const Operation& operation) const {
    std::uint64_t sum = operation.size;
    for (std::size_t i = 0; i < operation.part_count; ++i) {
        const auto* bytes = static_cast<const char*>(operation.parts[i].iov_base);
        std::size_t size = operation.parts[i].iov_len;
        for (; size >= 8; size -= 8, bytes += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes, 8);
            sum = (sum ^ word) * 0x9e37'79b9'7f4a'7c15;
            sum ^= sum >> 29;
        }
        for (; size > 0; --size, ++bytes) {
            sum = (sum ^ static_cast<unsigned char>(*bytes)) * 0x9e37'79b9'7f4a'7c15;
        }
    }
    return sum;
}

}  // namespace enduring::simulation
