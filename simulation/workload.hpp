// What a run is about: what the server serves, and what its clients ask for. The kernel, the
// clients' manners and the judge are the same for all workloads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "http/router.hpp"
#include "simulation/exchange.hpp"
#include "simulation/manner.hpp"
#include "simulation/plan.hpp"
#include "simulation/random.hpp"

namespace enduring::simulation {

/// What handlers may ask of the run that they belong to. Valid as long as their workload.
class Site {
  public:
    /// Calls the function after so long, between two turns of the server, as other work of its
    /// thread would. It is destroyed uncalled if the server ends before.
    virtual void later(std::uint64_t delay_ms, std::move_only_function<void()> function) = 0;
    /// Opens a file of the simulated kernel. The content must last as long as the run.
    virtual int open_file(std::string_view content) = 0;
    virtual void close_file(int descriptor) = 0;

  protected:
    ~Site() = default;
};

/// Made for one run, and destroyed when its server has ended. Not thread-safe.
class Workload {
  public:
    virtual ~Workload() = default;

    /// The same for all of the run.
    [[nodiscard]] virtual const http::Router& router() const = 0;
    /// The requests of a client, in their order. Its manners may be made to suit them.
    [[nodiscard]] virtual std::vector<Exchange> make_exchanges(Random& random, const Plan& plan,
                                                               Manner& manner) = 0;
    /// Changes what has been drawn, before anything begins.
    virtual void adjust(Plan& /*plan*/) const {}

    /// What handlers may do.
    struct Freedoms {
        /// Coroutines may go on after their answers, though not for ever.
        bool to_go_on = false;
        /// To keep responders until the workload is destroyed.
        bool to_keep_responders = false;
        /// To end with exceptions.
        bool to_throw = false;
    };
    [[nodiscard]] virtual Freedoms freedoms() const noexcept { return {}; }
};

using MakeWorkload = std::function<std::unique_ptr<Workload>(Site& site)>;

}  // namespace enduring::simulation
