// The micro-benchmarks; or, for scripts/instructions, so many exchanges of one kind and nothing
// else: microbench --exchange NAME COUNT
#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "tests/bench/micro/exchanges.hpp"

namespace {

int run_exchanges(std::string_view name, std::string_view count_text) {
    std::uint64_t count = 0;
    std::from_chars(count_text.data(), count_text.data() + count_text.size(), count);
    for (const enduring::bench::Exchange& exchange : enduring::bench::exchanges()) {
        if (exchange.name == name) {
            enduring::bench::Connection connection;
            for (std::uint64_t i = 0; i < count; ++i) {
                connection.run(exchange);
            }
            return 0;
        }
    }
    std::fprintf(stderr, "microbench: there is no such exchange\n");
    return 2;
}

int list_exchanges() {
    for (const enduring::bench::Exchange& exchange : enduring::bench::exchanges()) {
        std::printf("%s %llu\n", exchange.name.c_str(),
                    static_cast<unsigned long long>(exchange.requests));
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--exchanges") {
        return list_exchanges();
    }
    if (argc == 4 && std::string_view(argv[1]) == "--exchange") {
        return run_exchanges(argv[2], argv[3]);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
