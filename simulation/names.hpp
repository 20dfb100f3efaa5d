// Words for a history: what a token, a result or an operation is called.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "core/format.hpp"
#include "core/token.hpp"

namespace enduring::simulation {

inline std::string error_name(int error) {
    const char* name = strerrorname_np(error);
    return name != nullptr ? name : core::formatted("error {}", error);
}

inline std::string result_text(std::int32_t result) {
    return result < 0 ? error_name(-result) : core::formatted("{}", result);
}

inline const char* name_of(core::Operation operation) {
    switch (operation) {
        case core::Operation::accept:
            return "accept";
        case core::Operation::receive:
            return "receive";
        case core::Operation::send:
            return "send";
        case core::Operation::read_file:
            return "read_file";
        case core::Operation::send_file:
            return "send_file";
        case core::Operation::await_room:
            return "await_room";
        case core::Operation::cancel:
            return "cancel";
        case core::Operation::close:
            return "close";
        case core::Operation::cancel_accept:
            return "cancel_accept";
        case core::Operation::close_other:
            return "close_other";
        case core::Operation::hand_over:
            return "hand_over";
        case core::Operation::handed_over:
            return "handed_over";
        case core::Operation::command:
            return "command";
        default:
            return "operation";
    }
}

inline std::string text_of(std::uint64_t user_data) {
    const core::Token token = core::unpack(user_data);
    return core::formatted("{} {}/{}", name_of(token.operation), token.slot, token.generation);
}

}  // namespace enduring::simulation
