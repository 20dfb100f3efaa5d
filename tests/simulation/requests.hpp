// What clients ask of the routes of this directory: drawn from the seed.
#pragma once

#include <vector>

#include "simulation/exchange.hpp"
#include "simulation/manner.hpp"
#include "simulation/plan.hpp"
#include "simulation/random.hpp"

namespace enduring::simulation {

/// All requests of a client that has these manners.
[[nodiscard]] std::vector<Exchange> make_exchanges(Random& random, const Plan& plan,
                                                   const Manner& manner);

}  // namespace enduring::simulation
