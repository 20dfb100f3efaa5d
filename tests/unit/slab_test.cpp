#include "core/slab.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace enduring::core {
namespace {

/// Counts itself, so that no object is destroyed twice or forgotten.
class Counted {
  public:
    explicit Counted(int& living, int value = 0) : living_(&living), value_(value) { ++*living_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*living_; }
    [[nodiscard]] int value() const { return value_; }

  private:
    int* living_;
    int value_;
};

TEST(Slab, BuildsAndDestroysInPlace) {
    int living = 0;
    Slab<Counted> slab(2);
    EXPECT_EQ(slab.live(), 0U);
    EXPECT_EQ(slab.touched(), 0U);
    EXPECT_EQ(slab.capacity(), 2U);
    const std::uint32_t slot = slab.acquire(living, 42);
    EXPECT_EQ(living, 1);
    EXPECT_EQ(slab.at(slot).value(), 42);
    EXPECT_TRUE(slab.is_live(slot));
    EXPECT_EQ(slab.live(), 1U);
    slab.release(slot);
    EXPECT_EQ(living, 0);
    EXPECT_FALSE(slab.is_live(slot));
    EXPECT_EQ(slab.live(), 0U);
    EXPECT_EQ(slab.touched(), 1U) << "the slot stays touched";
}

TEST(Slab, TakesWhatTheConstructorTakes) {
    Slab<std::unique_ptr<std::string>> slab(1);
    auto value = std::make_unique<std::string>("moved");
    const std::uint32_t slot = slab.acquire(std::move(value));
    EXPECT_EQ(*slab.at(slot), "moved");
}

TEST(Slab, DestroysWhatIsLeft) {
    int living = 0;
    {
        Slab<Counted> slab(4);
        slab.acquire(living);
        const std::uint32_t gone = slab.acquire(living);
        slab.acquire(living);
        slab.release(gone);
        EXPECT_EQ(living, 2);
    }
    EXPECT_EQ(living, 0);
}

TEST(Slab, ATokenOfAnEarlierLifeFindsNothing) {
    Slab<int> slab(1);
    const std::uint32_t slot = slab.acquire(1);
    const std::uint32_t first_life = slab.generation(slot);
    EXPECT_EQ(*slab.find(slot, first_life), 1);
    EXPECT_EQ(slab.find(slot, first_life + 1), nullptr);
    slab.release(slot);
    EXPECT_EQ(slab.find(slot, first_life), nullptr);
    EXPECT_EQ(slab.find(slot, slab.generation(slot)), nullptr) << "nobody lives there now";
    ASSERT_EQ(slab.acquire(2), slot);
    EXPECT_EQ(slab.find(slot, first_life), nullptr);
    EXPECT_EQ(*slab.find(slot, slab.generation(slot)), 2);
    EXPECT_NE(slab.generation(slot), first_life);
}

TEST(Slab, WhatWasNeverUsedIsNotFound) {
    Slab<int> slab(8);
    slab.acquire(1);
    EXPECT_EQ(slab.find(1, 0), nullptr);
    EXPECT_EQ(slab.find(7, 0), nullptr);
    EXPECT_EQ(slab.find(8, 0), nullptr);
    EXPECT_EQ(slab.find(~0U, 0), nullptr);
    EXPECT_FALSE(slab.is_live(1));
    EXPECT_FALSE(slab.is_live(~0U));
}

TEST(Slab, TheLastFreedIsTheFirstUsedAgain) {
    Slab<int> slab(8);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(slab.acquire(i), static_cast<std::uint32_t>(i));
    }
    slab.release(1);
    slab.release(3);
    slab.release(0);
    EXPECT_EQ(slab.acquire(0), 0U);
    EXPECT_EQ(slab.acquire(0), 3U);
    EXPECT_EQ(slab.acquire(0), 1U);
    EXPECT_EQ(slab.acquire(0), 4U) << "only then a slot that was never used";
    EXPECT_EQ(slab.touched(), 5U);
}

TEST(Slab, IsFullAtItsCapacity) {
    Slab<int> slab(2);
    slab.acquire(1);
    EXPECT_FALSE(slab.full());
    const std::uint32_t second = slab.acquire(2);
    EXPECT_TRUE(slab.full());
    slab.release(second);
    EXPECT_FALSE(slab.full());
}

TEST(Slab, RespectsAlignment) {
    struct alignas(128) Wide {
        char bytes[3];
    };
    Slab<Wide> slab(4);
    for (int i = 0; i < 4; ++i) {
        const auto address = reinterpret_cast<std::uintptr_t>(&slab.at(slab.acquire()));
        EXPECT_EQ(address % 128, 0U);
    }
}

TEST(Slab, ManyLivesAtRandom) {
    std::mt19937 random(1);
    int living = 0;
    constexpr std::uint32_t capacity = 50;
    Slab<Counted> slab(capacity);
    struct Life {
        std::uint32_t generation;
        int value;
        const Counted* address;
    };
    std::map<std::uint32_t, Life> lives;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> dead;
    for (int round = 0; round < 20'000; ++round) {
        ASSERT_EQ(slab.live(), lives.size());
        ASSERT_EQ(living, static_cast<int>(lives.size()));
        ASSERT_EQ(slab.full(), lives.size() == capacity);
        if (!slab.full() && (lives.empty() || random() % 2 == 0)) {
            const std::uint32_t slot = slab.acquire(living, round);
            ASSERT_LT(slot, capacity);
            ASSERT_FALSE(lives.contains(slot)) << "given out twice";
            lives[slot] = {slab.generation(slot), round, &slab.at(slot)};
        } else {
            auto victim = lives.begin();
            std::advance(victim, random() % lives.size());
            dead.emplace_back(victim->first, victim->second.generation);
            slab.release(victim->first);
            lives.erase(victim);
        }
        for (const auto& [slot, life] : lives) {
            const Counted* found = slab.find(slot, life.generation);
            ASSERT_EQ(found, life.address) << "addresses are stable";
            ASSERT_EQ(found->value(), life.value);
        }
        if (!dead.empty()) {
            const auto [slot, generation] = dead[random() % dead.size()];
            ASSERT_EQ(slab.find(slot, generation), nullptr);
        }
    }
}

TEST(SlabDeathTest, MisuseIsABug) {
    Slab<int> slab(1);
    EXPECT_DEATH(slab.release(0), "slot released twice");
    EXPECT_DEATH(static_cast<void>(slab.at(0)), "slot is not live");
    slab.acquire(1);
    EXPECT_DEATH(slab.acquire(2), "slab is full");
    slab.release(0);
    EXPECT_DEATH(slab.release(0), "slot released twice");
    EXPECT_DEATH(static_cast<void>(slab.at(0)), "slot is not live");
}

TEST(SlabDeathTest, TheCapacityMustFitIntoATokensSlot) {
    EXPECT_DEATH(Slab<char>(0), "capacity out of range");
    EXPECT_DEATH(Slab<char>(slot_limit + 1), "capacity out of range");
}

}  // namespace
}  // namespace enduring::core
