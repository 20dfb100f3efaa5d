// Tests handlers with the installed package, and without a test framework: the example of
// docs/testing.md.

#include <chrono>
#include <cstdio>
#include <utility>

#include "http/testing.hpp"

using namespace enduring::http;
using namespace std::chrono_literals;

Router make_router() {
    Router router;
    router.get("/hello", [](const Request& request, Responder responder) {
        const auto name = request.query_value("name");
        responder.send(Status::ok, "text/plain", "Hello, " + name.value_or("World"));
    });
    router.get("/later", [](const Request&, Responder responder) {
        Timers& timers = responder.timers();
        timers.after(50ms, [responder = std::move(responder)]() mutable {
            responder.send(Status::ok, "text/plain", "now");
        });
    });
    return router;
}

int main() {
    int failures = 0;
    const auto expect = [&failures](bool holds, const char* what) {
        if (!holds) {
            std::printf("failed: %s\n", what);
            ++failures;
        }
    };

    test::Client client(make_router());
    const test::Response hello = client.get("/hello?name=Ada");
    expect(hello.status == Status::ok, "it is found");
    expect(hello.field("content-type") == "text/plain", "it is a text");
    expect(hello.content == "Hello, Ada", "the name is said");
    expect(client.post("/hello", "x").status == Status::method_not_allowed, "only GET is allowed");

    const test::Exchange later = client.start({.target = "/later"});
    expect(!later.done(), "the answer is not there at once");
    client.advance(50ms);
    expect(later.response().content == "now", "the answer comes after 50 ms");
    return failures == 0 ? 0 : 1;
}
