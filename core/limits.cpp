#include "core/limits.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

namespace enduring::core {

namespace {

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// Of a control group: cpu.max has both numbers in version 2, version 1 a file for each.
std::optional<double> read_quota(const std::string& group, bool is_version_2) {
    if (is_version_2) {
        const auto text = read_file(group + "/cpu.max");
        return text ? parse_cpu_max(*text) : std::nullopt;
    }
    auto quota = read_file(group + "/cpu.cfs_quota_us");
    const auto period = read_file(group + "/cpu.cfs_period_us");
    if (!quota || !period) {
        return std::nullopt;
    }
    quota->resize(std::min(quota->find('\n'), quota->size()));
    return parse_cpu_max(*quota + " " + *period);  // -1, which is no limit, is no number there
}

bool has_cpu(std::string_view controllers) {
    return ("," + std::string(controllers) + ",").contains(",cpu,");
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
    if (const auto groups = read_file("/proc/self/cgroup")) {
        processors.quota = find_quota(*groups, "/sys/fs/cgroup");
    }
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

std::optional<double> find_quota(const std::string& groups, const std::string& mount) {
    std::optional<double> strictest;
    std::istringstream lines(groups);
    std::string id;
    std::string controllers;
    std::string path;
    while (std::getline(lines, id, ':') && std::getline(lines, controllers, ':') &&
           std::getline(lines, path)) {
        const bool is_version_2 = id == "0" && controllers.empty();
        if (!is_version_2 && !has_cpu(controllers)) {
            continue;
        }
        const std::string root =
            is_version_2 ? mount : std::string(mount).append("/").append(controllers);
        // At the root, too: a container may see its own group there, under a path of the outside.
        for (;;) {
            if (const auto quota = read_quota(path == "/" ? root : root + path, is_version_2)) {
                strictest = strictest ? std::min(*strictest, *quota) : *quota;
            }
            if (path.empty() || path == "/") {
                break;
            }
            path.resize(std::min(path.rfind('/'), path.size() - 1));
        }
    }
    return strictest;
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
