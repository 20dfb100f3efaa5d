#include "http/media_type.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/text.hpp"

namespace enduring::http {

namespace {

using Entry = std::pair<std::string_view, std::string_view>;

// Sorted by extension, for the binary search.
constexpr std::array types{
    Entry{"7z", "application/x-7z-compressed"},
    Entry{"aac", "audio/aac"},
    Entry{"apng", "image/apng"},
    Entry{"atom", "application/atom+xml"},
    Entry{"avif", "image/avif"},
    Entry{"bmp", "image/bmp"},
    Entry{"bz2", "application/x-bzip2"},
    Entry{"c", "text/plain; charset=utf-8"},
    Entry{"conf", "text/plain; charset=utf-8"},
    Entry{"cpp", "text/plain; charset=utf-8"},
    Entry{"css", "text/css; charset=utf-8"},
    Entry{"csv", "text/csv; charset=utf-8"},
    Entry{"eot", "application/vnd.ms-fontobject"},
    Entry{"epub", "application/epub+zip"},
    Entry{"flac", "audio/flac"},
    Entry{"gif", "image/gif"},
    Entry{"gz", "application/gzip"},
    Entry{"h", "text/plain; charset=utf-8"},
    Entry{"hpp", "text/plain; charset=utf-8"},
    Entry{"htm", "text/html; charset=utf-8"},
    Entry{"html", "text/html; charset=utf-8"},
    Entry{"ico", "image/vnd.microsoft.icon"},
    Entry{"ics", "text/calendar; charset=utf-8"},
    Entry{"jpeg", "image/jpeg"},
    Entry{"jpg", "image/jpeg"},
    Entry{"js", "text/javascript; charset=utf-8"},
    Entry{"json", "application/json"},
    Entry{"jsonld", "application/ld+json"},
    Entry{"jxl", "image/jxl"},
    Entry{"log", "text/plain; charset=utf-8"},
    Entry{"m4a", "audio/mp4"},
    Entry{"map", "application/json"},
    Entry{"md", "text/markdown; charset=utf-8"},
    Entry{"mid", "audio/midi"},
    Entry{"mjs", "text/javascript; charset=utf-8"},
    Entry{"mkv", "video/matroska"},
    Entry{"mov", "video/quicktime"},
    Entry{"mp3", "audio/mpeg"},
    Entry{"mp4", "video/mp4"},
    Entry{"mpeg", "video/mpeg"},
    Entry{"oga", "audio/ogg"},
    Entry{"ogg", "audio/ogg"},
    Entry{"ogv", "video/ogg"},
    Entry{"opus", "audio/ogg"},
    Entry{"otf", "font/otf"},
    Entry{"pdf", "application/pdf"},
    Entry{"png", "image/png"},
    Entry{"rss", "application/rss+xml"},
    Entry{"rtf", "application/rtf"},
    Entry{"svg", "image/svg+xml"},
    Entry{"tar", "application/x-tar"},
    Entry{"tif", "image/tiff"},
    Entry{"tiff", "image/tiff"},
    Entry{"toml", "application/toml"},
    Entry{"ttf", "font/ttf"},
    Entry{"txt", "text/plain; charset=utf-8"},
    Entry{"wasm", "application/wasm"},
    Entry{"wav", "audio/wav"},
    Entry{"weba", "audio/webm"},
    Entry{"webm", "video/webm"},
    Entry{"webmanifest", "application/manifest+json"},
    Entry{"webp", "image/webp"},
    Entry{"woff", "font/woff"},
    Entry{"woff2", "font/woff2"},
    Entry{"xhtml", "application/xhtml+xml"},
    Entry{"xml", "application/xml"},
    Entry{"xz", "application/x-xz"},
    Entry{"yaml", "application/yaml"},
    Entry{"yml", "application/yaml"},
    Entry{"zip", "application/zip"},
    Entry{"zst", "application/zstd"},
};
static_assert(std::ranges::is_sorted(types, {}, &Entry::first));

constexpr std::size_t extension_bytes_max = 11;

}  // namespace

std::string_view media_type_of(std::string_view path) noexcept {
    constexpr std::string_view unknown = "application/octet-stream";
    const std::string_view name = path.substr(path.rfind('/') + 1);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || name.size() - dot - 1 > extension_bytes_max) {
        return unknown;
    }
    std::array<char, extension_bytes_max> lower{};
    const std::string_view extension = name.substr(dot + 1);
    std::ranges::transform(extension, lower.begin(), to_lower);
    const std::string_view wanted(lower.data(), extension.size());
    const auto found = std::ranges::lower_bound(types, wanted, {}, &Entry::first);
    return found != types.end() && found->first == wanted ? found->second : unknown;
}

}  // namespace enduring::http
