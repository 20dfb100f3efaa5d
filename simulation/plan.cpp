#include "simulation/plan.hpp"

#include <algorithm>
#include <cstdio>

#include "core/format.hpp"

namespace enduring::simulation {

namespace {

constexpr std::uint64_t plan_stream = 3;

void draw_times(core::TimeLimits& times, Random& random) {
    times.keepalive_timeout_ms = random.pick<std::uint64_t>({1'000, 3'000, 15'000, 75'000});
    times.header_timeout_ms = random.pick<std::uint64_t>({1'500, 5'000, 10'000});
    times.body_timeout_ms = random.pick<std::uint64_t>({2'000, 6'000, 30'000});
    times.handler_timeout_ms = random.pick<std::uint64_t>({0, 2'000, 5'000});
    times.write_timeout_ms = random.pick<std::uint64_t>({2'000, 10'000, 60'000});
    times.linger_timeout_ms = random.pick<std::uint64_t>({500, 2'000});
    times.linger_max_ms = random.pick<std::uint64_t>({2'000, 30'000});
    times.connection_max_age_ms = random.pick<std::uint64_t>({0, 4'000, 3'600'000});
    times.body_bytes_per_s_min = random.pick<std::uint64_t>({0, 240, 240, 2'000});
    times.write_bytes_per_s_min = random.pick<std::uint64_t>({0, 0, 200, 5'000});
}

void draw_limits(http::Limits& limits, Random& random) {
    limits.pipelined_max = random.pick<std::uint32_t>({1, 3, 64});
    limits.output_bytes_max = random.pick<std::uint64_t>({1'000, 8'000, 65'536});
    limits.held_bytes_max = random.pick<std::uint64_t>({200, 2'000, 16'384});
    limits.requests_max = random.pick<std::uint32_t>({0, 1, 4, 1'000});
    limits.keepalive_field = random.chance(300);
    limits.content_bytes_max = random.pick<std::uint64_t>({6'000, 1'048'576});
    limits.discard_bytes_max = random.pick<std::uint64_t>({300, 65'536});
}

void draw_stops(Plan& plan, Random& random) {
    const std::uint64_t count = random.between(1, 4);
    std::uint64_t at_us = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        at_us += 1 + random.below(random.pick<std::uint64_t>({5'000, 500'000, 8'000'000}));
        const std::uint64_t length_us =
            1'000 * random.between(1, random.pick<std::uint64_t>({40, 3'000, 20'000, 100'000}));
        plan.ring.stops.push_back({at_us, length_us});
        at_us += length_us;
        plan.stopped_us += length_us;
    }
}

}  // namespace

Plan::Plan(std::uint64_t seed_of_run, const Cuts& what_is_cut, Faults& faults)
    : seed(seed_of_run), cuts(what_is_cut) {
    Random random(seed, plan_stream);
    draw_times(times, random);
    draw_limits(limits, random);
    buffer_bytes = random.pick<std::uint32_t>({64, 256, 1'024, 4'096});
    buffers = faults.on(Fault::few_buffers) ? random.pick<std::uint32_t>({1, 2, 4})
                                            : random.pick<std::uint32_t>({16, 64});
    ring.submissions =
        faults.on(Fault::few_submissions) ? random.pick<std::uint32_t>({16, 32}) : 256;
    ring.completions =
        faults.on(Fault::few_completions) ? random.pick<std::uint32_t>({2, 8, 32}) : 1'024;
    ring.lateness_us_max = random.pick<std::uint64_t>({100, 3'000, 30'000});
    clients = static_cast<std::uint32_t>(random.between(2, clients_most));
    arrival_us_max = random.pick<std::uint64_t>({1'000, 200'000, 5'000'000});
    connections_max =
        random.chance(250) ? static_cast<std::uint32_t>(random.between(1, clients)) : 64;
    peer_connections_max =
        random.chance(100) ? static_cast<std::uint32_t>(random.between(1, 3)) : 0;
    backlog = random.pick<std::uint32_t>({2, 16});
    listeners = random.chance(150) ? 2 : 1;
    for (const Fault fault : {Fault::send_failed, Fault::false_room, Fault::busy, Fault::late,
                              Fault::file_slow, Fault::slow_turns}) {
        sends_are_refused = sends_are_refused || faults.on(fault);
    }
    respect_faults();
    drain_delay_ms = random.chance(100) ? 500 : 0;
    drain_timeout_ms = random.pick<std::uint64_t>({500, 5'000, 30'000});
    if (random.chance(300)) {
        drain_at_us = 1 + random.below(random.pick<std::uint64_t>({50'000, 2'000'000, 20'000'000}));
        if (random.chance(300)) {
            second_drain_at_us = drain_at_us + random.below(3'000'000);
        }
    }
    if (faults.on(Fault::clock_edge)) {
        ring.clock_base_ms = random.pick<std::uint64_t>(
            {0, 1, 7, (1ULL << 31) - 3, (1ULL << 32) - 1'000, (1ULL << 40) - 1, (1ULL << 52)});
    } else {
        ring.clock_base_ms = 1'000'000;
    }
    if (faults.on(Fault::stop)) {
        draw_stops(*this, random);
    }
    evicts = connections_max < clients || faults.on(Fault::scarcity);
    chunks_max = random.chance(300) ? static_cast<std::uint32_t>(random.between(1, 2)) : 64;
}

void Plan::respect_faults() {
    if (sends_are_refused) {
        times.write_bytes_per_s_min = std::min<std::uint64_t>(times.write_bytes_per_s_min, 200);
    }
}

std::string Plan::text() const {
    std::string text = core::formatted(
        "times in ms: keepalive {}, header {}, body {}, handler {}, write {}, linger {} to {}, age "
        "{}; bytes/s: body {}, write {}\n",
        times.keepalive_timeout_ms, times.header_timeout_ms, times.body_timeout_ms,
        times.handler_timeout_ms, times.write_timeout_ms, times.linger_timeout_ms,
        times.linger_max_ms, times.connection_max_age_ms, times.body_bytes_per_s_min,
        times.write_bytes_per_s_min);
    text += core::formatted(
        "limits: pipelined {}, output {}, held {}, requests {}, content {}, discard {}, "
        "connections {}, of a peer {}\n",
        limits.pipelined_max, limits.output_bytes_max, limits.held_bytes_max, limits.requests_max,
        limits.content_bytes_max, limits.discard_bytes_max, connections_max, peer_connections_max);
    text += core::formatted(
        "sizes: {} buffers of {} bytes, {} submissions, {} completions, {} chunks, backlog {}, "
        "listeners {}\n",
        buffers, buffer_bytes, ring.submissions, ring.completions, chunks_max, backlog, listeners);
    text += core::formatted("drain: at {} and {} us, delay {} ms, timeout {} ms; stops: {} us\n",
                            drain_at_us, second_drain_at_us, drain_delay_ms, drain_timeout_ms,
                            stopped_us);
    return text;
}

void print_settings(const Plan& plan, const Faults& faults) {
    std::string text;
    for (std::size_t i = 0; i < fault_count; ++i) {
        if (faults.on(static_cast<Fault>(i))) {
            text.append(" ").append(name_of(static_cast<Fault>(i)));
        }
    }
    std::fputs(core::formatted("faults:{}\n{}", text.empty() ? " none" : text, plan.text()).c_str(),
               stdout);
}

}  // namespace enduring::simulation
