// From the path of a request to a path below a directory. Pure: no file is looked at.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/status.hpp"

namespace enduring::http {

struct FilePath {
    /// Status::ok, or why there can be no such file: 400 for what is malformed, 404 else.
    Status status = Status::ok;
    /// Relative, without "..", "." and empty segments; empty for the directory itself.
    std::string relative{};
    /// The request's path ended with a slash.
    bool directory = false;
};

/// path: percent-encoded, as in the request; a leading slash is optional.
[[nodiscard]] FilePath resolve_file_path(std::string_view path);

}  // namespace enduring::http
