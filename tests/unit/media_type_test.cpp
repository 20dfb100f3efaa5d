// Media types by the end of a name.
#include "http/media_type.hpp"

#include <gtest/gtest.h>

#include <string>

namespace enduring::http {
namespace {

constexpr const char* unknown = "application/octet-stream";

TEST(MediaTypeTest, KnowsWhatTheWebIsMadeOf) {
    EXPECT_EQ(media_type_of("index.html"), "text/html; charset=utf-8");
    EXPECT_EQ(media_type_of("a.css"), "text/css; charset=utf-8");
    EXPECT_EQ(media_type_of("a.js"), "text/javascript; charset=utf-8");
    EXPECT_EQ(media_type_of("a.mjs"), "text/javascript; charset=utf-8");
    EXPECT_EQ(media_type_of("a.json"), "application/json");
    EXPECT_EQ(media_type_of("a.svg"), "image/svg+xml");
    EXPECT_EQ(media_type_of("a.png"), "image/png");
    EXPECT_EQ(media_type_of("a.jpg"), "image/jpeg");
    EXPECT_EQ(media_type_of("a.jpeg"), "image/jpeg");
    EXPECT_EQ(media_type_of("a.webp"), "image/webp");
    EXPECT_EQ(media_type_of("a.wasm"), "application/wasm");
    EXPECT_EQ(media_type_of("a.woff2"), "font/woff2");
    EXPECT_EQ(media_type_of("a.txt"), "text/plain; charset=utf-8");
    EXPECT_EQ(media_type_of("a.pdf"), "application/pdf");
}

TEST(MediaTypeTest, FindsTheFirstTheLastAndTheLongestOfTheTable) {
    EXPECT_EQ(media_type_of("a.7z"), "application/x-7z-compressed");
    EXPECT_EQ(media_type_of("a.zst"), "application/zstd");
    EXPECT_EQ(media_type_of("a.webmanifest"), "application/manifest+json");
}

TEST(MediaTypeTest, LooksAtTheLastExtensionOfTheLastSegmentInAnyCase) {
    EXPECT_EQ(media_type_of("a.tar.gz"), "application/gzip");
    EXPECT_EQ(media_type_of("a.b/c.HTML"), "text/html; charset=utf-8");
    EXPECT_EQ(media_type_of("/x/y/a.JpEg"), "image/jpeg");
    EXPECT_EQ(media_type_of(".html"), "text/html; charset=utf-8");
}

TEST(MediaTypeTest, SaysNothingWhenTheExtensionSaysNothing) {
    for (const std::string path :
         {"", "/", "a", "html", "a.", "a.html/", "a.html/b", "a.unknown", "a.htmlx", "a.htm l",
          "a.webmanifesto", "a.webmanifestwebmanifest", "a.\xff", "..", "a.html.", "a.ht"}) {
        EXPECT_EQ(media_type_of(path), unknown) << path;
    }
}

}  // namespace
}  // namespace enduring::http
