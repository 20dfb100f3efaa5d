#include "http/owned_response.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace enduring::http {

OwnedResponse::OwnedResponse(Response&& response) : response_(response.status()) {
    std::size_t size = response.content_type().size();
    for (const Field& field : response.fields()) {
        size += field.name.size() + field.value.size();
    }
    texts_ = std::make_unique_for_overwrite<char[]>(size);
    char* end = texts_.get();
    const auto own = [&end](std::string_view text) {
        const std::string_view owned(end, text.size());
        end = std::ranges::copy(text, end).out;
        return owned;
    };
    response_.content_type(own(response.content_type()));
    for (const Field& field : response.fields()) {
        const std::string_view name = own(field.name);
        response_.field(name, own(field.value));
    }
    if (const auto* view = std::get_if<std::string_view>(&response.content())) {
        if (view->size() == response.content_size()) {
            response_.content(std::string(*view));
        } else {
            response_.content_size(response.content_size());
        }
    } else {
        std::visit([this](auto& content) { response_.content(std::move(content)); },
                   response.take_content());
    }
    if (response.closes()) {
        response_.close();
    }
}

}  // namespace enduring::http
