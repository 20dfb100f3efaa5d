#include "core/limits.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace enduring::core {
namespace {

TEST(ParseCpuMax, GivesProcessorsWorthOfTime) {
    EXPECT_EQ(parse_cpu_max("100000 100000\n"), 1.0);
    EXPECT_EQ(parse_cpu_max("200000 100000"), 2.0);
    EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
    EXPECT_EQ(parse_cpu_max("50000 100000\n"), 0.5);
    EXPECT_EQ(parse_cpu_max("1000 1000000\n"), 0.001);
    EXPECT_EQ(parse_cpu_max("6400000 100000\n"), 64.0);
}

TEST(ParseCpuMax, GivesNothingWithoutALimitOrSense) {
    for (const std::string_view text :
         {"max 100000\n", "", "\n", "max", "100000", "100000\n", "100000 ", "100000 0\n",
          "100000 max\n", "-1 100000\n", "x 100000\n", "100000\t100000\n",
          "99999999999999999999999 100000\n", "100000 99999999999999999999999\n"}) {
        EXPECT_EQ(parse_cpu_max(text), std::nullopt) << text;
    }
}

// The text may end in the middle of a page without a null.
TEST(ParseCpuMax, ReadsNotBeyondTheText) {
    const std::vector<char> bytes{'1', '0', ' ', '1', '0'};
    EXPECT_EQ(parse_cpu_max({bytes.data(), 5}), 1.0);
    EXPECT_EQ(parse_cpu_max({bytes.data(), 4}), 10.0);
    EXPECT_EQ(parse_cpu_max({bytes.data(), 3}), std::nullopt);
    EXPECT_EQ(parse_cpu_max({bytes.data(), 2}), std::nullopt);
}

// Control groups as a system shows them, in files of our own.
class FindQuota : public testing::Test {
  protected:
    FindQuota() { std::filesystem::create_directories(mount_); }
    ~FindQuota() override { std::filesystem::remove_all(mount_); }

    void write(const std::string& file, std::string_view text) const {
        const std::filesystem::path path = mount_ + "/" + file;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    [[nodiscard]] std::optional<double> find(const std::string& groups) const {
        return find_quota(groups, mount_);
    }

  private:
    std::string mount_ = testing::TempDir() + "enduring-cgroup-" + std::to_string(getpid());
};

TEST_F(FindQuota, OfTheGroupAsAContainerSeesIt) {
    write("cpu.max", "50000 100000\n");
    EXPECT_EQ(find("0::/\n"), 0.5);
    EXPECT_EQ(find("0::/system.slice/seen-from-outside.scope\n"), 0.5);
    EXPECT_EQ(find("0::/../beside\n"), 0.5);
}

TEST_F(FindQuota, IsTheStrictestUpToTheRoot) {
    write("slice/one/cpu.max", "300000 100000\n");
    write("slice/cpu.max", "150000 100000\n");
    write("slice/free/cpu.max", "max 100000\n");
    EXPECT_EQ(find("0::/slice/one\n"), 1.5);
    EXPECT_EQ(find("0::/slice/free\n"), 1.5);
    write("slice/one/cpu.max", "50000 100000\n");
    EXPECT_EQ(find("0::/slice/one\n"), 0.5);
    EXPECT_EQ(find("0::/another\n"), std::nullopt);
}

TEST_F(FindQuota, OfVersion1) {
    write("cpu/cpu.cfs_quota_us", "-1\n");
    write("cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(find("2:cpu:/\n0::/\n"), std::nullopt);
    write("cpu/one/cpu.cfs_quota_us", "50000\n");
    EXPECT_EQ(find("2:cpu:/one\n0::/\n"), std::nullopt);  // without a period
    write("cpu/one/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(find("3:cpuset:/\n2:cpu:/one\n1:name=systemd:/one\n0::/\n"), 0.5);
    EXPECT_EQ(find("3:cpuset:/one\n2:cpu:/\n0::/one\n"), std::nullopt);

    write("cpu,cpuacct/cpu.cfs_quota_us", "200000");
    write("cpu,cpuacct/cpu.cfs_period_us", "100000");
    EXPECT_EQ(find("4:cpu,cpuacct:/docker/one\n"), 2.0);
    EXPECT_EQ(find("4:cpuacct,cpuset:/docker/one\n"), std::nullopt);
}

TEST_F(FindQuota, GivesNothingWithoutSense) {
    write("cpu.max", "50000 100000\n");
    for (const char* groups : {"", "\n", ":", "::", "0:", "0", "0::", "x", "1::/\n", "a:b:c:d"}) {
        EXPECT_EQ(find(groups), std::nullopt) << groups;
    }
    EXPECT_EQ(find("0::relative\n"), 0.5);
}

TEST(Processors, OneWorkerForEachButNotMoreThanTheQuota) {
    const struct {
        unsigned affine;
        std::optional<double> quota;
        unsigned workers;
    } rows[]{
        {1, std::nullopt, 1}, {8, std::nullopt, 8}, {8, 2.0, 2}, {8, 2.9, 2},
        {8, 3.0, 3},          {8, 16.0, 8},         {8, 0.5, 1}, {8, 0.0, 1},
        {2, 1.99, 1},         {0, std::nullopt, 1}, {0, 4.0, 1}, {8, 1e30, 8},
    };
    for (const auto& row : rows) {
        EXPECT_EQ((Processors{row.affine, row.quota}.workers()), row.workers)
            << row.affine << " " << row.quota.value_or(-1);
    }
}

cpu_set_t allowed_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

TEST(Processors, AreThoseThatTheThreadMayUse) {
    const cpu_set_t set = allowed_processors();
    EXPECT_EQ(find_processors().affine, static_cast<unsigned>(CPU_COUNT(&set)));
    EXPECT_GE(find_processors().workers(), 1U);
    std::thread([] {
        pin_to_processor(0);
        EXPECT_EQ(find_processors().affine, 1U);
    }).join();
}

TEST(Processors, PinsEachIndexToOneAndGoesRound) {
    const cpu_set_t before = allowed_processors();
    std::vector<int> processors;
    for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (CPU_ISSET(processor, &before)) {
            processors.push_back(processor);
        }
    }
    for (unsigned index = 0; index < processors.size() + 2; ++index) {
        std::thread([&, index] {
            pin_to_processor(index);
            const cpu_set_t after = allowed_processors();
            EXPECT_EQ(CPU_COUNT(&after), 1);
            EXPECT_TRUE(CPU_ISSET(processors[index % processors.size()], &after));
        }).join();
    }
}

TEST(DescriptorLimit, IsRaisedToTheHardOne) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit lowered{before.rlim_max / 2, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lowered), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    rlimit after{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQ(after.rlim_cur, before.rlim_max);
    EXPECT_EQ(after.rlim_max, before.rlim_max);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace enduring::core
