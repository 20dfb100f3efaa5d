// A program that has a server in it: it sets the options itself, waits for its signals itself, and
// prints where it listens.

#include <csignal>
#include <cstdio>
#include <string>
#include <utility>

#include "http/server.hpp"

using namespace enduring;

int main() {
    // Before there are other threads, so that the signal waits for sigwait().
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    http::Options options;
    options.listen = {{.kind = core::Address::Kind::host, .host = "127.0.0.1"}};
    options.workers = 1;
    http::Router router;
    router.get("/greeting/{name}", [](const http::Request& request, http::Responder responder) {
        std::string greeting = "Hello, ";
        greeting += request.parameter("name");
        responder.send(http::Status::ok, "text/plain", greeting);
    });

    auto server = http::Server::create(options, std::move(router));
    if (!server) {
        std::fprintf(stderr, "embedded: %s\n", server.error().text().c_str());
        return 1;
    }
    if (const auto started = (*server)->start(); !started) {
        std::fprintf(stderr, "embedded: %s\n", started.error().text().c_str());
        return 1;
    }
    std::printf("%s\n", (*server)->addresses().front().text().c_str());
    std::fflush(stdout);

    int signal = 0;
    sigwait(&signals, &signal);
    (*server)->drain();
    return (*server)->wait().aborted == 0 ? 0 : 1;
}
