#include "tests/simulation/routes.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/coroutine.hpp"
#include "tests/simulation/content.hpp"
#include "tests/simulation/requests.hpp"

namespace enduring::simulation {

namespace {

// The run whose handlers are called now: the routes are the same for all.
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
    const int descriptor = site->open_file(content_for(request));
    const std::shared_ptr<const void> owner(
        nullptr, [descriptor](const void*) { site->close_file(descriptor); });
    http::Response response;
    response.content(core::FilePiece{0, size, owner, descriptor});
    responder.send(std::move(response));
}

// A response that is written in pieces for as long as there is room.
struct Piecewise {
    http::ResponseStream stream;
    std::string_view left;
    std::size_t step;

    void go_on() {
        bool has_room = true;
        while (has_room && !left.empty()) {
            const std::size_t size = std::min(step, left.size());
            has_room = stream.write(left.substr(0, size));
            left.remove_prefix(size);
        }
        if (left.empty()) {
            stream.finish();
        }
    }
};

void send_pieces(const http::Request& request, http::Responder responder) {
    const std::string_view content = content_for(request);
    const auto pieces =
        std::make_shared<Piecewise>(std::move(responder).begin(http::Response(), content.size()),
                                    content, number_of(request, "step"));
    pieces->stream.on_room([pieces] { pieces->go_on(); });
    pieces->go_on();
}

// Takes a content in pieces, with a pause after each, and answers with it.
void take_pieces(const http::Request& request, http::Responder responder) {
    const http::RequestContent content = responder.content();
    http::Timers& timers = responder.timers();
    const std::chrono::milliseconds pause(number_of(request, "pause"));
    content.on_piece([content, pause, &timers, responder = std::move(responder),
                      taken = std::string()](std::string_view piece, bool last) mutable {
        taken += piece;
        if (last) {
            responder.send(http::Status::ok, "text/plain", taken);
        } else if (pause.count() > 0) {
            content.pause();
            timers.after(pause, [content] { content.resume(); });
        }
    });
}

void answer_late(const http::Request& request, http::Responder responder) {
    site->later(number_of(request, "delay"),
                [content = content_for(request), responder = std::move(responder)]() mutable {
                    http::Response response;
                    response.content(content);
                    responder.send(std::move(response));
                });
}

// The same by coroutines.
http::Task<void> answer_later(http::Request request, http::Responder responder) {
    const std::string_view content = co_await http::completed<std::string_view>(
        [&](http::Completion<std::string_view> completion) {
            site->later(
                number_of(request, "delay"),
                [content = content_for(request), completion = std::move(completion)]() mutable {
                    completion.set(content);
                });
        });
    responder.send(http::Status::ok, "text/plain", content);
}

http::Task<std::size_t> write_all(http::ResponseStream& stream, std::string_view content,
                                  std::size_t step) {
    std::size_t written = 0;
    while (written < content.size() &&
           co_await http::write_to(stream, content.substr(written, step))) {
        written = std::min(written + step, content.size());
    }
    co_return written;
}

http::Task<void> write_pieces(http::Request request, http::Responder responder) {
    const std::string_view content = content_for(request);
    const std::size_t step = number_of(request, "step");
    http::ResponseStream stream = std::move(responder).begin(http::Response(), content.size());
    static_cast<void>(co_await write_all(stream, content, step));
    stream.finish();
}

http::Task<void> read_pieces(http::Request request, http::Responder responder) {
    const std::chrono::milliseconds pause(number_of(request, "pause"));
    const http::ContentReader reader(responder.content());
    std::string taken;
    while (const auto piece = co_await reader.next()) {
        taken += *piece;
        if (pause.count() > 0) {
            co_await http::sleep_for(pause);
        }
    }
    responder.send(http::Status::ok, "text/plain", taken);
}

http::Router make_router() {
    http::Router router;
    router.get("/coroutine/later/{pattern}/{size}/{delay}", http::coroutine(answer_later));
    router.get("/coroutine/pieces/{pattern}/{size}/{step}", http::coroutine(write_pieces));
    router.on(http::Method::post, "/coroutine/take/{pause}", http::coroutine(read_pieces),
              http::ContentMode::streamed);
    router.get("/pieces/{pattern}/{size}/{step}", send_pieces);
    router.on(http::Method::post, "/take/{pause}", take_pieces, http::ContentMode::streamed);
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
    router.get("/later/{pattern}/{size}/{delay}",
               [](const http::Request& request, http::Responder responder) {
                   answer_late(request, std::move(responder));
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

class Routes final : public Workload {
  public:
    explicit Routes(Site& new_site) noexcept { site = &new_site; }
    ~Routes() override { site = nullptr; }
    Routes(const Routes&) = delete;
    Routes& operator=(const Routes&) = delete;

    [[nodiscard]] const http::Router& router() const override {
        static const http::Router made = make_router();
        return made;
    }
    [[nodiscard]] std::vector<Exchange> make_exchanges(Random& random, const Plan& plan,
                                                       Manner& manner) override {
        return simulation::make_exchanges(random, plan, manner);
    }
    [[nodiscard]] Freedoms freedoms() const noexcept override { return {.to_throw = true}; }
};

}  // namespace

std::unique_ptr<Workload> make_routes(Site& new_site) { return std::make_unique<Routes>(new_site); }

}  // namespace enduring::simulation
