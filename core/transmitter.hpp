// Brings a connection's output to its socket, one operation at a time: send what fits, wait for
// room, again. What the page cache has of a file is moved to the socket by a plain call; the rest
// is read into a chunk and sent from there. It knows nothing of phases and time: it turns an
// outlet's state into a submission, and a completion into the lifecycle's event.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <utility>

#include "core/block_pool.hpp"
#include "core/chunk_pool.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "core/sqe.hpp"
#include "core/submitter.hpp"
#include "core/token.hpp"
#include "core/unsent.hpp"

namespace enduring::core {

/// What is known of a socket's room for output.
enum class Room : std::uint8_t {
    unknown,   ///< try to send
    none,      ///< wait until the kernel says that there is some
    promised,  ///< the kernel has just said so; try
    denied,    ///< ... and there was none: pause before asking again
};

/// The sending side of one connection.
struct Outlet {
    SendQueue queue;
    Chunk* chunk = nullptr;  ///< borrowed; filled with the front of a file, or not yet
    Operation operation = Operation::send;  ///< what is in the kernel
    Room room = Room::unknown;
    /// Chunks of a file that are to be read before it is asked again whether the rest can be moved.
    /// So who is given the chunk that it waited for takes it: else nobody would wake the next.
    std::uint8_t reads_left = 0;
    /// What the peer has taken of files, in units of Transmitter's, as far as that must be known:
    /// who has taken enough may take more of the kernel's memory; then that it may.
    std::uint8_t taken = 0;
    std::int32_t moved = 0;  ///< what moving a file has given: a count or -errno
};

/// What became of an output operation.
enum class Begun : std::uint8_t {
    nothing,      ///< no chunk is free: try again when one came back
    something,    ///< its completion says how to go on
    all_at_once,  ///< it takes all that is queued, and completes when it is submitted
};

template <class RingType>
class Transmitter {
  public:
    Transmitter(Submitter<RingType>& submitter, Counters& counters, std::size_t chunks_max)
        : submitter_(submitter), counters_(counters), chunks_(chunks_max) {}

    /// Submits the next output operation.
    [[nodiscard]] Begun begin(Outlet& outlet, int socket, std::uint32_t slot,
                              std::uint32_t generation) {
        const auto token = [&](Operation operation) {
            outlet.operation = operation;
            return Token{operation, slot, generation};
        };
        if (outlet.room == Room::none) {
            prepare_await_room(submitter_.sqe(), socket, token(Operation::await_room));
            return Begun::something;
        }
        if (outlet.room == Room::denied) {
            prepare_pause(submitter_.sqe(), token(Operation::await_room));
            return Begun::something;
        }
        const FilePiece* file = outlet.queue.front_file();
        if (file == nullptr) {
            if (outlet.taken == may_take_much) [[unlikely]] {
                // For the next large file it is believed at once.
                submitter_.ring().limit_unsent(socket, Unsent::usual);
                outlet.taken = taken_units_enough;
            }
            return send_queued(outlet.queue, socket, token(Operation::send)) ? Begun::all_at_once
                                                                             : Begun::something;
        }
        if (outlet.chunk != nullptr) {
            const bool more_follows = outlet.queue.size_bytes() > outlet.chunk->filled;
            prepare_send(submitter_.sqe(), socket, outlet.chunk->data.get(), outlet.chunk->filled,
                         more_follows, token(Operation::send));
            return Begun::something;
        }
        if (outlet.reads_left == 0) {
            if (outlet.taken == taken_units_enough && file->size > large_file_bytes) [[unlikely]] {
                submitter_.ring().limit_unsent(socket, Unsent::large_file);
                outlet.taken = may_take_much;
            }
            if (const auto moved = submitter_.ring().move_file(socket, file->descriptor,
                                                               file->offset, part(*file))) {
                outlet.moved = *moved;
                prepare_nothing(submitter_.sqe(), token(Operation::send_file));
                return *moved > 0 && static_cast<std::uint64_t>(*moved) == outlet.queue.size_bytes()
                           ? Begun::all_at_once
                           : Begun::something;
            }
            outlet.reads_left = moved_bytes_max / Chunk::size_bytes;
        }
        outlet.chunk = chunks_.take();
        if (outlet.chunk == nullptr) {
            return Begun::nothing;
        }
        --outlet.reads_left;
        prepare_read_file(submitter_.sqe(), file->descriptor, outlet.chunk->data.get(),
                          std::min(part(*file), Chunk::size_bytes), file->offset,
                          token(Operation::read_file));
        return Begun::something;
    }

    /// Takes the completion of an output operation and says what it means for the connection.
    [[nodiscard]] Event complete(Outlet& outlet, Operation operation, int result) {
        switch (operation) {
            case Operation::read_file:
                return complete_read(outlet, result);
            case Operation::send_file:
                return complete_move(outlet, outlet.moved);
            case Operation::await_room:
                outlet.room = outlet.room == Room::denied ? Room::none : Room::promised;
                return events::send_ended();  // an error will show at the next send
            default:
                return complete_send(outlet, result);
        }
    }

    /// Gives back what the outlet borrowed. Nothing of it may be in the kernel.
    void drop_chunk(Outlet& outlet) {
        if (outlet.chunk != nullptr) {
            chunks_.give(std::exchange(outlet.chunk, nullptr));
        }
    }
    void clear(Outlet& outlet) {
        drop_chunk(outlet);
        outlet.queue.clear(blocks_);
    }

    [[nodiscard]] BlockPool& blocks() noexcept { return blocks_; }
    [[nodiscard]] std::size_t chunks_lent() const noexcept { return chunks_.lent(); }

  private:
    static constexpr std::size_t slices_max = 20;
    static constexpr std::size_t messages_max = 128;
    // Mostly a socket has room for that; if not, it is noticed a little later.
    static constexpr std::uint64_t small_bytes = 20 * 1024;

    // The most of a file that is moved at once: others wait meanwhile.
    static constexpr std::uint32_t moved_bytes_max = 512 * 1024;

    // What is less to send is as fast with little room in the kernel.
    static constexpr std::uint64_t large_file_bytes = 1024 * 1024;
    static constexpr std::uint32_t taken_unit_bytes = 64 * 1024;
    // 2 MiB: more than a peer takes that does not read.
    static constexpr std::uint8_t taken_units_enough = 32;
    static constexpr std::uint8_t may_take_much = 255;

    static std::uint32_t part(const FilePiece& file) noexcept {
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(file.size, moved_bytes_max));
    }

    // The kernel reads a message when it is submitted, not later, so a few serve all connections.
    struct Message {
        msghdr header;
        std::array<iovec, slices_max> parts;
    };

    // True: all that is queued, and no more than a socket mostly has room for.
    bool send_queued(const SendQueue& queue, int socket, Token token) {
        std::array<Slice, slices_max> slices;
        io_uring_sqe& sqe = submitter_.sqe();  // first, since it may submit
        const bool message_free = take_message();
        const std::size_t count =
            queue.gather(std::span(slices).first(message_free ? slices_max : 1));
        if (count == 1) {
            const Slice& slice = slices[0];
            const bool more_follows = queue.size_bytes() > slice.size;
            prepare_send(sqe, socket, slice.data, slice.size, more_follows, token);
            return !more_follows && slice.size <= small_bytes;
        }
        Message& message = messages_[messages_used_++];
        std::uint64_t size = 0;
        for (std::size_t i = 0; i < count; ++i) {
            message.parts[i] = {const_cast<char*>(slices[i].data), slices[i].size};
            size += slices[i].size;
        }
        const bool more_follows = queue.size_bytes() > size;
        message.header = {};
        message.header.msg_iov = message.parts.data();
        message.header.msg_iovlen = count;
        prepare_send_message(sqe, socket, message.header, more_follows, token);
        return !more_follows && size <= small_bytes;
    }

    bool take_message() noexcept {
        if (epoch_ != submitter_.epoch()) {
            epoch_ = submitter_.epoch();
            messages_used_ = 0;
        }
        return messages_used_ < messages_max;
    }

    Event complete_send(Outlet& outlet, int result) {
        const Room room = std::exchange(outlet.room, Room::unknown);
        if (result > 0) {
            const auto size = static_cast<std::uint64_t>(result);
            if (outlet.chunk != nullptr && size < outlet.chunk->filled) {
                outlet.room = Room::none;
            }
            drop_chunk(outlet);
            outlet.queue.consume(size, blocks_);
            outlet.reads_left = outlet.queue.empty() ? 0 : outlet.reads_left;
            counters_.bytes_sent += size;
            return events::sent(outlet.queue.size_bytes() > 0, static_cast<std::uint32_t>(size));
        }
        drop_chunk(outlet);
        switch (-result) {
            case EAGAIN:
                outlet.room = room == Room::promised ? Room::denied : Room::none;
                return events::send_ended();
            case ENOBUFS:
            case ENOMEM:
                outlet.room = Room::denied;
                return events::send_ended();
            case ECANCELED:
            case EINTR:
                return events::send_ended();
            default:
                return events::send_broken();
        }
    }

    Event complete_move(Outlet& outlet, std::int32_t result) {
        const bool is_short =
            result > 0 && static_cast<std::uint32_t>(result) < part(*outlet.queue.front_file());
        if (result == 0 || is_of_file(-result)) {
            return events::send_failed();  // 0: the file became shorter than was promised
        }
        const Event event = complete_send(outlet, result);
        if (is_short) {
            outlet.room = Room::none;
        }
        if (result > 0 && outlet.taken < taken_units_enough) {
            const std::uint32_t units =
                outlet.taken + 1 + static_cast<std::uint32_t>(result) / taken_unit_bytes;
            outlet.taken =
                static_cast<std::uint8_t>(std::min<std::uint32_t>(units, taken_units_enough));
        }
        return event;
    }

    // Whether an error of moving is the file's, of which there are many, and not the connection's.
    static bool is_of_file(int error) noexcept {
        constexpr std::array of_connection{
            EAGAIN,       EINTR,    ENOBUFS,      ENOMEM,    EPIPE,       ECONNRESET,
            ECONNABORTED, ENOTCONN, ETIMEDOUT,    ENETDOWN,  ENETUNREACH, EHOSTDOWN,
            EHOSTUNREACH, EACCES,   ECONNREFUSED, ENETRESET, ESHUTDOWN};
        return error > 0 && std::ranges::find(of_connection, error) == of_connection.end();
    }

    Event complete_read(Outlet& outlet, int result) {
        if (result > 0) {
            outlet.chunk->filled = static_cast<std::uint32_t>(result);
            return events::send_ended();
        }
        drop_chunk(outlet);
        switch (-result) {
            case ECANCELED:
            case EINTR:
                return events::send_ended();
            default:
                return events::send_failed();  // 0: the file became shorter than was promised
        }
    }

    Submitter<RingType>& submitter_;
    Counters& counters_;
    BlockPool blocks_;
    ChunkPool chunks_;
    std::array<Message, messages_max> messages_;
    std::size_t messages_used_ = 0;
    std::uint64_t epoch_ = 0;
};

}  // namespace enduring::core
