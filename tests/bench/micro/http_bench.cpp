// The parser of heads, and the writer of responses.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "core/block_pool.hpp"
#include "core/send_queue.hpp"
#include "http/parser.hpp"
#include "http/preamble.hpp"
#include "http/response.hpp"
#include "http/writer.hpp"
#include "tests/bench/micro/exchanges.hpp"

namespace enduring::http {
namespace {

void parse(benchmark::State& state, const std::string& name) {
    std::string_view bytes;
    for (const bench::Exchange& exchange : bench::exchanges()) {
        if (exchange.name == name) {
            bytes = exchange.pieces.front();
        }
    }
    HeadParser parser;
    RequestHead head;
    head.fields.reserve(100);
    const HeadLimits limits;
    for (auto _ : state) {
        head.clear();
        parser.start();
        const auto outcome =
            parser.parse(head, bytes.data(), static_cast<std::uint32_t>(bytes.size()), limits);
        if (outcome.kind != HeadParser::Outcome::Kind::complete) {
            state.SkipWithError("the head is not complete");
        }
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
}
BENCHMARK_CAPTURE(parse, short_head, std::string("get"));
BENCHMARK_CAPTURE(parse, browser_head, std::string("get-browser"));

void write(benchmark::State& state) {
    Preamble preamble;
    preamble.renew(Status::ok, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1);
    const std::string content(static_cast<std::size_t>(state.range(0)), 'x');
    WriteContext context;
    core::BlockPool pool;
    core::SendQueue output;
    for (auto _ : state) {
        Response response(Status::ok);
        response.content_type("text/plain").content(std::string_view(content));
        context.preamble = preamble.with_type(response.content_type());
        write_response(output, pool, std::move(response), context);
        output.consume(output.size_bytes(), pool);
    }
}
BENCHMARK(write)->Arg(2)->Arg(1000)->Arg(20'000);

}  // namespace
}  // namespace enduring::http
