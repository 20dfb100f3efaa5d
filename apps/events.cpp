// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a page that
// shows how long the server has counted, told by the server each second.

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "http/coroutine.hpp"
#include "http/serve.hpp"

using namespace enduring::http;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view page = R"(<!doctype html>
<meta charset="utf-8">
<title>Events</title>
<p>The server counts: <output></output>
<script>
    const output = document.querySelector("output");
    new EventSource("/events").onmessage = (event) => { output.value = event.data; };
</script>
)";

// A browser that comes back after an interruption says which event was the last that it got.
std::uint64_t last_event(const Request& request) {
    const std::string_view id = request.field("Last-Event-ID").value_or("");
    std::uint64_t number = 0;
    std::from_chars(id.data(), id.data() + id.size(), number);
    return number;
}

// Goes on until the server or the connection should end; or until the client leaves, then it is
// destroyed where it waits.
Task<void> count(milliseconds interval, std::uint64_t number, Responder responder) {
    Response head;
    head.content_type("text/event-stream").field("Cache-Control", "no-store");
    ResponseStream stream = std::move(responder).begin(std::move(head));
    while (!stream.should_end()) {
        const std::string id = std::to_string(++number);
        std::string event("id: ");
        event.append(id).append("\ndata: ").append(id).append("\n\n");
        if (!co_await write_to(stream, event)) {
            break;  // HEAD
        }
        co_await sleep_for(interval);
    }
    stream.finish();
}

}  // namespace

int main(int argument_count, char** arguments) {
    unsigned interval_ms = 1000;
    CommandLine command_line("events", "Tells each second how far it has counted, as events.");
    command_line.app()
        .add_option("--interval-ms", interval_ms, "The time between two events")
        ->check(CLI::Range(1, 3'600'000))
        ->capture_default_str();
    if (const auto status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    Router router;
    router.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/html; charset=utf-8", page);
    });
    router.get("/events", coroutine([interval = milliseconds(interval_ms)](Request request,
                                                                           Responder responder) {
                   return count(interval, last_event(request), std::move(responder));
               }));
    return run(command_line, std::move(router));
}
