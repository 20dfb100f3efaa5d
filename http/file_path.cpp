#include "http/file_path.hpp"

#include <algorithm>

#include "http/percent.hpp"

namespace enduring::http {

FilePath resolve_file_path(std::string_view path) {
    FilePath result;
    result.directory = path.empty() || path.ends_with('/');
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const auto segment = percent_decode(path.substr(0, slash));
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (!segment || std::ranges::find(*segment, '\0') != segment->end()) {
            result.status = Status::bad_request;
            return result;
        }
        // An encoded slash is part of a name, and no file's name has one. ".." never leaves a
        // directory here, not even to come back.
        if (*segment == ".." || std::ranges::find(*segment, '/') != segment->end()) {
            result.status = Status::not_found;
            return result;
        }
        if (segment->empty() || *segment == ".") {
            continue;
        }
        if (!result.relative.empty()) {
            result.relative += '/';
        }
        result.relative += *segment;
    }
    return result;
}

}  // namespace enduring::http
