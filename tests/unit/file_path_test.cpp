// From the path of a request to a path below a directory: nothing leads out of it.
#include "http/file_path.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>

namespace enduring::http {
namespace {

struct Case {
    std::string_view path;
    std::string_view relative;
    bool directory;
};

TEST(FilePathTest, ResolvesPaths) {
    constexpr std::array cases{
        Case{"", "", true},
        Case{"/", "", true},
        Case{"//", "", true},
        Case{"a", "a", false},
        Case{"/a", "a", false},
        Case{"/a/", "a", true},
        Case{"/a/b.html", "a/b.html", false},
        Case{"//a//b//", "a/b", true},
        Case{"/./a/./b", "a/b", false},
        Case{"/a/.", "a", false},
        Case{"/%2e/a", "a", false},
        Case{"/%61%2Ehtml", "a.html", false},
        Case{"/a%20b", "a b", false},
        Case{"/%C3%A4", "\xc3\xa4", false},
        Case{"/...", "...", false},
        Case{"/..a/b..", "..a/b..", false},
        Case{"/a%252e%252e", "a%2e%2e", false},
        Case{"/a\\..\\b", "a\\..\\b", false},
        Case{"/a%5c", "a\\", false},
        Case{"/~root", "~root", false},
        Case{"/.hidden", ".hidden", false},
    };
    for (const Case& c : cases) {
        const FilePath path = resolve_file_path(c.path);
        EXPECT_EQ(path.status, Status::ok) << c.path;
        EXPECT_EQ(path.relative, c.relative) << c.path;
        EXPECT_EQ(path.directory, c.directory) << c.path;
    }
}

TEST(FilePathTest, NeverGoesUp) {
    for (const std::string_view path :
         {"..", "/..", "/../", "/../etc/passwd", "/a/..", "/a/../b", "/a/b/../../..", "/%2e%2e",
          "/%2E%2e/a", "/.%2e", "/%2e./a", "/a/%2e%2e/%2e%2e/b", "//..", "/./.."}) {
        EXPECT_EQ(resolve_file_path(path).status, Status::not_found) << path;
    }
}

TEST(FilePathTest, AnEncodedSlashNamesNoFile) {
    for (const std::string_view path :
         {"/%2f", "/a%2fb", "/a%2Fb", "/..%2f..", "/%2e%2e%2fetc", "/a/%2fetc/passwd"}) {
        EXPECT_EQ(resolve_file_path(path).status, Status::not_found) << path;
    }
}

TEST(FilePathTest, RefusesNulAndBrokenPercentEncoding) {
    for (const std::string_view path :
         {"/%00", "/a%00.html", "/a.html%00", "/%", "/%4", "/a%zz", "/a/%/b", "/%2", "/%2/e"}) {
        EXPECT_EQ(resolve_file_path(path).status, Status::bad_request) << path;
    }
    EXPECT_EQ(resolve_file_path(std::string_view("/a\0b", 4)).status, Status::bad_request);
}

// Whatever comes out has only honest segments: no empty ones, no "." or "..", no NUL.
TEST(FilePathTest, WhatComesOutStaysBelowWhateverGoesIn) {
    constexpr std::array<std::string_view, 14> pieces{
        "/", ".", "..", "%2e", "%2E", "%2f", "a", "%00", "%25", "//", "%", "2e", "\\", "%5c"};
    std::mt19937 random(1);
    unsigned resolved = 0;
    for (unsigned round = 0; round < 20'000; ++round) {
        std::string path;
        for (auto count = random() % 8; count > 0; --count) {
            path += pieces[random() % pieces.size()];
        }
        const FilePath result = resolve_file_path(path);
        if (result.status != Status::ok) {
            continue;
        }
        ++resolved;
        ASSERT_FALSE(result.relative.contains('\0')) << path;
        std::string_view rest = result.relative;
        while (!rest.empty()) {
            const std::size_t slash = std::min(rest.find('/'), rest.size());
            const std::string_view segment = rest.substr(0, slash);
            ASSERT_FALSE(segment.empty() || segment == "." || segment == "..") << path;
            ASSERT_NE(slash + 1, rest.size()) << path << " gives a slash at the end";
            rest.remove_prefix(std::min(slash + 1, rest.size()));
        }
    }
    EXPECT_GT(resolved, 1000U);
}

}  // namespace
}  // namespace enduring::http
