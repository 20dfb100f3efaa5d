// How a client behaves, whatever it asks for.
#pragma once

#include <cstdint>

#include "simulation/random.hpp"

namespace enduring::simulation {

struct Manner {
    /// What it does when it has sent all.
    enum class End : std::uint8_t {
        leaves,       ///< closes when it has its answers
        finishes,     ///< closes its sending side with the last request
        stays,        ///< waits for the server to close
        resets,       ///< at some moment
        falls_silent  ///< in the middle of a request
    };

    std::uint32_t depth = 1;              ///< requests that may be unanswered
    std::uint32_t write_piece = 0;        ///< bytes at a time; 0: all
    std::uint64_t write_gap_us = 0;       ///< between pieces
    std::uint32_t read_piece = 0;         ///< bytes at a time; 0: all
    std::uint64_t read_delay_us = 1'000;  ///< before it reads, and between pieces
    std::uint64_t think_us = 0;           ///< between an answer and the next request
    std::uint64_t reset_us = 0;           ///< after the connect
    std::uint64_t silent_bytes = 0;  ///< of the last request that are sent, before it is silent
    End end = End::leaves;
    bool hostile = false;
    bool goes_on = false;  ///< sends on when the server has said that it closes

    /// It reads so slowly that time-outs and rates may be about it.
    [[nodiscard]] bool reads_slowly() const noexcept { return read_piece != 0; }
};

[[nodiscard]] Manner draw_manner(Random& random);

}  // namespace enduring::simulation
