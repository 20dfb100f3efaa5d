// Serves the regular files below a directory, and nothing else.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/result.hpp"
#include "http/handler.hpp"

namespace enduring::http {

/// A handler for GET of a route that ends in {path...}: regular files below the root, index.html
/// for directories (301 to the form with a slash), media types by extension, Last-Modified and ETag
/// with 304, one byte range (RFC 9110 §14). Nothing outside the root is ever opened, whatever the
/// path or symbolic links say: openat2(2) with RESOLVE_BENEATH. Small files are kept in memory and
/// sent from there as long as stat(2) says that they are unchanged, for at most ten seconds; what
/// is larger is streamed in bounded memory, and its descriptor is kept as long (no more than
/// FileCache::descriptors_max). Thread-safe: each thread keeps files of its own.
class StaticFiles {
  public:
    /// Memory of each thread for small files.
    static constexpr std::size_t cache_bytes_default = 16 * 1024 * 1024;

    /// root: a directory that exists; it stays open, so that it may be moved. cache_bytes: 0 keeps
    /// nothing, and no descriptor.
    static core::Result<StaticFiles> open(const std::string& root,
                                          std::size_t cache_bytes = cache_bytes_default);

    void operator()(const Request& request, Responder responder) const;

  private:
    struct Root;
    explicit StaticFiles(std::shared_ptr<const Root> root) : root_(std::move(root)) {}

    std::shared_ptr<const Root> root_;
};

}  // namespace enduring::http
