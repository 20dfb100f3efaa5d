#include "core/transmitter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
    int submit_and_wait(std::optional<std::uint64_t>) { return submit(); }
};

class TransmitterTest : public ::testing::Test {
  protected:
    ~TransmitterTest() override { transmitter.clear(outlet); }

    /// Begins the next operation and gives it.
    const io_uring_sqe& begin() {
        ring.used = 0;
        EXPECT_TRUE(transmitter.begin(outlet, socket, 3, 4));
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
    Transmitter<FakeRing> transmitter{submitter, counters};
    Outlet outlet;
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
        EXPECT_TRUE(transmitter.begin(other, socket, 0, 0));
    }
    ring.used = 0;
    EXPECT_FALSE(transmitter.begin(outlet, socket, 3, 4));
    EXPECT_EQ(ring.used, 0U);
    for (Outlet& other : others) {
        transmitter.clear(other);
    }
    EXPECT_EQ(begin().opcode, IORING_OP_READ);
}

}  // namespace
}  // namespace enduring::core
