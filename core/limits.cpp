#include "core/limits.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

namespace enduring::core {

namespace {

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// The strictest limit from the process's control group up to the root: version 2, cgroups(7).
std::optional<double> find_quota() {
    const std::optional<std::string> groups = read_file("/proc/self/cgroup");
    if (!groups) {
        return std::nullopt;
    }
    const std::size_t entry = groups->find("0::");
    if (entry == std::string::npos) {
        return std::nullopt;
    }
    std::string path = groups->substr(entry + 3, groups->find('\n', entry) - entry - 3);
    std::optional<double> strictest;
    for (;;) {
        const auto text = read_file("/sys/fs/cgroup" + (path == "/" ? "" : path) + "/cpu.max");
        if (const auto quota = text ? parse_cpu_max(*text) : std::nullopt) {
            strictest = strictest ? std::min(*strictest, *quota) : *quota;
        }
        if (path.empty() || path == "/") {
            return strictest;
        }
        path.resize(path.rfind('/'));
    }
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    rlimit raised{limit.rlim_max, limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

unsigned Processors::workers() const noexcept {
    const unsigned by_quota =
        quota ? static_cast<unsigned>(std::clamp(*quota, 1.0, 4096.0)) : affine;
    return std::max(1U, std::min(affine, by_quota));
}

Processors find_processors() {
    Processors processors;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        processors.affine = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
    }
    processors.quota = find_quota();
    return processors;
}

std::optional<double> parse_cpu_max(std::string_view text) {
    const char* const end = text.data() + text.size();
    std::uint64_t quota = 0;
    const auto first = std::from_chars(text.data(), end, quota);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') {
        return std::nullopt;
    }
    std::uint64_t period = 0;
    const auto second = std::from_chars(first.ptr + 1, end, period);
    if (second.ec != std::errc() || period == 0) {
        return std::nullopt;
    }
    return static_cast<double>(quota) / static_cast<double>(period);
}

void pin_to_processor(unsigned index) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    const auto count = static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
    unsigned seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed) && seen++ == index % count) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

}  // namespace enduring::core
