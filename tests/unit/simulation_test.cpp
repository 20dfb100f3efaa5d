// The simulation as users have it: good routers pass, and wrong ones are found.
#include "simulation/simulation.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/coroutine.hpp"
#include "http/static_files.hpp"

namespace enduring::simulation {
namespace {

using namespace std::chrono_literals;
using http::Responder;
using http::Router;
using http::Status;

constexpr std::uint64_t seeds = 300;

void answer(Responder& responder, std::string_view content) {
    responder.send(Status::ok, "text/plain", content);
}

// A scenario of one route: GET /, which must give "right".
template <class Handler>
Scenario scenario_of(Handler handler) {
    return {.router =
                [handler] {
                    Router router;
                    router.get("/", handler);
                    return router;
                },
            .requests =
                [](Random& random) {
                    std::vector<Request> requests;
                    for (std::uint64_t i = random.between(1, 5); i > 0; --i) {
                        requests.push_back(get("/").gives("right"));
                    }
                    return requests;
                }};
}

// What was wrong in the first run that failed.
std::string failure_of(const Scenario& scenario, const Options& options = {}) {
    const Result result = check(scenario, 1, seeds, options);
    if (result.failures.empty()) {
        return {};
    }
    const Failure& failure = result.failures.front();
    EXPECT_GE(failure.seed, 1U);
    EXPECT_LE(failure.seed, seeds);
    // The seed that is named is the one that fails.
    EXPECT_FALSE(check(scenario, failure.seed, failure.seed, options).passed());
    return failure.what;
}

::testing::AssertionResult contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << '"' << text << "\" has no \"" << part << '"';
}

// ---- what is right -----------------------------------------------------------------------------

http::Task<void> wait_and_answer(http::Request, Responder responder) {
    co_await http::sleep_for(300ms);
    co_await http::sleep_for(200ms);
    answer(responder, "slept");
    co_await http::sleep_for(1h);  // goes on after its answer
}

http::Task<void> upload(http::Request, Responder responder) {
    const http::ContentReader reader(responder.content());
    std::string taken;
    while (const auto piece = co_await reader.next()) {
        taken += *piece;
        co_await http::sleep_for(5ms);
    }
    answer(responder, taken);
}

http::Task<void> stream(http::Request, Responder responder) {
    http::ResponseStream stream = std::move(responder).begin(http::Response());
    for (int i = 0; i < 20; ++i) {
        if (!co_await http::write_to(stream, std::string(500, static_cast<char>('a' + i)))) {
            break;
        }
        co_await http::sleep_for(10ms);
    }
    stream.finish();
}

// Begins its response before it has the content.
http::Task<void> mirror(http::Request, Responder responder) {
    const http::ContentReader reader(responder.content());
    http::ResponseStream stream = std::move(responder).begin(http::Response());
    while (const auto piece = co_await reader.next()) {
        static_cast<void>(co_await http::write_to(stream, *piece));
    }
    stream.finish();
}

// Ends its response before it has the content.
void answer_hastily(Responder responder) {
    const http::RequestContent content = responder.content();
    content.on_piece(
        [responder = std::optional(std::move(responder))](std::string_view, bool) mutable {
            if (responder) {
                http::ResponseStream stream = std::move(*responder).begin(http::Response());
                responder.reset();
                stream.write("hasty");
                stream.finish();
            }
        });
}

std::string streamed() {
    std::string content;
    for (int i = 0; i < 20; ++i) {
        content.append(500, static_cast<char>('a' + i));
    }
    return content;
}

std::string chunked(std::string_view content) {
    std::string coded;
    for (std::size_t begin = 0; begin < content.size(); begin += 0x400) {
        const std::string_view piece = content.substr(begin, 0x400);
        std::array<char, 16> size{};
        std::snprintf(size.data(), size.size(), "%zx", piece.size());
        coded.append(size.data()).append("\r\n").append(piece).append("\r\n");
    }
    return coded + "0\r\n\r\n";
}

Router good_router() {
    Router router;
    router.get("/", [](const http::Request&, Responder responder) { answer(responder, "root"); });
    router.post("/echo", [](const http::Request& request, Responder responder) {
        answer(responder, request.content());
    });
    router.get("/later", [](const http::Request&, Responder responder) {
        http::Timers& timers = responder.timers();
        timers.after(3s,
                     [responder = std::move(responder)]() mutable { answer(responder, "later"); });
    });
    router.get("/slept", http::coroutine(wait_and_answer));
    router.get("/stream", http::coroutine(stream));
    router.on(http::Method::post, "/upload", http::coroutine(upload), http::ContentMode::streamed);
    router.on(http::Method::post, "/mirror", http::coroutine(mirror), http::ContentMode::streamed);
    router.on(
        http::Method::post, "/hasty",
        [](const http::Request&, Responder responder) { answer_hastily(std::move(responder)); },
        http::ContentMode::streamed);
    router.get("/close", [](const http::Request&, Responder responder) {
        http::Response response;
        response.content("closed").close();
        responder.send(std::move(response));
    });
    router.get("/empty", [](const http::Request&, Responder responder) {
        responder.send(http::Response(Status::no_content));
    });
    return router;
}

std::vector<Request> good_requests(Random& random) {
    static const std::string content(40'000, 'x');
    std::vector<Request> requests;
    for (std::uint64_t i = random.between(0, 8); i > 0; --i) {
        const std::string_view some =
            std::string_view(content).substr(0, random.below(random.pick({10U, 3'000U, 40'000U})));
        switch (random.below(15)) {
            case 0:
                requests.push_back(get("/").gives("root"));
                break;
            case 1:
                requests.push_back(post("/echo", some).gives(std::string(some)));
                break;
            case 2:
                requests.push_back(get("/later").gives("later"));
                requests.back().within = 3s;
                break;
            case 3:
                requests.push_back(get("/slept").gives("slept"));
                break;
            case 4:
                requests.push_back(get("/stream").gives(streamed()));
                requests.back().check = [](const http::test::Response& response) {
                    return std::string(response.chunked ? "" : "it is not chunked");
                };
                break;
            case 5:
                requests.push_back(
                    request({.target = "/stream", .minor_version = 0}).gives(streamed()));
                break;
            case 6:
                requests.push_back(post("/upload", some).gives(std::string(some)));
                break;
            case 7:
                requests.push_back(request({.method = http::Method::post,
                                            .target = "/upload",
                                            .fields = {{"Expect", "100-continue"}},
                                            .content = some})
                                       .gives(std::string(some)));
                break;
            case 8:
                requests.push_back(post("/hasty", some).gives("hasty"));
                break;
            case 12:
                requests.push_back(post("/mirror", some).gives(std::string(some)));
                break;
            case 13:
                requests.push_back(request({.method = http::Method::post,
                                            .target = "/mirror",
                                            .fields = {{"Transfer-Encoding", "chunked"}},
                                            .content = chunked(some)})
                                       .gives(std::string(some)));
                break;
            case 9:
                requests.push_back(get("/close").gives("closed"));
                break;
            case 10:
                requests.push_back(get("/empty").gives(Status::no_content, ""));
                break;
            case 11:
                requests.push_back(
                    request({.method = http::Method::head, .target = "/"}).gives("root"));
                break;
            default:
                requests.push_back(get("/nothing").gives(Status::not_found, "404 Not Found\n"));
                break;
        }
    }
    return requests;
}

TEST(SimulationTest, AGoodRouterPasses) {
    const Result result = check({.router = good_router, .requests = good_requests}, 1, 600);
    EXPECT_TRUE(result.passed()) << result.text();
    EXPECT_EQ(result.runs, 600U);
    EXPECT_GT(result.answers, 600U);
    EXPECT_GT(result.faults, 600U);
    EXPECT_GT(result.time, 1h);
}

TEST(SimulationTest, TheSameSeedIsTheSameRun) {
    const Scenario scenario{.router = good_router, .requests = good_requests};
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const Result first = check(scenario, seed, seed);
        const Result second = check(scenario, seed, seed);
        EXPECT_EQ(first.events, second.events) << seed;
        EXPECT_EQ(first.turns, second.turns) << seed;
        EXPECT_EQ(first.answers, second.answers) << seed;
        EXPECT_EQ(first.faults, second.faults) << seed;
        EXPECT_EQ(first.time, second.time) << seed;
    }
    EXPECT_NE(check(scenario, 1, 10).events, check(scenario, 11, 20).events);
}

TEST(SimulationTest, EachRunHasARouterOfItsOwn) {
    const Scenario scenario{.router =
                                [] {
                                    Router router;
                                    router.get("/", [count = std::make_shared<int>(0)](
                                                        const http::Request&, Responder responder) {
                                        ++*count;
                                        answer(responder, *count <= 10 * 3 ? "right" : "wrong");
                                    });
                                    return router;
                                },
                            .requests =
                                [](Random&) {
                                    std::vector<Request> requests;
                                    for (int i = 0; i < 3; ++i) {
                                        requests.push_back(get("/").gives("right"));
                                    }
                                    return requests;
                                }};
    const Result result = check(scenario, 1, seeds);
    EXPECT_TRUE(result.passed()) << result.text();
}

TEST(SimulationTest, RealFilesAreServed) {
    const std::string directory = ::testing::TempDir() + "enduring_simulation_test";
    std::filesystem::create_directories(directory);
    const std::string content(150'000, 'f');
    std::ofstream(directory + "/large") << content;
    const Scenario scenario{.router =
                                [&] {
                                    Router router;
                                    router.get("/{path...}",
                                               http::StaticFiles::open(directory).value());
                                    return router;
                                },
                            .requests =
                                [&](Random&) {
                                    std::vector<Request> requests;
                                    requests.push_back(get("/large").gives(content));
                                    return requests;
                                }};
    const Result result = check(scenario, 1, seeds);
    std::filesystem::remove_all(directory);
    EXPECT_TRUE(result.passed()) << result.text();
    EXPECT_GT(result.answers, seeds);
}

TEST(SimulationTest, LimitsCanBeSet) {
    Options options;
    options.adjust = [](core::TimeLimits& times, http::Limits& limits) {
        times.handler_timeout_ms = 1'000;
        limits.requests_max = 1;
    };
    // Nobody gets two answers on a connection, and nobody waits longer than a second.
    const Scenario scenario{.router =
                                [] {
                                    Router router;
                                    router.get("/", [](const http::Request&, Responder responder) {
                                        http::Timers& timers = responder.timers();
                                        timers.after(1h, [responder = std::move(responder)] {});
                                    });
                                    return router;
                                },
                            .requests =
                                [](Random&) {
                                    std::vector<Request> requests;
                                    for (int i = 0; i < 3; ++i) {
                                        requests.push_back(get("/").gives("never"));
                                    }
                                    return requests;
                                }};
    const Result result = check(scenario, 1, seeds, options);
    EXPECT_TRUE(result.passed()) << result.text();
    EXPECT_GT(result.answers, seeds);
    EXPECT_LE(result.answers, 10 * seeds);
}

// ---- what is wrong -----------------------------------------------------------------------------

TEST(SimulationTest, AWrongContentIsFound) {
    const Scenario scenario =
        scenario_of([count = 0](const http::Request&, Responder responder) mutable {
            answer(responder, ++count % 7 == 0 ? "wrong" : "right");
        });
    const std::string what = failure_of(scenario);
    EXPECT_TRUE(contains(what, "a request gets the wrong answer"));
    EXPECT_TRUE(contains(what, "GET / HTTP/1.1"));
    EXPECT_TRUE(contains(what, "wrong"));
}

TEST(SimulationTest, AWrongStatusIsFound) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder responder) {
        responder.send(Status::created, "text/plain", "right");
    });
    EXPECT_TRUE(contains(failure_of(scenario), "the status is 201 and not 200"));
}

TEST(SimulationTest, WhatACheckSaysIsFound) {
    Scenario scenario =
        scenario_of([](const http::Request&, Responder responder) { answer(responder, "right"); });
    scenario.requests = [](Random&) {
        Request request = get("/");
        request.check = [](const http::test::Response& response) {
            return std::string(response.field("X-Missing") ? "" : "a field is missing");
        };
        return std::vector{request};
    };
    EXPECT_TRUE(contains(failure_of(scenario), "a field is missing"));
}

TEST(SimulationTest, ADroppedResponderIsFound) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder) {});
    EXPECT_TRUE(contains(failure_of(scenario), "the status is 500 and not 200"));
}

TEST(SimulationTest, AThrowingHandlerIsFound) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder responder) {
        answer(responder, "right");
        throw std::runtime_error("after the answer");
    });
    EXPECT_TRUE(contains(failure_of(scenario), "has ended with an exception"));
    EXPECT_EQ(failure_of(scenario, {.may_throw = true}), "");
}

// Kept in what handlers share, and never answered.
Scenario keeps_responders() {
    Scenario scenario = scenario_of([](const http::Request&, Responder) {});
    scenario.router = [] {
        Router router;
        router.get("/", [kept = std::make_shared<std::vector<Responder>>()](const http::Request&,
                                                                            Responder responder) {
            kept->push_back(std::move(responder));
        });
        return router;
    };
    return scenario;
}

TEST(SimulationTest, ALostAnswerIsFound) {
    Options options;
    options.may_keep_responders = true;
    options.failures_max = 1'000;
    const Result result = check(keeps_responders(), 1, seeds, options);
    ASSERT_FALSE(result.passed());
    for (const Failure& failure : result.failures) {
        EXPECT_TRUE(contains(failure.what, "a client has made no progress for hours"))
            << failure.seed;
        EXPECT_TRUE(
            contains(failure.what, "waits for the answer to its request 1: GET / HTTP/1.1"));
    }
}

TEST(SimulationTest, AKeptResponderIsFound) {
    Options options;
    options.adjust = [](core::TimeLimits& times, http::Limits&) {
        times.handler_timeout_ms = 1'000;  // so that each client gets an answer
    };
    EXPECT_TRUE(contains(failure_of(keeps_responders(), options),
                         "a responder or a response stream was kept though its request has gone"));
    options.may_keep_responders = true;
    EXPECT_EQ(failure_of(keeps_responders(), options), "");
}

// With a time-out of the server's it is answered with 503, which is wrong for a handler that is
// said to be quick.
TEST(SimulationTest, AHandlerThatIsSlowerThanItShouldBeIsFound) {
    Options options;
    options.may_keep_responders = true;
    options.adjust = [](core::TimeLimits& times, http::Limits&) {
        times.handler_timeout_ms = 5'000;
    };
    Scenario scenario = keeps_responders();
    scenario.requests = [](Random&) {
        Request request = get("/").gives("right");
        request.within = 1s;
        return std::vector{request};
    };
    EXPECT_TRUE(contains(failure_of(scenario, options), "the status is 503 and not 200"));
}

http::Task<void> wait_for_ever(http::Request, Responder responder) {
    http::Responder kept = std::move(responder);
    co_await http::completed<int>([](http::Completion<int> completion) {
        static std::vector<http::Completion<int>> completions;
        completions.push_back(std::move(completion));
    });
    answer(kept, "right");
}

TEST(SimulationTest, ACoroutineThatWaitsForEverIsFound) {
    EXPECT_TRUE(contains(failure_of(scenario_of(http::coroutine(wait_for_ever))),
                         "a client has made no progress for hours"));
}

http::Task<void> answer_and_wait_for_ever(http::Request, Responder responder) {
    answer(responder, "right");
    for (;;) {
        co_await http::sleep_for(1s);
    }
}

TEST(SimulationTest, ACoroutineThatIsLeftIsFound) {
    EXPECT_TRUE(contains(failure_of(scenario_of(http::coroutine(answer_and_wait_for_ever))),
                         "a coroutine waits though its request has gone"));
}

http::Task<void> break_off(http::Request, Responder responder) {
    http::ResponseStream stream = std::move(responder).begin(http::Response());
    static_cast<void>(co_await http::write_to(stream, "rig"));
    co_await http::sleep_for(100ms);
}

TEST(SimulationTest, ABrokenStreamIsFound) {
    Scenario scenario = scenario_of(http::coroutine(break_off));
    EXPECT_TRUE(contains(failure_of(scenario), "a response is cut"));
    scenario.requests = [](Random&) {
        Request request = get("/").gives("right");
        request.may_be_cut = true;
        return std::vector{request};
    };
    EXPECT_EQ(failure_of(scenario), "");
}

// The upload's connection may end early, but it has not: what comes behind is judged.
TEST(SimulationTest, ABrokenStreamIsFoundBehindAnUpload) {
    Scenario scenario;
    scenario.router = [] {
        Router router;
        router.on(http::Method::post, "/upload", http::coroutine(upload),
                  http::ContentMode::streamed);
        router.get("/cut", http::coroutine(break_off));
        return router;
    };
    scenario.requests = [](Random&) {
        return std::vector{post("/upload", "abc").gives("abc"), get("/cut")};
    };
    EXPECT_TRUE(contains(check(scenario, 1, 20, {.failures_max = 20}).text(), "a response is cut"));
}

TEST(SimulationTest, AnAbortIsAFailureOfItsSeed) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder responder) {
        answer(responder, "right");
        answer(responder, "right");
    });
    EXPECT_TRUE(failure_of(scenario).starts_with("a request was answered twice"));
    const Scenario exits = scenario_of([](const http::Request&, Responder) { std::_Exit(3); });
    EXPECT_EQ(failure_of(exits), "exit status 3");
    const Scenario ends = scenario_of([](const http::Request&, Responder) { std::_Exit(0); });
    EXPECT_EQ(failure_of(ends), "exit status 0");
}

TEST(SimulationTest, AnotherThreadIsFound) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder responder) {
        std::thread([remote = std::move(responder).remote()]() mutable {
            remote.send(Status::ok, "text/plain", "right");
        }).join();
    });
    EXPECT_TRUE(contains(failure_of(scenario), "another thread has left something"));
}

TEST(SimulationTest, AsManyFailuresAreFoundAsAreWanted) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder) {});
    Options options;
    options.failures_max = 5;
    options.jobs = 1;
    const Result result = check(scenario, 1, seeds, options);
    EXPECT_EQ(result.failures.size(), 5U);
    EXPECT_TRUE(contains(result.text(), "seed " + std::to_string(result.failures[4].seed) +
                                            " failed: a request gets the wrong answer"));
    EXPECT_TRUE(contains(result.text(), "5 failed"));
}

// ---- one seed ----------------------------------------------------------------------------------

TEST(SimulationTest, ATraceTellsWhatHappens) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder) {});
    const Result result = check(scenario, 1, seeds);
    ASSERT_FALSE(result.passed());
    ::testing::internal::CaptureStdout();
    const std::optional<std::string> what = trace(scenario, result.failures.front().seed);
    const std::string history = ::testing::internal::GetCapturedStdout();
    ASSERT_TRUE(what.has_value());
    EXPECT_EQ(*what, result.failures.front().what);
    EXPECT_TRUE(contains(history, "times in ms: keepalive"));
    EXPECT_TRUE(contains(history, "of request 1: GET / HTTP/1.1"));
    EXPECT_TRUE(contains(history, "gets 500"));
}

TEST(SimulationTest, AFailureIsMadeSmaller) {
    const Scenario scenario = scenario_of([](const http::Request&, Responder) {});
    const Result result = check(scenario, 1, seeds);
    ASSERT_FALSE(result.passed());
    const std::uint64_t seed = result.failures.front().seed;
    const Options smaller = shrink(scenario, seed);
    EXPECT_EQ(smaller.requests_max, 1U);
    EXPECT_EQ(smaller.without_clients.size(), 9U);
    EXPECT_FALSE(check(scenario, seed, seed, smaller).passed());
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(trace(scenario, seed, smaller).has_value());
    EXPECT_TRUE(contains(::testing::internal::GetCapturedStdout(), "faults: none"));
}

}  // namespace
}  // namespace enduring::simulation
