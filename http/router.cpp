#include "http/router.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "http/percent.hpp"

namespace enduring::http {

namespace {

constexpr std::uint16_t bit_of(Method method) noexcept {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(method));
}

// A literal matches its percent-encoded forms as well: RFC 3986 §6.2.2.2.
bool equals_decoded(std::string_view encoded, std::string_view literal) {
    if (!encoded.contains('%')) {
        return encoded == literal;
    }
    const auto decoded = percent_decode(encoded);
    return decoded && *decoded == literal;
}

// Takes the next segment of a path off its front, with the slash before it.
std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

}  // namespace

Router& Router::on(Method method, std::string_view pattern, Handler handler, ContentMode mode) {
    ENDURING_CHECK(method != Method::other && method != Method::connect,
                   "this method cannot be routed");
    ENDURING_CHECK(handler != nullptr, "a route needs a handler");
    std::vector<Segment> segments = parse(pattern);
    auto route = std::ranges::find(routes_, segments, &Route::segments);
    if (route == routes_.end()) {
        Route made;
        made.segments = std::move(segments);
        route = routes_.insert(std::ranges::upper_bound(routes_, made, precedes), std::move(made));
    }
    auto& action = route->actions[static_cast<unsigned>(method)];
    ENDURING_CHECK(action == nullptr, "this route is there already");
    action = std::make_unique<Action>(Action{std::move(handler), mode});
    route->methods |= bit_of(method);
    if (method == Method::get) {
        route->methods |= bit_of(Method::head);
    }
    all_methods_ |= route->methods;
    return *this;
}

Router& Router::on(Method method, std::string_view pattern, Handler handler) {
    const bool usual = method == Method::post || method == Method::put || method == Method::patch ||
                       method == Method::delete_;
    return on(method, pattern, std::move(handler),
              usual ? ContentMode::buffered : ContentMode::ignored);
}

std::vector<Router::Segment> Router::parse(std::string_view pattern) {
    ENDURING_CHECK(pattern.starts_with('/'), "a pattern begins with a slash");
    std::vector<Segment> segments;
    std::size_t parameters = 0;
    while (!pattern.empty()) {
        std::string_view text = take_segment(pattern);
        if (!text.contains('{') && !text.contains('}')) {
            segments.push_back({Segment::Kind::literal, std::string(text)});
            continue;
        }
        ENDURING_CHECK(text.starts_with('{') && text.ends_with('}') && text.size() > 2,
                       "a parameter is a whole segment: {name}");
        text = text.substr(1, text.size() - 2);
        const bool rest = text.ends_with("...");
        text.remove_suffix(rest ? 3 : 0);
        ENDURING_CHECK(is_token(text) && !text.contains('{'), "the name of a parameter is a token");
        ENDURING_CHECK(!rest || pattern.empty(), "{name...} stands at the end");
        ENDURING_CHECK(++parameters <= parameters_max, "a pattern has too many parameters");
        segments.push_back(
            {rest ? Segment::Kind::rest : Segment::Kind::parameter, std::string(text)});
    }
    return segments;
}

bool Router::precedes(const Route& a, const Route& b) {
    return std::ranges::lexicographical_compare(a.segments, b.segments, {}, &Segment::kind,
                                                &Segment::kind);
}

bool Router::fits(const Route& route, std::string_view path, Match& match) {
    match.parameter_count = 0;
    for (const Segment& segment : route.segments) {
        if (path.empty()) {
            return false;
        }
        if (segment.kind == Segment::Kind::rest) {
            match.parameters[match.parameter_count++] = {segment.text, path.substr(1)};
            return true;
        }
        const std::string_view text = take_segment(path);
        if (segment.kind == Segment::Kind::parameter) {
            if (text.empty()) {
                return false;
            }
            match.parameters[match.parameter_count++] = {segment.text, text};
        } else if (!equals_decoded(text, segment.text)) {
            return false;
        }
    }
    return path.empty();
}

void Router::find(Method method, std::string_view path, Match& match) const {
    match.kind = Match::Kind::no_path;
    match.allowed = 0;
    if (!path.starts_with('/')) {
        return;
    }
    for (const Route& route : routes_) {
        if (!fits(route, path, match)) {
            continue;
        }
        const Action* action = route.actions[static_cast<unsigned>(method)].get();
        if (action == nullptr && method == Method::head) {
            action = route.actions[static_cast<unsigned>(Method::get)].get();
        }
        if (action != nullptr) {
            match.kind = Match::Kind::found;
            match.handler = &action->handler;
            match.mode = action->mode;
            return;
        }
        match.kind = Match::Kind::no_method;
        match.allowed |= route.methods;
    }
}

std::string Router::allow_value(std::uint16_t methods) {
    methods |= bit_of(Method::options);
    std::string value;
    for (unsigned i = 0; i < method_count; ++i) {
        const auto method = static_cast<Method>(i);
        if ((methods & bit_of(method)) != 0) {
            value += value.empty() ? "" : ", ";
            value += name_of(method);
        }
    }
    return value;
}

}  // namespace enduring::http
