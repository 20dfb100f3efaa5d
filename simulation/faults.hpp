// How often each kind of fault happens in one run. Which are switched on is drawn for each run
// (swarm testing): with all at once some states are never reached.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "simulation/fault.hpp"
#include "simulation/random.hpp"

namespace enduring::simulation {

/// Sets of faults, a bit each.
using FaultSet = std::uint32_t;
[[nodiscard]] constexpr FaultSet bit_of(Fault fault) noexcept {
    return FaultSet{1} << static_cast<unsigned>(fault);
}

/// Not thread-safe; one for each run.
class Faults {
  public:
    Faults(std::uint64_t seed, FaultSet never);

    /// It happens at all in this run.
    [[nodiscard]] bool on(Fault fault) const noexcept { return rate(fault) != 0; }
    /// It happens now.
    [[nodiscard]] bool draw(Fault fault) noexcept {
        return rate(fault) != 0 && random_.below(1000) < rate(fault);
    }
    /// For the details of what happens.
    [[nodiscard]] Random& random() noexcept { return random_; }

  private:
    [[nodiscard]] std::uint16_t rate(Fault fault) const noexcept {
        return rates_[static_cast<std::size_t>(fault)];
    }

    Random random_;
    std::array<std::uint16_t, fault_count> rates_{};  // in 1000
};

}  // namespace enduring::simulation
