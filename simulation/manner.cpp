#include "simulation/manner.hpp"

namespace enduring::simulation {

Manner draw_manner(Random& random) {
    Manner manner;
    const std::uint64_t kind = random.below(100);
    manner.read_delay_us = random.below(2'000);
    manner.think_us = random.pick<std::uint64_t>({0, 0, 1'000, 200'000, 3'000'000});
    if (kind < 30) {
        manner.depth = static_cast<std::uint32_t>(random.between(2, 100));
        manner.think_us = random.chance(800) ? 0 : manner.think_us;
    }
    if (random.chance(250)) {
        manner.write_piece = static_cast<std::uint32_t>(
            random.pick<std::uint64_t>({1, 7, 100, random.between(1, 2'000)}));
        // A request has some hundred bytes.
        manner.write_gap_us = random.below(
            manner.write_piece < 10 ? random.pick<std::uint64_t>({10, 3'000, 100'000})
                                    : random.pick<std::uint64_t>({10, 200'000, 3'000'000}));
    }
    if (random.chance(150)) {
        manner.read_piece = static_cast<std::uint32_t>(random.between(50, 4'000));
        manner.read_delay_us =
            random.below(random.pick<std::uint64_t>({5'000, 500'000, 5'000'000}));
    }
    const std::uint64_t end = random.below(100);
    if (end < 45) {
        manner.end = Manner::End::leaves;
    } else if (end < 60) {
        manner.end = Manner::End::finishes;
    } else if (end < 80) {
        manner.end = Manner::End::stays;
    } else if (end < 90) {
        manner.end = Manner::End::resets;
        manner.reset_us = random.below(random.pick<std::uint64_t>({5'000, 300'000, 6'000'000}));
    } else {
        manner.end = Manner::End::falls_silent;
        manner.silent_bytes = random.below(200);
    }
    manner.hostile = random.chance(120);
    manner.goes_on = random.chance(100);
    return manner;
}

}  // namespace enduring::simulation
