// The server that the conformance vectors are sent to: answers GET / with "OK", echoes the content
// of any other method on /, lists the request's fields on /echo and its cookies on /cookie.

#include <string>
#include <string_view>

#include "http/serve.hpp"
#include "http/text.hpp"

using namespace enduring::http;

namespace {

void list_fields(const Request& request, Responder responder) {
    std::string text;
    for (std::size_t i = 0; i < request.field_count(); ++i) {
        const Field field = request.field_at(i);
        text.append(field.name).append(": ").append(field.value).append("\n");
    }
    responder.send(Status::ok, "text/plain", text);
}

void list_cookies(const Request& request, Responder responder) {
    std::string text;
    for (std::size_t i = 0; i < request.field_count(); ++i) {
        const Field field = request.field_at(i);
        if (!equals_ignoring_case(field.name, "cookie")) {
            continue;
        }
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(';'), rest.size());
            text.append(trim(rest.substr(0, end))).append("\n");
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    responder.send(Status::ok, "text/plain", text);
}

}  // namespace

int main(int argument_count, char** arguments) {
    CommandLine command_line("conformance", "The server under test of the conformance vectors.");
    if (const auto status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    Router router;
    router.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "OK");
    });
    for (const Method method :
         {Method::post, Method::put, Method::patch, Method::delete_, Method::options}) {
        router.on(
            method, "/",
            [](const Request& request, Responder responder) {
                responder.send(Status::ok, "application/octet-stream", request.content());
            },
            ContentMode::buffered);
    }
    for (const Method method : {Method::get, Method::post}) {
        router.on(method, "/echo", list_fields);
        router.on(method, "/cookie", list_cookies);
    }
    return run(command_line, std::move(router));
}
