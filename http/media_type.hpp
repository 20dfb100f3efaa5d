// The media type of a file by the end of its name. Pure.
#pragma once

#include <string_view>

namespace enduring::http {

/// The value for Content-Type, with charset=utf-8 for text; "application/octet-stream" when the
/// extension says nothing.
[[nodiscard]] std::string_view media_type_of(std::string_view path) noexcept;

}  // namespace enduring::http
