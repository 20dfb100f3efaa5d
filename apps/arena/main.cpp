// What the public benchmarks ask of a server: small answers, sums of what was sent, JSON, uploads,
// files, and answers that wait.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "apps/arena/items.hpp"
#include "apps/arena/numbers.hpp"
#include "http/serve.hpp"
#include "http/static_files.hpp"

using namespace enduring::http;
using arena::parse_integer;

namespace {

constexpr std::string_view text = "text/plain";
constexpr std::int64_t delay_ms_max = 3'600'000;

void refuse(Responder responder, std::string_view what) {
    responder.send(Status::bad_request, text, std::string(what) + "\n");
}

std::optional<std::int64_t> query_integer(const Request& request, std::string_view name) {
    const auto value = request.query_value(name);
    return value ? parse_integer(*value) : std::nullopt;
}

// a + b, and the content's number if there is one.
void answer_sum(const Request& request, Responder responder) {
    std::string_view content = trim(request.content());
    while (content.ends_with('\n') || content.ends_with('\r')) {
        content.remove_suffix(1);
    }
    const bool has_content = request.method() == Method::post;
    const auto a = query_integer(request, "a");
    const auto b = query_integer(request, "b");
    const auto third = has_content ? parse_integer(content) : 0;
    if (!a || !b || !third) {
        refuse(std::move(responder), "a, b and the content must be whole numbers");
        return;
    }
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*a, *b, &sum) || __builtin_add_overflow(sum, *third, &sum)) {
        refuse(std::move(responder), "the sum is too large");
        return;
    }
    responder.send(Status::ok, text, std::to_string(sum));
}

void answer_items(const nlohmann::ordered_json& items, const Request& request,
                  Responder responder) {
    constexpr std::int64_t items_max = 50;
    const auto count = parse_integer(request.parameter("count"));
    const auto factor_text = request.query_value("m");
    const auto factor = factor_text ? parse_integer(*factor_text) : 1;
    if (!count || *count < 1 || *count > items_max || !factor) {
        refuse(std::move(responder), "ask for /json/COUNT?m=FACTOR, with a COUNT from 1 to 50");
        return;
    }
    Response response;
    response.content_type("application/json")
        .content(arena::write_items(items, static_cast<std::size_t>(*count), *factor));
    responder.send(std::move(response));
}

// Counts the bytes as they come, and keeps none.
void answer_upload(const Request&, Responder responder) {
    const RequestContent content = responder.content();
    content.on_piece([responder = std::move(responder), bytes = std::uint64_t{0}](
                         std::string_view piece, bool last) mutable {
        bytes += piece.size();
        if (last) {
            responder.send(Status::ok, text, std::to_string(bytes));
        }
    });
}

void answer_late(const Request& request, Responder responder) {
    const auto delay_ms = parse_integer(request.parameter("ms"));
    if (!delay_ms || *delay_ms < 0 || *delay_ms > delay_ms_max) {
        refuse(std::move(responder), "ask for /delay/MS, with MS from 0 to 3600000");
        return;
    }
    Timers& timers = responder.timers();
    const auto timer = std::make_shared<Timers::Id>();
    responder.on_gone([&timers, timer] { timers.cancel(*timer); });
    *timer = timers.after(
        std::chrono::milliseconds(*delay_ms),
        [responder = std::move(responder)]() mutable { responder.send(Status::ok, text, "ok"); });
}

int fail(const enduring::core::Error& error) {
    std::cerr << "arena: " << error.what << "\narena: what to do: " << error.remedy << "\n";
    return 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
    Options defaults;
    defaults.http.content_bytes_max = 32 * 1024 * 1024;
    CommandLine command_line("arena", "Answers what the public benchmarks of HTTP servers ask.",
                             defaults);
    std::string dataset;
    std::string directory;
    command_line.app()
        .add_option("--dataset", dataset, "The items of /json: a JSON array of objects")
        ->type_name("FILE")
        ->envname("ENDURING_DATASET");
    command_line.app()
        .add_option("--static", directory, "Serves the files below it as /static/NAME")
        ->type_name("DIRECTORY")
        ->envname("ENDURING_STATIC");
    if (const auto status = command_line.parse(argument_count, arguments)) {
        return *status;
    }
    Router router;
    router.get("/pipeline",
               [](const Request&, Responder responder) { responder.send(Status::ok, text, "ok"); });
    router.get("/baseline11", answer_sum);
    router.post("/baseline11", answer_sum);
    router.on(Method::post, "/upload", answer_upload, ContentMode::streamed);
    router.get("/delay/{ms}", answer_late);
    if (!dataset.empty()) {
        auto items = arena::read_items(dataset);
        if (!items) {
            return fail(items.error());
        }
        router.get("/json/{count}",
                   [items = std::make_shared<const nlohmann::ordered_json>(std::move(*items))](
                       const Request& request, Responder responder) {
                       answer_items(*items, request, std::move(responder));
                   });
    }
    if (!directory.empty()) {
        auto files = StaticFiles::open(directory);
        if (!files) {
            return fail(files.error());
        }
        router.get("/static/{path...}", std::move(*files));
    }
    return run(command_line, std::move(router));
}
