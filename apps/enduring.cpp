// The server that people run: serves the files below a directory.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "http/serve.hpp"
#include "http/static_files.hpp"

using namespace enduring;

int main(int argument_count, char** arguments) {
    http::CommandLine command_line("enduring", "Serves the files below a directory over HTTP/1.1.");
    std::string root = ".";
    command_line.app()
        .add_option("ROOT", root, "The directory to serve")
        ->type_name("DIRECTORY")
        ->capture_default_str()
        ->envname("ENDURING_ROOT");
    if (const std::optional<int> status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    auto files = http::StaticFiles::open(root);
    if (!files) {
        fmt::print(stderr, "enduring: {}\nenduring: what to do: {}\n", files.error().what,
                   files.error().remedy);
        return 1;
    }
    http::Router router;
    router.get("/{path...}", std::move(*files));
    return http::run(command_line, std::move(router));
}
