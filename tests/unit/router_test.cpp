// Which handler a method and a path find.
#include "http/router.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "idle_exchanges.hpp"
#include "parsed_request.hpp"

namespace enduring::http {
namespace {

using Kind = Router::Match::Kind;

/// Routes that tell by name which of them was found.
class Routes {
  public:
    Routes& on(Method method, std::string_view pattern) {
        router_.on(method, pattern,
                   [this, name = std::string(name_of(method)) + " " + std::string(pattern)](
                       const Request&, const Responder&) { called_ = name; });
        return *this;
    }
    Routes& get(std::string_view pattern) { return on(Method::get, pattern); }

    /// The name of the route, or why there is none.
    std::string find(Method method, std::string_view path) {
        match_ = {};
        router_.find(method, path, match_);
        switch (match_.kind) {
            case Kind::no_path:
                return "no path";
            case Kind::no_method:
                return "no method";
            case Kind::found:
                break;
        }
        called_.clear();
        const ParsedRequest parsed("GET / HTTP/1.0\r\n\r\n");
        (*match_.handler)(parsed.request(), Responder(unused_, {}, 0));
        return called_;
    }
    std::string get_path(std::string_view path) { return find(Method::get, path); }

    [[nodiscard]] const Router::Match& match() const { return match_; }
    [[nodiscard]] std::string parameter(std::string_view name) const {
        for (const Parameter& parameter : match_.used_parameters()) {
            if (parameter.name == name) {
                return std::string(parameter.value);
            }
        }
        return "?";
    }
    Router& router() { return router_; }

  private:
    Router router_;
    IdleExchanges unused_;
    Router::Match match_;
    std::string called_;
};

TEST(RouterTest, AnEmptyRouterFindsNothing) {
    Routes routes;
    EXPECT_EQ(routes.get_path("/"), "no path");
    EXPECT_EQ(routes.router().all_methods(), 0U);
}

TEST(RouterTest, LiteralsMatchWholeSegments) {
    Routes routes;
    routes.get("/").get("/a").get("/a/b").get("/a/").get("/a//b");
    EXPECT_EQ(routes.get_path("/"), "GET /");
    EXPECT_EQ(routes.get_path("/a"), "GET /a");
    EXPECT_EQ(routes.get_path("/a/b"), "GET /a/b");
    EXPECT_EQ(routes.get_path("/a/"), "GET /a/");
    EXPECT_EQ(routes.get_path("/a//b"), "GET /a//b");
    for (const std::string_view path :
         {"", "a", "/b", "/A", "/a/b/", "/a/c", "/ab", "/a/b/c", "//", "//a", "*", "/a/bb"}) {
        EXPECT_EQ(routes.get_path(path), "no path") << path;
    }
    EXPECT_EQ(routes.match().parameter_count, 0U);
}

TEST(RouterTest, AParameterTakesOneSegmentThatIsNotEmpty) {
    Routes routes;
    routes.get("/users/{id}").get("/users/{id}/posts/{post}");
    EXPECT_EQ(routes.get_path("/users/7"), "GET /users/{id}");
    EXPECT_EQ(routes.parameter("id"), "7");
    EXPECT_EQ(routes.match().parameter_count, 1U);
    EXPECT_EQ(routes.get_path("/users/a%2Fb"), "GET /users/{id}");
    EXPECT_EQ(routes.parameter("id"), "a%2Fb") << "a value stays encoded";
    EXPECT_EQ(routes.get_path("/users/7/posts/x.y"), "GET /users/{id}/posts/{post}");
    EXPECT_EQ(routes.parameter("id"), "7");
    EXPECT_EQ(routes.parameter("post"), "x.y");
    for (const std::string_view path :
         {"/users", "/users/", "/users//posts/1", "/users/7/", "/users/7/posts/"}) {
        EXPECT_EQ(routes.get_path(path), "no path") << path;
    }
}

TEST(RouterTest, TheRestTakesEverythingEvenNothing) {
    Routes routes;
    routes.get("/files/{path...}");
    for (const auto& [path, rest] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"/files/", ""},
             {"/files/a", "a"},
             {"/files/a/b/", "a/b/"},
             {"/files//a", "/a"},
             {"/files/%2e%2e/x", "%2e%2e/x"}}) {
        EXPECT_EQ(routes.get_path(path), "GET /files/{path...}") << path;
        EXPECT_EQ(routes.parameter("path"), rest) << path;
    }
    EXPECT_EQ(routes.get_path("/files"), "no path");
    Routes all;
    all.get("/{path...}");
    EXPECT_EQ(all.get_path("/"), "GET /{path...}");
    EXPECT_EQ(all.parameter("path"), "");
    EXPECT_EQ(all.get_path("/a/b"), "GET /{path...}");
    EXPECT_EQ(all.parameter("path"), "a/b");
    EXPECT_EQ(all.get_path("*"), "no path");
}

// In whatever order they were added.
TEST(RouterTest, TheMoreParticularRouteWins) {
    std::vector<std::string_view> patterns{"/a/b",         "/a/{x}",        "/{x}/b",
                                           "/a/{rest...}", "/{x}/{y}",      "/{x}/{rest...}",
                                           "/{rest...}",   "/a/b/{rest...}"};
    std::ranges::sort(patterns);
    unsigned order = 0;
    do {
        if (order++ % 97 != 0) {
            continue;  // 416 of the 40320 orders
        }
        Routes routes;
        for (const std::string_view pattern : patterns) {
            routes.get(pattern);
        }
        ASSERT_EQ(routes.get_path("/a/b"), "GET /a/b");
        ASSERT_EQ(routes.get_path("/a/c"), "GET /a/{x}");
        ASSERT_EQ(routes.parameter("x"), "c");
        ASSERT_EQ(routes.get_path("/c/b"), "GET /{x}/b");
        ASSERT_EQ(routes.get_path("/c/d"), "GET /{x}/{y}");
        ASSERT_EQ(routes.parameter("y"), "d");
        ASSERT_EQ(routes.get_path("/a/b/c"), "GET /a/b/{rest...}");
        ASSERT_EQ(routes.get_path("/a/c/d"), "GET /a/{rest...}");
        ASSERT_EQ(routes.parameter("rest"), "c/d");
        ASSERT_EQ(routes.match().parameter_count, 1U);
        ASSERT_EQ(routes.get_path("/a/"), "GET /a/{rest...}");
        ASSERT_EQ(routes.get_path("/c/d/e"), "GET /{x}/{rest...}");
        ASSERT_EQ(routes.parameter("x"), "c");
        ASSERT_EQ(routes.parameter("rest"), "d/e");
        ASSERT_EQ(routes.get_path("/c"), "GET /{rest...}");
    } while (std::ranges::next_permutation(patterns).found);
    EXPECT_EQ(order, 40320U);
}

TEST(RouterTest, LiteralsMatchTheirEncodedForms) {
    Routes routes;
    routes.get("/a b/c~d").get("/x/{id}").get("/p%q");
    EXPECT_EQ(routes.get_path("/a%20b/c~d"), "GET /a b/c~d");
    EXPECT_EQ(routes.get_path("/%61%20%62/%63%7E%64"), "GET /a b/c~d");
    EXPECT_EQ(routes.get_path("/%78/y"), "GET /x/{id}");
    EXPECT_EQ(routes.get_path("/p%25q"), "GET /p%q");
    for (const std::string_view path :
         {"/a%2520b/c~d", "/a%2/c~d", "/a+b/c~d", "/%58/y", "/x%2fy", "/a%20b%2fc~d"}) {
        EXPECT_EQ(routes.get_path(path), "no path") << path;
    }
}

TEST(RouterTest, KeepsMethodsApart) {
    Routes routes;
    routes.get("/a").on(Method::put, "/a").on(Method::delete_, "/{x}");
    EXPECT_EQ(routes.find(Method::get, "/a"), "GET /a");
    EXPECT_EQ(routes.find(Method::put, "/a"), "PUT /a");
    // A route that does not have the method lets a less particular one have it.
    EXPECT_EQ(routes.find(Method::delete_, "/a"), "DELETE /{x}");
    EXPECT_EQ(routes.parameter("x"), "a");
    EXPECT_EQ(routes.find(Method::get, "/b"), "no method");
}

constexpr std::uint16_t bits(std::initializer_list<Method> methods) {
    unsigned value = 0;
    for (const Method method : methods) {
        value |= 1U << static_cast<unsigned>(method);
    }
    return static_cast<std::uint16_t>(value);
}

TEST(RouterTest, SaysWhichMethodsThePathHas) {
    Routes routes;
    routes.get("/a").on(Method::post, "/{x}").on(Method::put, "/b");
    EXPECT_EQ(routes.find(Method::patch, "/a"), "no method");
    EXPECT_EQ(routes.match().allowed, bits({Method::get, Method::head, Method::post}));
    EXPECT_EQ(routes.find(Method::get, "/b"), "no method");
    EXPECT_EQ(routes.match().allowed, bits({Method::put, Method::post}));
    EXPECT_EQ(routes.find(Method::get, "/c"), "no method");
    EXPECT_EQ(routes.match().allowed, bits({Method::post}));
    EXPECT_EQ(routes.find(Method::other, "/b"), "no method");
    EXPECT_EQ(routes.find(Method::connect, "/b"), "no method");
    EXPECT_EQ(routes.find(Method::get, "/c/d"), "no path");
    EXPECT_EQ(routes.match().allowed, 0U);
    EXPECT_EQ(routes.router().all_methods(),
              bits({Method::get, Method::head, Method::post, Method::put}));
}

TEST(RouterTest, WritesTheAllowField) {
    EXPECT_EQ(Router::allow_value(0), "OPTIONS");
    EXPECT_EQ(Router::allow_value(bits({Method::get, Method::head})), "GET, HEAD, OPTIONS");
    EXPECT_EQ(Router::allow_value(bits({Method::options})), "OPTIONS");
    EXPECT_EQ(Router::allow_value(
                  bits({Method::patch, Method::delete_, Method::put, Method::post, Method::trace})),
              "POST, PUT, DELETE, OPTIONS, PATCH, TRACE");
}

TEST(RouterTest, HeadGoesToGetUnlessItHasItsOwn) {
    Routes routes;
    routes.get("/a").get("/b").on(Method::head, "/b").on(Method::post, "/c");
    EXPECT_EQ(routes.find(Method::head, "/a"), "GET /a");
    EXPECT_EQ(routes.find(Method::head, "/b"), "HEAD /b");
    EXPECT_EQ(routes.find(Method::get, "/b"), "GET /b");
    EXPECT_EQ(routes.find(Method::head, "/c"), "no method");
}

TEST(RouterTest, BuffersContentForTheMethodsThatHaveOne) {
    Router router;
    const Handler nothing = [](const Request&, const Responder&) {};
    for (const Method method : {Method::get, Method::head, Method::options, Method::trace,
                                Method::post, Method::put, Method::patch, Method::delete_}) {
        router.on(method, "/", nothing);
        Router::Match match;
        router.find(method, "/", match);
        const bool has_content = method == Method::post || method == Method::put ||
                                 method == Method::patch || method == Method::delete_;
        EXPECT_EQ(match.mode, has_content ? ContentMode::buffered : ContentMode::ignored)
            << name_of(method);
    }
    router.on(Method::get, "/x", nothing, ContentMode::buffered);
    router.on(Method::post, "/x", nothing, ContentMode::ignored);
    Router::Match match;
    router.find(Method::head, "/x", match);
    EXPECT_EQ(match.mode, ContentMode::buffered);
    router.find(Method::post, "/x", match);
    EXPECT_EQ(match.mode, ContentMode::ignored);
}

TEST(RouterTest, HasRoomForItsMostParameters) {
    Routes routes;
    routes.get("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}");
    EXPECT_EQ(routes.get_path("/1/2/3/4/5/6/7/8/9"), "GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}");
    EXPECT_EQ(routes.match().parameter_count, 8U);
    EXPECT_EQ(routes.parameter("a"), "1");
    EXPECT_EQ(routes.parameter("h"), "8/9");
}

TEST(RouterDeathTest, AMalformedPatternIsABug) {
    Router router;
    const Handler nothing = [](const Request&, const Responder&) {};
    for (const std::string_view pattern : {"", "a", "{a}", "*"}) {
        EXPECT_DEATH(router.get(pattern, nothing), "begins with a slash") << pattern;
    }
    for (const std::string_view pattern :
         {"/{}", "/{a", "/a}", "/x{a}", "/{a}x", "/{", "/}", "/a{b}c"}) {
        EXPECT_DEATH(router.get(pattern, nothing), "a parameter is a whole segment") << pattern;
    }
    for (const std::string_view pattern : {"/{...}", "/{a b}", "/{{a}}", "/{a:b}"}) {
        EXPECT_DEATH(router.get(pattern, nothing), "is a token") << pattern;
    }
    EXPECT_DEATH(router.get("/{a...}/b", nothing), "stands at the end");
    EXPECT_DEATH(router.get("/{a...}/", nothing), "stands at the end");
    EXPECT_DEATH(router.get("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", nothing), "too many");
}

TEST(RouterDeathTest, ARouteThatIsThereOrCannotBeIsABug) {
    Router router;
    const Handler nothing = [](const Request&, const Responder&) {};
    router.get("/a", nothing);
    router.get("/b/{x}", nothing);
    EXPECT_DEATH(router.get("/a", nothing), "there already");
    EXPECT_DEATH(router.get("/b/{x}", nothing), "there already");
    EXPECT_DEATH(router.on(Method::connect, "/c", nothing), "cannot be routed");
    EXPECT_DEATH(router.on(Method::other, "/c", nothing), "cannot be routed");
    EXPECT_DEATH(router.get("/c", Handler()), "needs a handler");
}

}  // namespace
}  // namespace enduring::http
