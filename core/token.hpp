// The 64 bits that travel with every submission and come back with its completion: which operation,
// on which slot, in which life of that slot. Pure; it knows nothing of what the slots hold.
#pragma once

#include <cstdint>

namespace enduring::core {

/// What was submitted. One value for each kind of completion that the loop tells apart.
enum class Operation : std::uint8_t {
    accept = 1,     ///< slot: index of the listener
    receive,        ///< slot: connection
    send,           ///< slot: connection
    read_file,      ///< slot: connection
    send_file,      ///< slot: connection; it was done before it was submitted
    await_room,     ///< slot: connection; its socket becomes writable
    cancel,         ///< slot: connection
    close,          ///< slot: connection
    cancel_accept,  ///< slot: index of the listener
    close_other,    ///< a descriptor that has no slot
    hand_over,      ///< a message to another worker failed; slot: the descriptor that was to go
    handed_over,    ///< a message from another worker; result: the descriptor
    command,        ///< a message from the server; result: core::Command
};

/// Slots are numbered below this (24 bits).
inline constexpr std::uint32_t slot_limit = 1U << 24;

struct Token {
    Operation operation;
    std::uint32_t slot;
    std::uint32_t generation;

    friend bool operator==(const Token&, const Token&) = default;
};

/// operation: bits 0–7, slot: bits 8–31, generation: bits 32–63.
constexpr std::uint64_t pack(Token token) noexcept {
    return static_cast<std::uint64_t>(token.operation) |
           static_cast<std::uint64_t>(token.slot & (slot_limit - 1)) << 8 |
           static_cast<std::uint64_t>(token.generation) << 32;
}

constexpr Token unpack(std::uint64_t user_data) noexcept {
    return Token{static_cast<Operation>(user_data & 0xff),
                 static_cast<std::uint32_t>(user_data >> 8) & (slot_limit - 1),
                 static_cast<std::uint32_t>(user_data >> 32)};
}

}  // namespace enduring::core
