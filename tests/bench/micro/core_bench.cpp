// What the loop does with each connection besides the session: its slot, its timer, its output.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/block_pool.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "core/slab.hpp"
#include "core/timer_wheel.hpp"

namespace enduring::core {
namespace {

constexpr std::uint32_t slots = 16'384;

void slab_find(benchmark::State& state) {
    Slab<Lifecycle> slab(slots);
    for (std::uint32_t i = 0; i < slots; ++i) {
        slab.acquire();
    }
    std::uint32_t slot = 0;
    for (auto _ : state) {
        slot = (slot + 7919) % slots;
        benchmark::DoNotOptimize(slab.find(slot, 0));
    }
}
BENCHMARK(slab_find);

void slab_acquire_release(benchmark::State& state) {
    Slab<Lifecycle> slab(slots);
    for (auto _ : state) {
        slab.release(slab.acquire());
    }
}
BENCHMARK(slab_acquire_release);

void wheel_set(benchmark::State& state) {
    TimerWheel wheel(slots, 0);
    std::uint64_t now_ms = 0;
    std::uint32_t slot = 0;
    for (auto _ : state) {
        slot = (slot + 7919) % slots;
        wheel.set(slot, ++now_ms + 75'000);
    }
}
BENCHMARK(wheel_set);

// Each timer is set, and expires after its time.
void wheel_expire(benchmark::State& state) {
    TimerWheel wheel(slots, 0);
    std::uint64_t now_ms = 0;
    std::vector<std::uint32_t> due;
    due.reserve(slots);
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
        wheel.set(slot, slot);
    }
    for (auto _ : state) {
        wheel.expire(++now_ms, [&](std::uint32_t slot) { due.push_back(slot); });
        for (const std::uint32_t slot : due) {
            wheel.set(slot, now_ms + slots);
        }
        due.clear();
    }
}
BENCHMARK(wheel_expire);

void queue_append_consume(benchmark::State& state) {
    BlockPool pool;
    SendQueue queue;
    const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
    std::array<Slice, 8> slices;
    for (auto _ : state) {
        queue.append(bytes, pool);
        benchmark::DoNotOptimize(queue.gather(slices));
        queue.consume(bytes.size(), pool);
    }
}
BENCHMARK(queue_append_consume)->Arg(130)->Arg(20'000);

// A request comes, its answer is sent, and the connection is idle again.
void lifecycle_exchange(benchmark::State& state) {
    const TimeLimits limits;
    Lifecycle lifecycle;
    static_cast<void>(lifecycle.step(events::accepted(0), 1, limits));
    Progress progress;
    progress.need = Need::request;
    progress.new_message = true;
    std::uint64_t now_ms = 1;
    for (auto _ : state) {
        ++now_ms;
        static_cast<void>(lifecycle.step(events::progressed(progress, true, 50), now_ms, limits));
        benchmark::DoNotOptimize(lifecycle.step(events::sent(false, 130), now_ms, limits));
    }
}
BENCHMARK(lifecycle_exchange);

}  // namespace
}  // namespace enduring::core
