// Request methods: RFC 9110 §9, and PATCH of RFC 5789.
#pragma once

#include <cstdint>
#include <string_view>

namespace enduring::http {

enum class Method : std::uint8_t {
    get,
    head,
    post,
    put,
    delete_,
    options,
    patch,
    trace,
    connect,
    other,  ///< a registered method that this library gives no meaning
};
inline constexpr unsigned method_count = 10;

/// As it is written in a request; "?" for Method::other.
constexpr std::string_view name_of(Method method) noexcept {
    constexpr std::string_view names[method_count] = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "?"};
    return names[static_cast<unsigned>(method)];
}

}  // namespace enduring::http
