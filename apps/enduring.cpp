// The server that people run: serves the files below a directory.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "core/format.hpp"
#include "http/serve.hpp"
#include "http/static_files.hpp"
#include "http/units.hpp"

using namespace enduring;

int main(int argument_count, char** arguments) {
    http::CommandLine command_line("enduring", "Serves the files below a directory over HTTP/1.1.");
    std::string root = ".";
    command_line.app()
        .add_option("ROOT", root, "The directory to serve")
        ->type_name("DIRECTORY")
        ->capture_default_str()
        ->envname("ENDURING_ROOT");
    std::uint64_t cache_bytes = http::StaticFiles::cache_bytes_default;
    command_line.app()
        .add_option_function<std::string>(
            "--file-cache",
            [&cache_bytes](const std::string& text) {
                const auto bytes = http::parse_size(text);
                if (!bytes) {
                    throw CLI::ValidationError(
                        "--file-cache",
                        "'" + text + "' is not allowed: a size like 512k or 16m, or 0");
                }
                cache_bytes = *bytes;
            },
            "Memory of each worker for files of up to 64k; 0: none")
        ->type_name("SIZE")
        ->default_str(http::format_size(cache_bytes))
        ->envname("ENDURING_FILE_CACHE");
    if (const std::optional<int> status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    auto files = http::StaticFiles::open(root, cache_bytes);
    if (!files) {
        std::fputs(core::formatted("enduring: {}\nenduring: what to do: {}\n", files.error().what,
                                   files.error().remedy)
                       .c_str(),
                   stderr);
        return 1;
    }
    http::Router router;
    router.get("/{path...}", std::move(*files));
    return http::run(command_line, std::move(router));
}
