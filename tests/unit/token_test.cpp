#include "core/token.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>

namespace enduring::core {
namespace {

constexpr std::array operations{
    Operation::accept,        Operation::receive,     Operation::send,      Operation::read_file,
    Operation::send_file,     Operation::await_room,  Operation::cancel,    Operation::close,
    Operation::cancel_accept, Operation::close_other, Operation::hand_over, Operation::handed_over,
    Operation::command};

TEST(Token, ComesBackAsItWent) {
    for (const Operation operation : operations) {
        for (const std::uint32_t slot : {0U, 1U, 255U, 256U, 0x12'3456U, slot_limit - 1}) {
            for (const std::uint32_t generation : {0U, 1U, 0x8000'0000U, 0xffff'ffffU}) {
                const Token token{operation, slot, generation};
                EXPECT_EQ(unpack(pack(token)), token);
            }
        }
    }
}

TEST(Token, HasItsPartsWhereTheHeaderSays) {
    constexpr Token token{Operation::accept, 0xab'cdef, 0x1234'5678};
    static_assert(pack(token) == 0x1234'5678'abcd'ef01);
    static_assert(unpack(0x1234'5678'abcd'ef01) == token);
}

TEST(Token, ASlotThatIsTooLargeDoesNotReachTheGeneration) {
    EXPECT_EQ(unpack(pack({Operation::send, slot_limit + 5, 6})), (Token{Operation::send, 5, 6}));
}

TEST(Token, DiffersInEveryPart) {
    std::set<std::uint64_t> packed;
    for (const Operation operation : operations) {
        for (const std::uint32_t slot : {0U, 1U, slot_limit - 1}) {
            for (const std::uint32_t generation : {0U, 1U, 0xffff'ffffU}) {
                packed.insert(pack({operation, slot, generation}));
            }
        }
    }
    EXPECT_EQ(packed.size(), operations.size() * 9);
}

// A submission that was never prepared has user_data 0: no operation may look like that.
TEST(Token, IsNeverZero) {
    for (const Operation operation : operations) {
        EXPECT_NE(pack({operation, 0, 0}), 0U);
    }
}

}  // namespace
}  // namespace enduring::core
