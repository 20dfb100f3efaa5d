// The smallest use of the library: one route, and the flags of every server.

#include "http/serve.hpp"

using namespace enduring::http;

int main(int argument_count, char** arguments) {
    CommandLine command_line("hello", "Answers GET / with a greeting.");
    if (const auto status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    Router router;
    router.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "Hello, World!");
    });
    return run(command_line, std::move(router));
}
