// What the loop relies on in each operation and flag that it uses, asked of the real kernel and of
// the simulated one by the same assertions, so that the simulation cannot drift.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/messenger.hpp"
#include "core/sqe.hpp"
#include "core/token.hpp"
#include "core/unsent.hpp"
#include "tests/contract/kernels.hpp"
#include "tests/simulation/content.hpp"

namespace enduring::contract {
namespace {

using core::Completion;
using core::Operation;
using core::Token;

constexpr std::uint64_t patience_ms = 10'000;

/// Operations that tests have submitted, for the summary.
std::map<bool, std::set<int>> covered;

template <class Kernel>
class Contract : public testing::Test {
  protected:
    [[nodiscard]] io_uring_sqe& sqe() {
        io_uring_sqe& entry = kernel_.ring().take_sqe();
        taken_.push_back(&entry);
        return entry;
    }

    int submit() {
        note_taken();
        return kernel_.ring().submit();
    }
    /// Submits and waits until so many completions have come.
    std::vector<Completion> wait_for(std::size_t count) {
        note_taken();
        std::vector<Completion> completions;
        const std::uint64_t begin_ms = kernel_.ring().now_us() / 1'000;
        while (completions.size() < count &&
               kernel_.ring().now_us() / 1'000 < begin_ms + patience_ms) {
            kernel_.wait(100);
            kernel_.ring().drain([&](const Completion& completion) {
                completions.push_back(completion);
                return true;
            });
        }
        EXPECT_EQ(completions.size(), count);
        completions.resize(count);
        return completions;
    }
    Completion wait_for_one() { return wait_for(1).front(); }

    /// Submits and waits once, until so many completions are there or the time is over.
    void wait_once(std::uint64_t timeout_ms, std::uint32_t completions) {
        note_taken();
        kernel_.wait(timeout_ms, completions);
    }

    /// Nothing completes.
    void expect_nothing() {
        note_taken();
        kernel_.wait(50);
        kernel_.ring().drain([](const Completion& completion) {
            ADD_FAILURE() << "completed: " << completion.user_data << ", " << completion.result;
            return true;
        });
    }

    static Operation operation_of(const Completion& completion) {
        return core::unpack(completion.user_data).operation;
    }

    /// A connection: the server's descriptor, and the client's number.
    struct Connection {
        int descriptor;
        std::size_t client;
        std::uint32_t slot;

        [[nodiscard]] Token token(Operation operation) const { return {operation, slot, 1}; }
    };
    Connection connect() {
        const std::size_t client = kernel_.connect();
        core::prepare_accept_one(sqe(), kernel_.listener(), {Operation::accept, 0, 0});
        const Completion accepted = wait_for_one();
        EXPECT_GE(accepted.result, 0);
        EXPECT_FALSE(accepted.more()) << "a single accept ends";
        return {accepted.result, client, slots_++};
    }

    void arm_receive(const Connection& connection) {
        core::prepare_receive(sqe(), connection.descriptor, buffer_group,
                              connection.token(Operation::receive));
    }
    void arm_receive_once(const Connection& connection) {
        core::prepare_receive_once(sqe(), connection.descriptor, buffer_group,
                                   connection.token(Operation::receive));
    }
    /// What a completed receive brought; the buffer goes back.
    std::string take(const Completion& completion) {
        EXPECT_GT(completion.result, 0);
        EXPECT_TRUE(completion.has_buffer());
        if (completion.result <= 0 || !completion.has_buffer()) {
            return {};
        }
        const auto bytes = kernel_.buffers().lend(completion.buffer(),
                                                  static_cast<std::size_t>(completion.result));
        std::string text(bytes.data(), bytes.size());
        kernel_.buffers().give_back(completion.buffer());
        return text;
    }
    void send(const Connection& connection, std::string_view bytes) {
        core::prepare_send(sqe(), connection.descriptor, bytes.data(), bytes.size(), false,
                           connection.token(Operation::send));
    }
    /// Fills the socket; gives how many bytes it took.
    std::size_t fill(const Connection& connection, std::string_view bytes) {
        std::size_t total = 0;
        for (int i = 0; i < 1'000; ++i) {
            send(connection, bytes);
            const Completion completion = wait_for_one();
            if (completion.result == -EAGAIN) {
                return total;
            }
            EXPECT_GT(completion.result, 0);
            EXPECT_LE(completion.result, static_cast<int>(bytes.size()));
            total += static_cast<std::size_t>(completion.result);
        }
        ADD_FAILURE() << "the socket is never full";
        return total;
    }
    /// Reads what has come for a client until there are so many bytes, or an end.
    Heard hear(std::size_t client, std::size_t bytes) {
        Heard all;
        for (int i = 0; i < 10'000 && all.bytes.size() < bytes && all.end == Heard::End::open;
             ++i) {
            const Heard heard = kernel_.read(client);
            all.bytes += heard.bytes;
            all.end = heard.end;
        }
        return all;
    }
    void close(const Connection& connection) {
        core::prepare_close(sqe(), connection.descriptor, connection.token(Operation::close));
        const Completion completion = wait_for_one();
        EXPECT_EQ(completion.result, 0);
        EXPECT_EQ(operation_of(completion), Operation::close);
    }

    Kernel kernel_;

  private:
    void note_taken() {
        for (const io_uring_sqe* entry : taken_) {
            covered[Kernel::simulated].insert(entry->opcode);
        }
        taken_.clear();
    }

    std::vector<const io_uring_sqe*> taken_;
    std::uint32_t slots_ = 0;
};

using Kernels = testing::Types<RealKernel, SimulatedKernel>;
struct Names {
    template <class Kernel>
    static std::string GetName(int) {
        return Kernel::simulated ? "simulated" : "real";
    }
};
TYPED_TEST_SUITE(Contract, Kernels, Names);

// ---- accept ------------------------------------------------------------------------------------

TYPED_TEST(Contract, AMultishotAcceptGoesOn) {
    core::prepare_accept(this->sqe(), this->kernel_.listener(), {Operation::accept, 0, 0});
    this->expect_nothing();
    std::set<int> descriptors;
    for (int i = 0; i < 3; ++i) {
        this->kernel_.connect();
        const Completion completion = this->wait_for_one();
        EXPECT_GE(completion.result, 0);
        EXPECT_TRUE(completion.more());
        EXPECT_FALSE(completion.has_buffer());
        descriptors.insert(completion.result);
    }
    EXPECT_EQ(descriptors.size(), 3U);
}

TYPED_TEST(Contract, AMultishotAcceptTakesAllThatWait) {
    for (int i = 0; i < 3; ++i) {
        this->kernel_.connect();
    }
    core::prepare_accept(this->sqe(), this->kernel_.listener(), {Operation::accept, 0, 0});
    for (const Completion& completion : this->wait_for(3)) {
        EXPECT_GE(completion.result, 0);
        EXPECT_TRUE(completion.more());
    }
}

TYPED_TEST(Contract, EachSingleAcceptTakesOne) {
    for (int i = 0; i < 2; ++i) {
        core::prepare_accept_one(this->sqe(), this->kernel_.listener(), {Operation::accept, 0, 0});
    }
    this->expect_nothing();
    for (int i = 0; i < 3; ++i) {
        this->kernel_.connect();
    }
    for (const Completion& completion : this->wait_for(2)) {
        EXPECT_GE(completion.result, 0);
        EXPECT_FALSE(completion.more());
    }
    this->expect_nothing();
}

TYPED_TEST(Contract, AllAcceptsAreCancelledTogether) {
    const Token token{Operation::accept, 0, 0};
    for (int i = 0; i < 3; ++i) {
        core::prepare_accept_one(this->sqe(), this->kernel_.listener(), token);
    }
    this->expect_nothing();
    core::prepare_cancel_all(this->sqe(), token, {Operation::cancel_accept, 0, 0});
    unsigned ended = 0;
    for (const Completion& completion : this->wait_for(4)) {
        EXPECT_FALSE(completion.more());
        if (this->operation_of(completion) == Operation::accept) {
            EXPECT_EQ(completion.result, -ECANCELED);
            ++ended;
        } else {
            EXPECT_EQ(completion.result, 3) << "how many were found";
        }
    }
    EXPECT_EQ(ended, 3U);
}

// ---- receive -----------------------------------------------------------------------------------

TYPED_TEST(Contract, AMultishotReceiveGoesOn) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->expect_nothing();
    for (const std::string text : {"first", "and second"}) {
        this->kernel_.send(connection.client, text);
        const Completion completion = this->wait_for_one();
        EXPECT_TRUE(completion.more());
        EXPECT_EQ(this->take(completion), text);
    }
}

TYPED_TEST(Contract, AReceiveBringsAsMuchAsABufferHolds) {
    const auto connection = this->connect();
    const std::string_view text = simulation::content_of(1, 3 * buffer_bytes / 2);
    this->kernel_.send(connection.client, text);
    this->arm_receive(connection);
    std::string received;
    for (const Completion& completion : this->wait_for(2)) {
        EXPECT_TRUE(completion.more());
        received += this->take(completion);
    }
    EXPECT_EQ(received, text);
}

TYPED_TEST(Contract, AReceiveOnceEnds) {
    const auto connection = this->connect();
    this->arm_receive_once(connection);
    this->kernel_.send(connection.client, "hello");
    const Completion completion = this->wait_for_one();
    EXPECT_FALSE(completion.more());
    EXPECT_EQ(this->take(completion), "hello");
    this->kernel_.send(connection.client, "more");
    this->expect_nothing();
}

TYPED_TEST(Contract, AReceiveWithoutBuffersEndsAndLosesNothing) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    const std::string_view text = simulation::content_of(7, (buffer_count + 1) * buffer_bytes);
    this->kernel_.send(connection.client, text);
    const std::vector<Completion> completions = this->wait_for(buffer_count + 1);
    std::string received;
    for (std::size_t i = 0; i < buffer_count; ++i) {
        EXPECT_TRUE(completions[i].more());
    }
    EXPECT_EQ(completions.back().result, -ENOBUFS);
    EXPECT_FALSE(completions.back().more());
    EXPECT_FALSE(completions.back().has_buffer());
    for (std::size_t i = 0; i < buffer_count; ++i) {
        received += this->take(completions[i]);
    }
    this->arm_receive(connection);
    received += this->take(this->wait_for_one());
    EXPECT_EQ(received, text);
}

TYPED_TEST(Contract, ASingleReceiveWithoutBuffersEndsToo) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->kernel_.send(connection.client, simulation::content_of(7, buffer_count * buffer_bytes));
    const std::vector<Completion> completions = this->wait_for(buffer_count);
    const auto other = this->connect();
    this->kernel_.send(other.client, "hello");
    this->arm_receive_once(other);
    const Completion starved = this->wait_for_one();
    EXPECT_EQ(starved.result, -ENOBUFS);
    EXPECT_FALSE(starved.more());
    this->take(completions.front());
    this->arm_receive_once(other);
    EXPECT_EQ(this->take(this->wait_for_one()), "hello");
}

TYPED_TEST(Contract, TheEndOfInputEndsAReceive) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->kernel_.send(connection.client, "last");
    EXPECT_EQ(this->take(this->wait_for_one()), "last");
    this->kernel_.finish(connection.client);
    const Completion completion = this->wait_for_one();
    EXPECT_EQ(completion.result, 0);
    EXPECT_FALSE(completion.more());
    EXPECT_FALSE(completion.has_buffer());
}

TYPED_TEST(Contract, AReceiveThatIsArmedAfterTheEndFindsIt) {
    const auto connection = this->connect();
    this->kernel_.finish(connection.client);
    for (int i = 0; i < 2; ++i) {
        this->arm_receive(connection);
        const Completion completion = this->wait_for_one();
        EXPECT_EQ(completion.result, 0);
        EXPECT_FALSE(completion.more());
    }
}

TYPED_TEST(Contract, AResetEndsAReceive) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->expect_nothing();
    this->kernel_.reset(connection.client);
    const Completion completion = this->wait_for_one();
    EXPECT_EQ(completion.result, -ECONNRESET);
    EXPECT_FALSE(completion.more());
}

TYPED_TEST(Contract, AReceiveCanBeCancelled) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->expect_nothing();
    core::prepare_cancel(this->sqe(), connection.token(Operation::receive),
                         connection.token(Operation::cancel));
    for (const Completion& completion : this->wait_for(2)) {
        EXPECT_FALSE(completion.more());
        EXPECT_EQ(completion.result,
                  this->operation_of(completion) == Operation::receive ? -ECANCELED : 0);
    }
    // What comes later is for the next receive.
    this->kernel_.send(connection.client, "later");
    this->expect_nothing();
    this->arm_receive(connection);
    EXPECT_EQ(this->take(this->wait_for_one()), "later");
}

TYPED_TEST(Contract, WhatIsNotThereCannotBeCancelled) {
    const auto connection = this->connect();
    core::prepare_cancel(this->sqe(), connection.token(Operation::receive),
                         connection.token(Operation::cancel));
    EXPECT_EQ(this->wait_for_one().result, -ENOENT);
}

// ---- output ------------------------------------------------------------------------------------

TYPED_TEST(Contract, ASendTakesTheBytes) {
    const auto connection = this->connect();
    this->send(connection, "hello");
    const Completion completion = this->wait_for_one();
    EXPECT_EQ(completion.result, 5);
    EXPECT_FALSE(completion.more());
    EXPECT_EQ(this->hear(connection.client, 5).bytes, "hello");
}

TYPED_TEST(Contract, AMessageOfSeveralPartsGoesInOrder) {
    const auto connection = this->connect();
    std::array<std::string, 3> texts{"one, ", "two, ", "three"};
    std::array<iovec, 3> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = {texts[i].data(), texts[i].size()};
    }
    {
        // The header may go once the kernel has the submission.
        auto message = std::make_unique<msghdr>();
        message->msg_iov = parts.data();
        message->msg_iovlen = parts.size();
        core::prepare_send_message(this->sqe(), connection.descriptor, *message, false,
                                   connection.token(Operation::send));
        EXPECT_EQ(this->submit(), 1);
    }
    EXPECT_EQ(this->wait_for_one().result, 15);
    EXPECT_EQ(this->hear(connection.client, 15).bytes, "one, two, three");
}

TYPED_TEST(Contract, MoreThatFollowsHoldsNothingBackForEver) {
    const auto connection = this->connect();
    core::prepare_send(this->sqe(), connection.descriptor, "begin, ", 7, true,
                       connection.token(Operation::send));
    EXPECT_EQ(this->wait_for_one().result, 7);
    this->send(connection, "end");
    EXPECT_EQ(this->wait_for_one().result, 3);
    EXPECT_EQ(this->hear(connection.client, 10).bytes, "begin, end");
}

TYPED_TEST(Contract, AFullSocketIsSaidAtOnceAndPolledFor) {
    const auto connection = this->connect();
    const std::string_view bytes = simulation::content_of(3, 100'000);
    const std::size_t taken = this->fill(connection, bytes);
    EXPECT_GT(taken, 0U);
    core::prepare_await_room(this->sqe(), connection.descriptor,
                             connection.token(Operation::await_room));
    this->expect_nothing();
    EXPECT_EQ(this->hear(connection.client, taken).bytes.size(), taken);
    const Completion polled = this->wait_for_one();
    EXPECT_EQ(this->operation_of(polled), Operation::await_room);
    EXPECT_EQ(polled.result & (POLLOUT | POLLERR | POLLHUP), POLLOUT);
    EXPECT_FALSE(polled.more());
    this->send(connection, "more");
    EXPECT_EQ(this->wait_for_one().result, 4);
}

TYPED_TEST(Contract, APollCanBeCancelled) {
    const auto connection = this->connect();
    this->fill(connection, simulation::content_of(3, 100'000));
    core::prepare_await_room(this->sqe(), connection.descriptor,
                             connection.token(Operation::await_room));
    this->expect_nothing();
    core::prepare_cancel(this->sqe(), connection.token(Operation::await_room),
                         connection.token(Operation::cancel));
    for (const Completion& completion : this->wait_for(2)) {
        EXPECT_EQ(completion.result,
                  this->operation_of(completion) == Operation::await_room ? -ECANCELED : 0);
    }
}

TYPED_TEST(Contract, APollEndsWhenThePeerResets) {
    const auto connection = this->connect();
    this->fill(connection, simulation::content_of(3, 100'000));
    core::prepare_await_room(this->sqe(), connection.descriptor,
                             connection.token(Operation::await_room));
    this->expect_nothing();
    this->kernel_.reset(connection.client);
    const Completion completion = this->wait_for_one();
    EXPECT_GT(completion.result, 0);
    EXPECT_NE(completion.result & (POLLERR | POLLHUP), 0);
}

TYPED_TEST(Contract, ASendToWhoHasResetFails) {
    const auto connection = this->connect();
    this->kernel_.reset(connection.client);
    this->expect_nothing();
    this->send(connection, "hello");
    const Completion completion = this->wait_for_one();
    EXPECT_TRUE(completion.result == -EPIPE || completion.result == -ECONNRESET)
        << completion.result;
}

TYPED_TEST(Contract, APauseEndsByItsTime) {
    const std::uint64_t begin_ms = this->kernel_.ring().now_us() / 1'000;
    core::prepare_pause(this->sqe(), {Operation::await_room, 0, 1});
    const Completion completion = this->wait_for_one();
    EXPECT_EQ(completion.result, -ETIME);
    EXPECT_FALSE(completion.more());
    EXPECT_GE(this->kernel_.ring().now_us() / 1'000 + 1, begin_ms + 50);
}

TYPED_TEST(Contract, APauseCanBeCancelled) {
    core::prepare_pause(this->sqe(), {Operation::await_room, 0, 1});
    core::prepare_cancel(this->sqe(), {Operation::await_room, 0, 1}, {Operation::cancel, 0, 1});
    for (const Completion& completion : this->wait_for(2)) {
        EXPECT_EQ(completion.result,
                  this->operation_of(completion) == Operation::await_room ? -ECANCELED : 0);
    }
}

TYPED_TEST(Contract, AFileIsReadWhereItIsAsked) {
    constexpr std::uint64_t size = 10'000;
    const int file = this->kernel_.open_file(5, size);
    const std::string_view whole = simulation::content_of(5, size);
    std::string memory(4'000, '\0');
    const auto read = [&](std::uint64_t offset) {
        core::prepare_read_file(this->sqe(), file, memory.data(),
                                static_cast<std::uint32_t>(memory.size()), offset,
                                {Operation::read_file, 0, 1});
        return this->wait_for_one().result;
    };
    EXPECT_EQ(read(1'000), 4'000);
    EXPECT_EQ(memory, whole.substr(1'000, 4'000));
    EXPECT_EQ(read(9'000), 1'000) << "what there is";
    EXPECT_EQ(memory.substr(0, 1'000), whole.substr(9'000));
    EXPECT_EQ(read(size), 0) << "nothing behind the end";
}

TYPED_TEST(Contract, AFileIsMovedWithoutReading) {
    constexpr std::uint64_t size = 10'000;
    const auto connection = this->connect();
    const int file = this->kernel_.open_file(5, size);
    const std::string_view whole = simulation::content_of(5, size);
    const auto move = [&](std::uint64_t offset, std::uint32_t bytes) {
        return this->kernel_.ring().move_file(connection.descriptor, file, offset, bytes);
    };
    EXPECT_EQ(move(1'000, 4'000), 4'000);
    EXPECT_EQ(this->hear(connection.client, 4'000).bytes, whole.substr(1'000, 4'000));
    EXPECT_EQ(move(size - 1, 1), 1);
    EXPECT_EQ(this->hear(connection.client, 1).bytes, whole.substr(size - 1));
}

TYPED_TEST(Contract, AFileIsMovedAsFarAsThereIsRoom) {
    constexpr std::uint32_t size = 100'000;
    const auto connection = this->connect();
    this->arm_receive(connection);
    const int file = this->kernel_.open_file(7, size);
    const auto move = [&](std::uint32_t bytes) {
        return this->kernel_.ring()
            .move_file(connection.descriptor, file, 0, bytes)
            .value_or(-ENODATA);
    };
    std::string expected;
    std::int32_t result = 0;
    while ((result = move(size)) > 0) {
        expected += simulation::content_of(7, static_cast<std::uint64_t>(result));
        ASSERT_LT(expected.size(), 1U << 30);
    }
    EXPECT_EQ(result, -EAGAIN);
    // Room is told of when the client makes some, and input is still waited for.
    core::prepare_await_room(this->sqe(), connection.descriptor,
                             connection.token(Operation::await_room));
    this->expect_nothing();
    const Heard heard = this->hear(connection.client, expected.size());
    EXPECT_TRUE(heard.bytes == expected);
    const Completion room = this->wait_for_one();
    EXPECT_EQ(this->operation_of(room), Operation::await_room);
    EXPECT_GT(room.result, 0);
    this->kernel_.send(connection.client, "on");
    EXPECT_EQ(this->take(this->wait_for_one()), "on");
    EXPECT_EQ(move(10), 10);
}

TYPED_TEST(Contract, AFileIsNotMovedToWhoHasReset) {
    const auto connection = this->connect();
    const int file = this->kernel_.open_file(5, 100);
    this->kernel_.reset(connection.client);
    this->expect_nothing();
    const auto result = this->kernel_.ring().move_file(connection.descriptor, file, 0, 100);
    EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result.value_or(0);
    // Nor is anybody killed by SIGPIPE, which comes once the error has been told.
    const auto again = this->kernel_.ring().move_file(connection.descriptor, file, 0, 100);
    EXPECT_TRUE(again == -EPIPE || again == -ECONNRESET) << again.value_or(0);
}

TYPED_TEST(Contract, WhatWasDoneByAPlainCallIsToldOf) {
    const auto connection = this->connect();
    this->arm_receive(connection);
    this->expect_nothing();
    core::prepare_nothing(this->sqe(), connection.token(Operation::send_file));
    const Completion completion = this->wait_for_one();
    EXPECT_EQ(completion.result, 0);
    EXPECT_EQ(this->operation_of(completion), Operation::send_file);
    EXPECT_FALSE(completion.more());
}

// ---- the end -----------------------------------------------------------------------------------

TYPED_TEST(Contract, ACloseIsHeardAsTheEnd) {
    const auto connection = this->connect();
    this->send(connection, "bye");
    EXPECT_EQ(this->wait_for_one().result, 3);
    this->close(connection);
    const Heard heard = this->hear(connection.client, 4);
    EXPECT_EQ(heard.bytes, "bye");
    EXPECT_EQ(heard.end, Heard::End::finished);
}

TYPED_TEST(Contract, ACloseCanBeAReset) {
    const auto connection = this->connect();
    this->kernel_.ring().reset_on_close(connection.descriptor);
    this->close(connection);
    EXPECT_EQ(this->hear(connection.client, 1).end, Heard::End::reset);
}

TYPED_TEST(Contract, ACloseBeforeAllIsReadIsAReset) {
    const auto connection = this->connect();
    this->kernel_.send(connection.client, "unread");
    this->expect_nothing();
    this->close(connection);
    EXPECT_EQ(this->hear(connection.client, 1).end, Heard::End::reset);
}

TYPED_TEST(Contract, AfterTheEndOfTheOutputInputGoesOn) {
    const auto connection = this->connect();
    this->send(connection, "bye");
    EXPECT_EQ(this->wait_for_one().result, 3);
    this->kernel_.ring().shutdown_write(connection.descriptor);
    const Heard heard = this->hear(connection.client, 4);
    EXPECT_EQ(heard.bytes, "bye");
    EXPECT_EQ(heard.end, Heard::End::finished);
    this->arm_receive(connection);
    this->kernel_.send(connection.client, "still here");
    EXPECT_EQ(this->take(this->wait_for_one()), "still here");
    this->kernel_.finish(connection.client);
    EXPECT_EQ(this->wait_for_one().result, 0);
    this->close(connection);
}

TYPED_TEST(Contract, AListenerThatIsClosedAcceptsNobody) {
    core::prepare_close(this->sqe(), this->kernel_.listener(), {Operation::close_other, 0, 0});
    EXPECT_EQ(this->wait_for_one().result, 0);
}

// ---- the ring itself ---------------------------------------------------------------------------

TYPED_TEST(Contract, AWaitEndsByItsTime) {
    const std::uint64_t begin_ms = this->kernel_.ring().now_us() / 1'000;
    this->kernel_.wait(30);
    EXPECT_GE(this->kernel_.ring().now_us() / 1'000 + 1, begin_ms + 30);
    EXPECT_EQ(this->kernel_.ring().submit_and_wait(0), 0);
}

TYPED_TEST(Contract, AWaitForTwoDoesNotEndWithOne) {
    const auto one = this->connect();
    const auto other = this->connect();
    this->arm_receive(one);
    this->arm_receive(other);
    this->expect_nothing();
    const std::uint64_t begin_ms = this->kernel_.ring().now_us() / 1'000;
    core::prepare_nothing(this->sqe(), one.token(Operation::send_file));
    this->wait_once(30, 2);
    EXPECT_GE(this->kernel_.ring().now_us() / 1'000 + 1, begin_ms + 30);
    EXPECT_EQ(this->wait_for(1).size(), 1U);
    for (const auto& connection : {one, other}) {
        core::prepare_nothing(this->sqe(), connection.token(Operation::send_file));
    }
    this->wait_once(10'000, 2);
    EXPECT_LT(this->kernel_.ring().now_us() / 1'000, begin_ms + 10'000);
    EXPECT_EQ(this->wait_for(2).size(), 2U);
}

// The loop counts on it when it lets a wait go on.
TYPED_TEST(Contract, WhatIsSentIsDoneWhenItWasSubmitted) {
    const auto connection = this->connect();
    this->send(connection, "done");
    this->submit();
    unsigned done = 0;
    this->kernel_.ring().drain([&](const Completion& completion) {
        EXPECT_EQ(completion.result, 4);
        ++done;
        return true;
    });
    EXPECT_EQ(done, 1U);
}

TYPED_TEST(Contract, SubmissionsComeBackWhenTheyAreTaken) {
    auto& ring = this->kernel_.ring();
    EXPECT_EQ(ring.sqe_room(), submissions);
    for (std::uint32_t i = 0; i < 10; ++i) {
        core::prepare_cancel(this->sqe(), {Operation::receive, i, 1}, {Operation::cancel, i, 1});
    }
    EXPECT_EQ(ring.sqe_room(), submissions - 10);
    EXPECT_EQ(this->submit(), 10);
    EXPECT_EQ(ring.sqe_room(), submissions);
    std::set<std::uint64_t> tokens;
    for (const Completion& completion : this->wait_for(10)) {
        EXPECT_EQ(completion.result, -ENOENT);
        tokens.insert(completion.user_data);
    }
    EXPECT_EQ(tokens.size(), 10U) << "each by its token";
}

TYPED_TEST(Contract, ACompletionThatIsNotTakenStays) {
    for (std::uint32_t i = 0; i < 3; ++i) {
        core::prepare_cancel(this->sqe(), {Operation::receive, i, 1}, {Operation::cancel, i, 1});
    }
    this->submit();
    this->kernel_.wait(0);
    auto& ring = this->kernel_.ring();
    std::vector<std::uint64_t> taken;
    const auto take_two = [&](const Completion& completion) {
        if (taken.size() == 2) {
            return false;
        }
        taken.push_back(completion.user_data);
        return true;
    };
    EXPECT_EQ(ring.drain(take_two), 2U);
    std::uint64_t last = 0;
    EXPECT_EQ(ring.drain([&](const Completion& completion) {
        last = completion.user_data;
        return true;
    }),
              1U);
    EXPECT_EQ(std::ranges::count(taken, last), 0);
}

// ---- messages between rings: only of the real kernel, since a simulated server has one worker ---

TEST(RealRing, AMessageArrivesWithItsTokenAndSaysNothingHere) {
    RealKernel target;
    auto source = std::move(*core::Ring::open({.entries = 8, .completion_entries = 16}));
    ASSERT_TRUE(source->enable());
    const Token token{Operation::handed_over, 5, 6};
    core::prepare_message(source->take_sqe(), target.ring().descriptor(), 77, token,
                          {Operation::hand_over, 77, 0});
    covered[false].insert(IORING_OP_MSG_RING);
    EXPECT_EQ(source->submit_and_wait(0), 0);
    unsigned here = 0;
    source->submit_and_wait(50);
    source->drain([&](const Completion&) {
        ++here;
        return true;
    });
    EXPECT_EQ(here, 0U) << "only a failure is told";
    target.wait(10'000);
    std::vector<Completion> there;
    target.ring().drain([&](const Completion& completion) {
        there.push_back(completion);
        return true;
    });
    ASSERT_EQ(there.size(), 1U);
    EXPECT_EQ(there.front().user_data, core::pack(token));
    EXPECT_EQ(there.front().result, 77);
}

TEST(RealRing, AMessageThatCannotBePostedIsTold) {
    auto source = std::move(*core::Ring::open({.entries = 8, .completion_entries = 16}));
    ASSERT_TRUE(source->enable());
    const Token token{Operation::hand_over, 77, 3};
    core::prepare_message(source->take_sqe(), 0, 77, {Operation::handed_over, 0, 0}, token);
    source->submit_and_wait(10'000);
    std::vector<Completion> here;
    source->drain([&](const Completion& completion) {
        here.push_back(completion);
        return true;
    });
    ASSERT_EQ(here.size(), 1U);
    EXPECT_LT(here.front().result, 0);
    EXPECT_EQ(here.front().user_data, core::pack(token));
}

TEST(RealRing, TheKernelKeepsAsMuchUnsentAsItIsTold) {
    RealKernel kernel;
    const std::size_t client = kernel.connect();
    core::prepare_accept_one(kernel.ring().take_sqe(), kernel.listener(),
                             {Operation::accept, 0, 0});
    kernel.wait(10'000);
    int socket = -1;
    kernel.ring().drain([&](const Completion& completion) {
        socket = completion.result;
        return true;
    });
    ASSERT_GE(socket, 0);
    const auto limit = [socket] {
        int bytes = 0;
        socklen_t size = sizeof bytes;
        EXPECT_EQ(::getsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &size), 0);
        return static_cast<core::Unsent>(bytes);
    };
    EXPECT_EQ(limit(), core::Unsent::usual) << "as it has it from its listener";
    kernel.ring().limit_unsent(socket, core::Unsent::large_file);
    EXPECT_EQ(limit(), core::Unsent::large_file);
    kernel.ring().limit_unsent(socket, core::Unsent::usual);
    EXPECT_EQ(limit(), core::Unsent::usual);
    kernel.leave(client);
    ::close(socket);
}

TEST(RealRing, WhatWeDoNotUseIsForbidden) {
    RealKernel kernel;
    io_uring_prep_fsync(&kernel.ring().take_sqe(), 0, 0);
    kernel.wait(10'000);
    std::vector<Completion> completions;
    kernel.ring().drain([&](const Completion& completion) {
        completions.push_back(completion);
        return true;
    });
    ASSERT_EQ(completions.size(), 1U);
    EXPECT_EQ(completions.front().result, -EACCES);
}

// Looks without bringing anything in.
std::size_t cached_pages(int file, std::uint64_t offset, std::uint64_t size) {
    constexpr std::uint64_t page = 4096;
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, static_cast<off_t>(offset));
    EXPECT_NE(memory, MAP_FAILED);
    std::vector<unsigned char> pages((size + page - 1) / page);
    EXPECT_EQ(::mincore(memory, size, pages.data()), 0);
    ::munmap(memory, size);
    return static_cast<std::size_t>(
        std::ranges::count_if(pages, [](unsigned char state) { return (state & 1U) != 0; }));
}

// Makes the kernel forget what it has cached of a file, which it may do later than it is asked to:
// what has just been written or read may still be in its hands.
void forget(int file, std::uint64_t offset, std::uint64_t size) {
    ASSERT_EQ(::fsync(file), 0);
    for (int i = 0; i < 1'000; ++i) {
        ASSERT_EQ(::posix_fadvise(file, static_cast<off_t>(offset), 0, POSIX_FADV_DONTNEED), 0);
        if (cached_pages(file, offset, size) == 0) {
            return;
        }
        ::usleep(10'000);
    }
    FAIL() << "the kernel keeps the file in its page cache";
}

// A file on a disk, and whom it is moved to.
class RealRingWithFile : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    }
    void TearDown() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    // Whether the file is not moved, times in sequence, once prepare has been called. Now and then
    // the disk answers before the answer is needed, and then there is nothing to wait for; so this
    // is tried again: not to look at all would never give it.
    template <class Prepare>
    bool is_left(int file, std::uint32_t size, unsigned times, Prepare prepare) {
        constexpr unsigned attempts = 20;
        for (unsigned attempt = 0; attempt < attempts; ++attempt) {
            prepare();
            unsigned left = 0;
            while (left < times && !kernel_.ring().move_file(ends_[0], file, 0, size)) {
                ++left;
                ::usleep(20'000);  // for the pages that the kernel reads meanwhile
            }
            if (left == times) {
                return true;
            }
            std::string moved(size, '\0');
            while (::recv(ends_[1], moved.data(), moved.size(), MSG_DONTWAIT) > 0) {
            }
        }
        return false;
    }

    RealKernel kernel_;
    std::array<int, 2> ends_{};
};

TEST_F(RealRingWithFile, WhatIsNotInThePageCacheIsToBeRead) {
    constexpr std::uint32_t size = 100'000;
    constexpr std::uint32_t half = 65'536;
    const int file = kernel_.open_file(1, size);
    EXPECT_TRUE(is_left(file, size, 1, [&] { forget(file, 0, size); }));
    // Nor is a part moved whose end is missing.
    EXPECT_TRUE(is_left(file, size, 1, [&] {
        std::string bytes(size, '\0');
        ASSERT_EQ(::pread(file, bytes.data(), size, 0), size);
        forget(file, half, size - half);
    }));
    EXPECT_EQ(kernel_.ring().move_file(ends_[0], file, 0, half / 2), half / 2);
    // What the kernel cannot move at all is read as well.
    EXPECT_FALSE(kernel_.ring().move_file(ends_[0], ends_[1], 0, 1).has_value());
}

// Looking brings single pages in; they must not be taken for the whole.
TEST_F(RealRingWithFile, LookingDoesNotMakeAFileSeemCached) {
    constexpr std::uint32_t size = 400'000;
    const int file = kernel_.open_file(1, size);
    EXPECT_TRUE(is_left(file, size, 4, [&] { forget(file, 0, size); }));
}

TEST(RealRing, CompletionsBeyondTheQueueAreKept) {
    auto ring = std::move(*core::Ring::open({.entries = 8, .completion_entries = 8}));
    ASSERT_TRUE(ring->enable());
    std::set<std::uint64_t> tokens;
    for (std::uint32_t i = 0; i < 40; ++i) {
        core::prepare_cancel(ring->take_sqe(), {Operation::receive, i, 1},
                             {Operation::cancel, i, 1});
        ring->submit();
    }
    for (int i = 0; i < 40 && tokens.size() < 40; ++i) {
        ring->submit_and_wait(0);
        ring->drain([&](const Completion& completion) {
            tokens.insert(completion.user_data);
            return true;
        });
    }
    EXPECT_EQ(tokens.size(), 40U);
}

/// Says what was covered, and fails when it is less than what we use. Runs after all others.
class Summary : public testing::Environment {
  public:
    void TearDown() override {
        if (testing::UnitTest::GetInstance()->test_to_run_count() !=
            testing::UnitTest::GetInstance()->total_test_count()) {
            return;  // only some were asked for
        }
        utsname name{};
        ::uname(&name);
        std::printf("Linux %s: %s\n", name.release, features().c_str());
        for (const bool simulated : {false, true}) {
            std::string text;
            for (const io_uring_op operation : core::used_operations) {
                const bool has = covered[simulated].contains(operation);
                const bool expected = !(simulated && operation == IORING_OP_MSG_RING);
                EXPECT_EQ(has, expected) << "operation " << static_cast<int>(operation);
                text += has ? " " + std::to_string(static_cast<int>(operation)) : "";
            }
            std::printf("operations covered on the %s kernel:%s\n",
                        simulated ? "simulated" : "real", text.c_str());
        }
    }

  private:
    static std::string features() {
        RealKernel kernel;
        return kernel.ring().features();
    }
};
const testing::Environment* const summary = testing::AddGlobalTestEnvironment(new Summary());

}  // namespace
}  // namespace enduring::contract
