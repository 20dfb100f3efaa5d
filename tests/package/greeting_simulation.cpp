// Runs a router on the simulated kernel with the installed package: the example of docs/testing.md.

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "http/coroutine.hpp"
#include "simulation/simulation.hpp"

using namespace enduring::http;
using namespace std::chrono_literals;
namespace simulation = enduring::simulation;

Task<void> greet(Request request, Responder responder) {
    const std::string name(request.parameter("name"));
    co_await sleep_for(50ms);
    responder.send(Status::ok, "text/plain", "Hello, " + name);
}

Router make_router() {
    Router router;
    router.get("/hello/{name}", coroutine(greet));
    router.post("/echo", [](const Request& request, Responder responder) {
        responder.send(Status::ok, "text/plain", request.content());
    });
    return router;
}

std::vector<simulation::Request> make_requests(simulation::Random& random) {
    std::vector<simulation::Request> requests;
    for (auto count = random.between(1, 10); count > 0; --count) {
        if (random.chance(500)) {  // in 1000
            requests.push_back(simulation::get("/hello/Ada").gives("Hello, Ada"));
        } else {
            const std::string content(random.below(5'000), 'x');
            requests.push_back(simulation::post("/echo", content).gives(content));
        }
    }
    return requests;
}

int main() {
    const simulation::Scenario scenario{.router = make_router, .requests = make_requests};
    const simulation::Result result = simulation::check(scenario, 1, 1'000);
    std::fputs(result.text().c_str(), stdout);
    for (const simulation::Failure& failure : result.failures) {
        simulation::trace(scenario, failure.seed, simulation::shrink(scenario, failure.seed));
    }
    return result.passed() ? 0 : 1;
}
