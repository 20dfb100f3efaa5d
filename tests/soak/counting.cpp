// A server that tells how many requests it has answered, so that a test can say whether one was
// answered that its client took for lost, or answered twice. GET / gives back the query, POST / the
// content, and GET /answered the number of both, itself not counted.

#include <atomic>
#include <cstdint>
#include <string>

#include "http/serve.hpp"

using namespace enduring::http;

int main(int argument_count, char** arguments) {
    CommandLine command_line("counting", "Counts the requests that it answers.");
    if (const auto status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    // The workers share the router, and so its handlers and this.
    std::atomic<std::uint64_t> answered = 0;
    Router router;
    router.get("/", [&answered](const Request& request, Responder responder) {
        answered.fetch_add(1, std::memory_order_relaxed);
        responder.send(Status::ok, "text/plain", request.query());
    });
    router.on(
        Method::post, "/",
        [&answered](const Request& request, Responder responder) {
            answered.fetch_add(1, std::memory_order_relaxed);
            responder.send(Status::ok, "text/plain", request.content());
        },
        ContentMode::buffered);
    router.get("/answered", [&answered](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain",
                       std::to_string(answered.load(std::memory_order_relaxed)));
    });
    return run(command_line, std::move(router));
}
