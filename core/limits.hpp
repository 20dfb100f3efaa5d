// What the system lets this process have: descriptors and processors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace enduring::core {

/// Raises the soft limit of open descriptors to the hard one and gives what is in force.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

struct Processors {
    unsigned affine = 1;            ///< processors that this process may run on
    std::optional<double> quota{};  ///< processors' worth of time that its control group may use

    /// Workers for that: one for each processor, but not more than the quota keeps busy; at least
    /// one. Part of a processor does not count, since a worker that is throttled delays its
    /// connections.
    [[nodiscard]] unsigned workers() const noexcept;
};
[[nodiscard]] Processors find_processors();

/// The strictest limit of a process's control group and of those above it, in version 2 and
/// version 1, cgroups(7): `groups` is what its /proc/PID/cgroup says, `mount` is /sys/fs/cgroup.
[[nodiscard]] std::optional<double> find_quota(const std::string& groups, const std::string& mount);

/// The processors' worth of time in a control group's cpu.max ("MAX PERIOD", "max PERIOD"); nothing
/// if it sets no limit.
[[nodiscard]] std::optional<double> parse_cpu_max(std::string_view text);

/// Lets the calling thread run only on the index-th processor of those it may run on.
void pin_to_processor(unsigned index);

}  // namespace enduring::core
