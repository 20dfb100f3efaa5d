#include "core/transmitter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enduring::core {
namespace {

/// Keeps what is submitted for the test to look at; the kernel never gets it.
struct FakeRing {
    std::array<io_uring_sqe, 16> entries{};
    std::uint32_t used = 0;

    [[nodiscard]] std::uint32_t sqe_room() const { return 16 - used; }
    io_uring_sqe& take_sqe() { return entries.at(used++); }
    int submit() {
        used = 0;
        return 0;
    }
    int submit_and_wait(std::optional<std::uint64_t>, std::uint32_t) { return submit(); }

    /// What is asked to be moved, and what moving it gives: nothing, unless a test says so.
    struct Move {
        int socket;
        int file;
        std::uint64_t offset;
        std::uint32_t size;
        friend bool operator==(const Move&, const Move&) = default;
    };
    std::vector<Move> moves;
    std::optional<std::int32_t> moving;
    std::vector<std::pair<int, Unsent>> limits;
    void limit_unsent(int socket, Unsent most) { limits.emplace_back(socket, most); }
    std::optional<std::int32_t> move_file(int socket, int file, std::uint64_t offset,
                                          std::uint32_t size) {
        moves.push_back({socket, file, offset, size});
        return moving;
    }
};

class TransmitterTest : public ::testing::Test {
  protected:
    ~TransmitterTest() override { transmitter.clear(outlet); }

    /// Begins the next operation and gives it.
    const io_uring_sqe& begin() {
        ring.used = 0;
        begun = transmitter.begin(outlet, socket, 3, 4);
        EXPECT_NE(begun, Begun::nothing);
        EXPECT_EQ(ring.used, 1U);
        EXPECT_EQ(unpack(ring.entries[0].user_data).operation, outlet.operation);
        return ring.entries[0];
    }
    Event complete(int result) { return transmitter.complete(outlet, outlet.operation, result); }
    void queue_text(std::string_view text) { outlet.queue.append(text, transmitter.blocks()); }
    void queue_file(std::uint64_t size) {
        outlet.queue.append(FilePiece{.offset = 0, .size = size, .owner = {}, .descriptor = 9},
                            transmitter.blocks());
    }

    static constexpr int socket = 7;
    FakeRing ring;
    BufferRing buffers{16, 256};
    Counters counters;
    Submitter<FakeRing> submitter{ring, buffers, counters};
    Transmitter<FakeRing> transmitter{submitter, counters, 64};
    Outlet outlet;
    Begun begun = Begun::nothing;  // what the last begin() gave
};

TEST_F(TransmitterTest, NoSendWaitsInTheKernel) {
    queue_text("hello");
    const io_uring_sqe& send = begin();
    EXPECT_EQ(send.opcode, IORING_OP_SEND);
    EXPECT_EQ(send.fd, socket);
    EXPECT_EQ(send.msg_flags, static_cast<unsigned>(MSG_DONTWAIT | MSG_NOSIGNAL));
    EXPECT_EQ(complete(5).kind, Event::Kind::sent);
    EXPECT_EQ(counters.bytes_sent, 5U);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, NorOneOfSeveralRuns) {
    const std::string shared(100, 'x');
    queue_text("hello");
    outlet.queue.append(SharedPiece{shared.data(), shared.size(), {}}, transmitter.blocks());
    const io_uring_sqe& send = begin();
    EXPECT_EQ(send.opcode, IORING_OP_SENDMSG);
    EXPECT_EQ(send.msg_flags, static_cast<unsigned>(MSG_DONTWAIT | MSG_NOSIGNAL));
    complete(105);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, AFullSocketIsWaitedFor) {
    queue_text("hello");
    begin();
    EXPECT_EQ(complete(-EAGAIN).kind, Event::Kind::send_ended);
    EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD);
    EXPECT_EQ(complete(POLLOUT).kind, Event::Kind::send_ended);
    EXPECT_EQ(begin().opcode, IORING_OP_SEND);
    complete(5);
    queue_text("more");
    EXPECT_EQ(begin().opcode, IORING_OP_SEND);
}

TEST_F(TransmitterTest, RoomThatIsNotThereIsAskedForAgainAfterAPause) {
    queue_text("hello");
    begin();
    complete(-EAGAIN);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD) << i;
        complete(POLLOUT);
        EXPECT_EQ(begin().opcode, IORING_OP_SEND) << i;
        complete(-EAGAIN);
        EXPECT_EQ(begin().opcode, IORING_OP_TIMEOUT) << "never without a pause";
        EXPECT_EQ(complete(-ETIME).kind, Event::Kind::send_ended);
    }
}

TEST_F(TransmitterTest, MemoryThatIsShortIsNotAskedForWithoutAPause) {
    for (const int error : {ENOBUFS, ENOMEM}) {
        queue_text("hello");
        begin();
        EXPECT_EQ(complete(-error).kind, Event::Kind::send_ended);
        EXPECT_EQ(begin().opcode, IORING_OP_TIMEOUT);
        complete(-ETIME);
        EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD);
        complete(POLLOUT);
        begin();
        complete(5);
    }
}

TEST_F(TransmitterTest, ABrokenSocketIsSaid) {
    for (const int error : {EPIPE, ECONNRESET, ETIMEDOUT}) {
        queue_text("x");
        begin();
        EXPECT_EQ(complete(-error).kind, Event::Kind::send_broken);
    }
}

TEST_F(TransmitterTest, ItSaysWhichOperationsNeedNotBeWaitedFor) {
    queue_text("all of it");
    begin();
    EXPECT_EQ(begun, Begun::all_at_once);
    complete(4);
    begin();
    EXPECT_EQ(begun, Begun::all_at_once);
    complete(-EAGAIN);
    begin();
    EXPECT_EQ(begun, Begun::something) << "room may come late";
    complete(POLLOUT);
    begin();
    complete(5);

    const std::string large(21 * 1024, 'x');
    outlet.queue.append(SharedPiece{large.data(), large.size(), {}}, transmitter.blocks());
    begin();
    EXPECT_EQ(begun, Begun::something) << "a socket may not have room for so much";
    complete(21 * 1024);
    for (const std::size_t size : {std::size_t{1'000}, large.size()}) {
        queue_text("head");
        outlet.queue.append(SharedPiece{large.data(), size, {}}, transmitter.blocks());
        EXPECT_EQ(begin().opcode, IORING_OP_SENDMSG);
        EXPECT_EQ(begun, size == 1'000 ? Begun::all_at_once : Begun::something);
        complete(static_cast<int>(4 + size));
    }
    queue_text("head");
    queue_file(100);
    begin();
    EXPECT_EQ(begun, Begun::something) << "the file follows";
    complete(4);
    ring.moving = 60;
    begin();
    EXPECT_EQ(begun, Begun::something) << "not all of it was moved";
    complete(0);
    begin();
    complete(POLLOUT);
    ring.moving = 40;
    begin();
    EXPECT_EQ(begun, Begun::all_at_once);
    complete(0);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, AFileGoesChunkByChunk) {
    queue_file(Chunk::size_bytes + 10);
    EXPECT_EQ(begin().opcode, IORING_OP_READ);
    complete(Chunk::size_bytes);
    EXPECT_EQ(transmitter.chunks_lent(), 1U);
    EXPECT_EQ(begin().msg_flags & MSG_MORE, static_cast<unsigned>(MSG_MORE));
    complete(Chunk::size_bytes);
    EXPECT_EQ(transmitter.chunks_lent(), 0U);
    const io_uring_sqe& read = begin();
    EXPECT_EQ(read.opcode, IORING_OP_READ);
    EXPECT_EQ(read.off, Chunk::size_bytes);
    EXPECT_EQ(read.len, 10U);
    complete(10);
    EXPECT_EQ(begin().msg_flags & MSG_MORE, 0U);
    complete(10);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, WhatCanBeMovedOfAFileIsNotRead) {
    constexpr std::uint32_t part = 512 * 1024;
    queue_file(part + 10);
    ring.moving = part;
    EXPECT_EQ(begin().opcode, IORING_OP_NOP);
    EXPECT_EQ(ring.moves.back(), (FakeRing::Move{socket, 9, 0, part}));
    const Event sent = complete(0);
    EXPECT_EQ(sent.kind, Event::Kind::sent);
    EXPECT_TRUE(sent.output_waiting);
    EXPECT_EQ(counters.bytes_sent, part);
    ring.moving.reset();
    EXPECT_EQ(begin().opcode, IORING_OP_READ) << "the rest is not in the page cache";
    complete(10);
    EXPECT_EQ(begin().opcode, IORING_OP_SEND) << "what was read is sent from where it is";
    complete(10);
    EXPECT_TRUE(outlet.queue.empty());
    EXPECT_EQ(transmitter.chunks_lent(), 0U);
}

TEST_F(TransmitterTest, ALittleThatIsMovedMeansThatThereIsNoRoom) {
    queue_file(1'000);
    ring.moving = 5;
    begin();
    EXPECT_TRUE(complete(0).output_waiting);
    EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD);
    complete(POLLOUT);
    ring.moving = 995;
    EXPECT_EQ(begin().opcode, IORING_OP_NOP);
    EXPECT_EQ(ring.moves.back(), (FakeRing::Move{socket, 9, 5, 995}));
    EXPECT_FALSE(complete(0).output_waiting);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, AFullSocketIsWaitedForByFilesToo) {
    queue_file(1'000);
    ring.moving = -EAGAIN;
    begin();
    EXPECT_EQ(complete(0).kind, Event::Kind::send_ended);
    EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD);
    complete(POLLOUT);
    begin();
    complete(0);
    EXPECT_EQ(begin().opcode, IORING_OP_TIMEOUT) << "the room that was promised was not there";
}

TEST_F(TransmitterTest, WhatFailsToMoveIsSaid) {
    queue_file(1'000);
    for (const auto& [result, kind] : {std::pair{0, Event::Kind::send_failed},
                                       {-EIO, Event::Kind::send_failed},
                                       {-ESTALE, Event::Kind::send_failed},
                                       {-ENODATA, Event::Kind::send_failed},
                                       {-EINTR, Event::Kind::send_ended},
                                       {-EPIPE, Event::Kind::send_broken},
                                       {-ECONNRESET, Event::Kind::send_broken}}) {
        ring.moving = result;
        begin();
        EXPECT_EQ(complete(0).kind, kind) << result;
    }
}

TEST_F(TransmitterTest, AHeadIsNotSentByItselfIfAFileFollows) {
    queue_text("head");
    queue_file(1'000);
    EXPECT_EQ(begin().msg_flags & MSG_MORE, static_cast<unsigned>(MSG_MORE));
    complete(4);
    ring.moving = 1'000;
    begin();
    complete(0);
    const std::string shared(100, 'x');
    queue_text("hello");
    outlet.queue.append(SharedPiece{shared.data(), shared.size(), {}}, transmitter.blocks());
    queue_file(1'000);
    const io_uring_sqe& message = begin();
    EXPECT_EQ(message.opcode, IORING_OP_SENDMSG);
    EXPECT_EQ(message.msg_flags & MSG_MORE, static_cast<unsigned>(MSG_MORE));
    complete(105);
}

TEST_F(TransmitterTest, NoChunkIsKeptWhileThereIsNoRoom) {
    queue_file(1'000);
    begin();
    complete(1'000);
    begin();
    complete(400);
    EXPECT_EQ(transmitter.chunks_lent(), 0U);
    EXPECT_EQ(begin().opcode, IORING_OP_POLL_ADD);
    complete(POLLOUT);
    const io_uring_sqe& read = begin();
    EXPECT_EQ(read.opcode, IORING_OP_READ);
    EXPECT_EQ(read.off, 400U);
    complete(600);
    begin();
    complete(-EAGAIN);
    EXPECT_EQ(transmitter.chunks_lent(), 0U);
    EXPECT_EQ(begin().opcode, IORING_OP_TIMEOUT) << "the room that was promised was not there";
}

TEST_F(TransmitterTest, AFileThatBecameShorterIsAFailure) {
    queue_file(1'000);
    begin();
    EXPECT_EQ(complete(0).kind, Event::Kind::send_failed);
    EXPECT_EQ(transmitter.chunks_lent(), 0U);
}

TEST_F(TransmitterTest, WhoFindsNoChunkTriesLater) {
    queue_file(1'000);
    std::vector<Outlet> others(64);
    for (Outlet& other : others) {
        other.queue.append(FilePiece{.offset = 0, .size = 1, .owner = {}, .descriptor = 9},
                           transmitter.blocks());
        ring.used = 0;
        EXPECT_EQ(transmitter.begin(other, socket, 0, 0), Begun::something);
    }
    ring.used = 0;
    EXPECT_EQ(transmitter.begin(outlet, socket, 3, 4), Begun::nothing);
    EXPECT_EQ(ring.used, 0U);
    for (Outlet& other : others) {
        transmitter.clear(other);
    }
    // Even if the file could be moved by now: the chunk that came back was for this one, and nobody
    // else would be told of it.
    ring.moving = 1'000;
    EXPECT_EQ(begin().opcode, IORING_OP_READ);
    EXPECT_EQ(transmitter.chunks_lent(), 1U);
}

// The kernel may keep much for who has taken much of a file, as long as that goes on.
TEST_F(TransmitterTest, WhoTakesMuchOfAFileGetsMore) {
    constexpr std::uint32_t part = 512 * 1024;
    using Limits = std::vector<std::pair<int, Unsent>>;
    const Limits much{{socket, Unsent::large_file}};
    queue_file(100 * part);
    ring.moving = part;
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(ring.limits, Limits());
        begin();
        complete(0);
    }
    for (int i = 0; i < 96; ++i) {
        begin();
        EXPECT_EQ(ring.limits, much) << "once";
        complete(0);
    }
    EXPECT_TRUE(outlet.queue.empty());
    queue_text("next head");
    queue_file(part);
    begin();
    EXPECT_EQ(ring.limits, (Limits{{socket, Unsent::large_file}, {socket, Unsent::usual}}));
    complete(9);
    begin();
    complete(0);
    queue_text("more");
    begin();
    complete(4);
    EXPECT_EQ(ring.limits.size(), 2U) << "this file was small";
}

TEST_F(TransmitterTest, WhoTakesNothingGetsNoMore) {
    queue_file(std::uint64_t{1} << 30);
    for (int i = 0; i < 1'000; ++i) {
        ring.moving = -EAGAIN;
        begin();
        complete(0);
        begin();
        complete(POLLOUT);
    }
    EXPECT_TRUE(ring.limits.empty());
    // Little by little it is much at last.
    for (int i = 0; i < 40; ++i) {
        ring.moving = 1'000;
        outlet.room = Room::unknown;
        begin();
        complete(0);
    }
    EXPECT_EQ(ring.limits.size(), 1U);
}

// What was just asked for was not in the page cache, and asking brings single pages there.
TEST_F(TransmitterTest, ItIsAskedAgainOnlyWhenAllThatWasAskedForIsRead) {
    constexpr std::uint32_t part = 512 * 1024;
    queue_file(2 * part);
    for (std::uint64_t read = 0; read < part; read += Chunk::size_bytes) {
        EXPECT_EQ(begin().opcode, IORING_OP_READ);
        complete(Chunk::size_bytes);
        begin();
        complete(Chunk::size_bytes);
        EXPECT_EQ(ring.moves.size(), 1U);
        ring.moving = part;
    }
    EXPECT_EQ(begin().opcode, IORING_OP_NOP);
    EXPECT_EQ(ring.moves.back(), (FakeRing::Move{socket, 9, part, part}));
    complete(0);
    EXPECT_TRUE(outlet.queue.empty());
}

TEST_F(TransmitterTest, WhatOneFileNeededIsNotHeldAgainstTheNext) {
    queue_file(1'000);
    begin();
    complete(1'000);
    begin();
    complete(1'000);
    queue_file(1'000);
    ring.moving = 1'000;
    EXPECT_EQ(begin().opcode, IORING_OP_NOP);
    complete(0);
}

}  // namespace
}  // namespace enduring::core
