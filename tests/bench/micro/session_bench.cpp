#include <benchmark/benchmark.h>

#include "tests/bench/micro/exchanges.hpp"

namespace enduring::bench {
namespace {

void run(benchmark::State& state, const Exchange& exchange) {
    Connection connection;
    for (auto _ : state) {
        connection.run(exchange);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(exchange.requests) * state.iterations());
}

const bool registered = [] {
    for (const Exchange& exchange : exchanges()) {
        benchmark::RegisterBenchmark(("session/" + exchange.name).c_str(), run, exchange);
    }
    return true;
}();

}  // namespace
}  // namespace enduring::bench
