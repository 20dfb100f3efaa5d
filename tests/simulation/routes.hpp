// What the project's own runs are about: a server that gives contents of a number and size that the
// request names, in every way that a handler can give them, and clients that ask for them.
#pragma once

#include <memory>

#include "simulation/workload.hpp"

namespace enduring::simulation {

[[nodiscard]] std::unique_ptr<Workload> make_routes(Site& site);

}  // namespace enduring::simulation
