#include "http/request.hpp"

#include <algorithm>
#include <string>

#include "http/percent.hpp"
#include "http/responder.hpp"

namespace enduring::http {

namespace {

// application/x-www-form-urlencoded: WHATWG URL, §5.1.
std::optional<std::string> form_decode(std::string_view encoded) {
    std::string text(encoded);
    std::ranges::replace(text, '+', ' ');
    return percent_decode(text);
}

}  // namespace

std::optional<std::string> Request::decoded_parameter(std::string_view name) const {
    const auto parameter = std::ranges::find(parameters_, name, &Parameter::name);
    return parameter == parameters_.end() ? std::nullopt : percent_decode(parameter->value);
}

std::optional<std::string> Request::query_value(std::string_view name) const {
    std::string_view rest = query();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        const std::string_view pair = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (form_decode(pair.substr(0, equals)) == name) {
            return form_decode(pair.substr(std::min(equals + 1, pair.size())));
        }
    }
    return std::nullopt;
}

std::optional<core::Address> Request::peer() const {
    return peers_ == nullptr ? std::nullopt : peers_->peer(connection_);
}

}  // namespace enduring::http
