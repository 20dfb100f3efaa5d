// Finds the handler for a method and a path. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/handler.hpp"
#include "http/method.hpp"

namespace enduring::http {

/// What happens to a request's content before its handler is called.
enum class ContentMode : std::uint8_t {
    ignored,   ///< read and dropped, up to a limit; the handler sees none
    buffered,  ///< collected up to a limit, and given to the handler whole
    streamed,  ///< the handler is called first; it takes the pieces: see RequestContent
};

/// Routes are added before the server starts; finding one is then thread-safe.
class Router {
  public:
    static constexpr std::size_t parameters_max = 8;

    /// Routes requests of that method whose path fits the pattern: literal segments, {name} for one
    /// segment that is not empty, {name...} at the end for the rest (which may be empty). Where
    /// several fit, a literal beats a {name} and a {name} the rest, from left to right. HEAD goes
    /// to the handler of GET unless it has one of its own; the response is then sent without
    /// content. A pattern that is malformed, or is there already, is a bug and aborts.
    Router& on(Method method, std::string_view pattern, Handler handler, ContentMode mode);
    /// The same, with the content buffered for methods that have one, else ignored.
    Router& on(Method method, std::string_view pattern, Handler handler);

    Router& get(std::string_view pattern, Handler handler) {
        return on(Method::get, pattern, std::move(handler));
    }
    Router& post(std::string_view pattern, Handler handler) {
        return on(Method::post, pattern, std::move(handler));
    }

    struct Match {
        enum class Kind : std::uint8_t { found, no_path, no_method };
        Kind kind = Kind::no_path;
        const Handler* handler = nullptr;
        ContentMode mode = ContentMode::ignored;
        std::uint16_t allowed = 0;  ///< with no_method: bits of the methods that the path has
        std::uint8_t parameter_count = 0;
        std::array<Parameter, parameters_max> parameters;

        [[nodiscard]] bool is_streamed() const noexcept {
            return kind == Kind::found && mode == ContentMode::streamed;
        }
        [[nodiscard]] std::span<const Parameter> used_parameters() const noexcept {
            return std::span(parameters).first(parameter_count);
        }
    };

    /// The views of the match point into the path and into this router.
    void find(Method method, std::string_view path, Match& match) const;

    /// The methods as the value of an Allow field, with OPTIONS; for the server as a whole with all
    /// that any route has.
    [[nodiscard]] static std::string allow_value(std::uint16_t methods);
    [[nodiscard]] std::uint16_t all_methods() const noexcept { return all_methods_; }

  private:
    struct Segment {
        enum class Kind : std::uint8_t { literal, parameter, rest };
        Kind kind;
        std::string text;  // the literal, or the name

        friend bool operator==(const Segment&, const Segment&) = default;
    };
    struct Action {
        Handler handler;
        ContentMode mode;
    };
    struct Route {
        std::vector<Segment> segments;
        std::array<std::unique_ptr<Action>, method_count> actions;
        std::uint16_t methods = 0;
    };

    static std::vector<Segment> parse(std::string_view pattern);
    static bool precedes(const Route& a, const Route& b);
    static bool fits(const Route& route, std::string_view path, Match& match);

    std::vector<Route> routes_;  // the more particular first
    std::uint16_t all_methods_ = 0;
};

}  // namespace enduring::http
