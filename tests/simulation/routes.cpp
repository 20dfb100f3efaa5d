#include "tests/simulation/routes.hpp"

#include <charconv>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/simulation/content.hpp"

namespace enduring::simulation {

namespace {

Site* site = nullptr;

std::uint64_t number_of(const http::Request& request, std::string_view name) {
    const std::string_view text = request.parameter(name);
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::uint32_t pattern_of(const http::Request& request) {
    return static_cast<std::uint32_t>(number_of(request, "pattern"));
}

std::string_view content_for(const http::Request& request) {
    return content_of(pattern_of(request), number_of(request, "size"));
}

void send_file(const http::Request& request, http::Responder responder) {
    const std::uint64_t size = number_of(request, "size");
    const int descriptor = site->open_file(pattern_of(request), size);
    const std::shared_ptr<const void> owner(
        nullptr, [descriptor](const void*) { site->close_file(descriptor); });
    http::Response response;
    response.content(core::FilePiece{0, size, owner, descriptor});
    responder.send(std::move(response));
}

http::Router make_routes() {
    http::Router router;
    router.get("/text/{pattern}/{size}",
               [](const http::Request& request, http::Responder responder) {
                   responder.send(http::Status::ok, "text/plain", content_for(request));
               });
    router.get("/shared/{pattern}/{size}",
               [](const http::Request& request, http::Responder responder) {
                   const std::string_view content = content_for(request);
                   http::Response response;
                   response.content(core::SharedPiece{
                       content.data(), content.size(),
                       std::make_shared<int>(0)});  // counted, though the bytes last anyway
                   responder.send(std::move(response));
               });
    router.get("/string/{pattern}/{size}",
               [](const http::Request& request, http::Responder responder) {
                   http::Response response;
                   response.content(std::string(content_for(request)));
                   responder.send(std::move(response));
               });
    router.get("/file/{pattern}/{size}",
               [](const http::Request& request, http::Responder responder) {
                   send_file(request, std::move(responder));
               });
    router.get("/later/{pattern}/{size}/{delay}", [](const http::Request& request,
                                                     http::Responder responder) {
        site->answer_later(std::move(responder), content_for(request), number_of(request, "delay"));
    });
    router.get("/close", [](const http::Request&, http::Responder responder) {
        http::Response response;
        response.content("last").close();
        responder.send(std::move(response));
    });
    router.get("/throw", [](const http::Request&, http::Responder) {
        throw std::runtime_error("as was asked for");
    });
    router.get("/drop", [](const http::Request&, http::Responder) {});
    router.post("/echo", [](const http::Request& request, http::Responder responder) {
        responder.send(http::Status::ok, "text/plain", request.content());
    });
    router.on(
        http::Method::post, "/count",
        [](const http::Request&, http::Responder responder) {
            responder.send(http::Status::ok, "text/plain", "counted");
        },
        http::ContentMode::ignored);
    return router;
}

}  // namespace

void set_site(Site* new_site) noexcept { site = new_site; }

const http::Router& routes() {
    static const http::Router router = make_routes();
    return router;
}

}  // namespace enduring::simulation
