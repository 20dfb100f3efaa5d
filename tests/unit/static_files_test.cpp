// Files of a real directory, through a service without sockets.
#include "http/static_files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/date.hpp"
#include "http/file_cache.hpp"
#include "http/open_file.hpp"
#include "session_fixture.hpp"

namespace enduring::http {
namespace {

namespace fs = std::filesystem;

class StaticFilesTest : public SessionFixture {
  protected:
    void SetUp() override {
        std::string path = (fs::temp_directory_path() / "static_files_test.XXXXXX").string();
        ASSERT_NE(::mkdtemp(path.data()), nullptr);
        outside_ = path;
        root_ = outside_ / "root";
        fs::create_directories(root_ / "dir" / "deep");
        // Another user must be able to come this far.
        fs::permissions(outside_, fs::perms(0755));
        write("index.html", "<p>index</p>");
        write("a.txt", "0123456789");
        write("dir/index.html", "<p>dir</p>");
        write("dir/deep/b.css", "p{}");
        write("empty", "");
        write("../secret.txt", "secret");
        for (const std::string_view path_with_time : {"index.html", "a.txt"}) {
            set_time(path_with_time, modified_);
        }
        auto files = StaticFiles::open(root_.string());
        ASSERT_TRUE(files);
        router_.get("/{path...}", *files);
        start();
    }
    void TearDown() override {
        SessionFixture::TearDown();
        fs::remove_all(outside_);
    }

    void write(const fs::path& name, std::string_view content) const {
        std::ofstream(root_ / name, std::ios::binary) << content;
    }
    static std::size_t descriptors() {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) {
            ++count;
        }
        return count;
    }
    /// As long as a file stays open that nobody is sent.
    void pass_time() {
        pass_ms(static_cast<std::uint64_t>(FileCache::read_again_after_seconds) * 1000 + 1);
    }
    /// Reads that this process has made, those of this number included.
    static std::uint64_t reads() {
        std::ifstream counters("/proc/self/io");
        std::string name;
        std::uint64_t value = 0;
        while (counters >> name >> value && name != "syscr:") {
        }
        return value;
    }
    /// Waits until what was written is old enough to be kept; changes are dated in whole seconds.
    static void settle() {
        std::this_thread::sleep_for(std::chrono::seconds(FileCache::settled_after_seconds + 1));
    }
    void set_time(const fs::path& name, std::int64_t seconds) const {
        const std::array<timespec, 2> times{timespec{seconds, 123}, timespec{seconds, 123}};
        ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / name).c_str(), times.data(), 0), 0);
    }

    std::string request(std::string_view target, std::string_view fields = {},
                        std::string_view method = "GET") {
        return exchange(std::string(method) + " " + std::string(target) +
                        " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n");
    }
    static unsigned status_of(std::string_view received) {
        return received.size() < 12
                   ? 0U
                   : static_cast<unsigned>(std::stoul(std::string(received.substr(9, 3))));
    }
    static std::optional<std::string> field_of(std::string_view received, std::string_view name) {
        const std::string start = "\r\n" + std::string(name) + ": ";
        const std::size_t at = received.find(start);
        if (at == std::string_view::npos || at > received.find("\r\n\r\n")) {
            return std::nullopt;
        }
        const std::size_t begin = at + start.size();
        return std::string(received.substr(begin, received.find("\r\n", begin) - begin));
    }
    static std::string content_of(std::string_view received) {
        return std::string(received.substr(received.find("\r\n\r\n") + 4));
    }

    static constexpr std::int64_t modified_ = 784111777;
    static constexpr std::string_view modified_date_ = "Sun, 06 Nov 1994 08:49:37 GMT";
    fs::path outside_;
    fs::path root_;
};

TEST_F(StaticFilesTest, ServesAFileWithItsFields) {
    EXPECT_EQ(request("/a.txt"),
              response("200 OK",
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "ETag: \"2ebc98a1-7b-a\"\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n",
                       "0123456789"));
    EXPECT_EQ(content_of(request("/dir/deep/b.css")), "p{}");
    EXPECT_EQ(field_of(request("/dir/deep/b.css"), "Content-Type"), "text/css; charset=utf-8");
    EXPECT_EQ(content_of(request("//a.txt")), "0123456789");
    EXPECT_EQ(content_of(request("/%61%2Etxt?query")), "0123456789");
    const std::string empty = request("/empty");
    EXPECT_EQ(status_of(empty), 200U);
    EXPECT_EQ(field_of(empty, "Content-Length"), "0");
    EXPECT_EQ(field_of(empty, "Content-Type"), "application/octet-stream");
}

TEST_F(StaticFilesTest, ADirectoryIsItsIndex) {
    EXPECT_EQ(content_of(request("/")), "<p>index</p>");
    EXPECT_EQ(content_of(request("/dir/")), "<p>dir</p>");
    EXPECT_EQ(field_of(request("/"), "Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(status_of(request("/dir/deep/")), 404U);
    // An index that is a directory is none.
    fs::create_directories(root_ / "dir" / "deep" / "index.html");
    EXPECT_EQ(status_of(request("/dir/deep/")), 404U);
}

TEST_F(StaticFilesTest, ADirectoryWithoutTheSlashIsRedirected) {
    const std::string received = request("/dir");
    EXPECT_EQ(status_of(received), 301U);
    EXPECT_EQ(field_of(received, "Location"), "/dir/");
    EXPECT_EQ(field_of(request("/dir?a=b&c"), "Location"), "/dir/?a=b&c");
    EXPECT_EQ(field_of(request("/dir/deep"), "Location"), "/dir/deep/");
    EXPECT_EQ(field_of(request("/%64ir"), "Location"), "/%64ir/");
    EXPECT_EQ(status_of(request("/a.txt/")), 404U);
}

// "//dir/" would name a host of that name.
TEST_F(StaticFilesTest, ARedirectNeverLeavesTheServer) {
    fs::create_directories(root_ / "evil.example" / "x");
    for (const std::string_view target :
         {"//evil.example", "///evil.example", "////evil.example/x", "/.//evil.example",
          "http://h//evil.example", "//evil.example?q"}) {
        const std::string received = request(target);
        EXPECT_EQ(status_of(received), 301U) << target;
        const std::string location = field_of(received, "Location").value_or("");
        EXPECT_TRUE(location.starts_with('/')) << location;
        EXPECT_FALSE(location.starts_with("//")) << location;
    }
}

// Browsers take a backslash for a slash.
TEST_F(StaticFilesTest, ARedirectNeverLeavesTheServerByABackslashEither) {
    fs::create_directories(root_ / "\\evil.example");
    EXPECT_EQ(field_of(request("/%5Cevil.example"), "Location"), "/%5Cevil.example/");
    EXPECT_EQ(status_of(request("/\\evil.example")), 400U);
}

TEST_F(StaticFilesTest, NothingOutsideIsServed) {
    for (const std::string_view target :
         {"/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/dir/../../secret.txt",
          "/dir/%2e%2e/%2e%2e/secret.txt", "//../secret.txt", "/./../secret.txt"}) {
        const std::string received = request(target);
        EXPECT_EQ(status_of(received), 404U) << target;
        EXPECT_FALSE(received.contains("secret")) << target;
    }
    EXPECT_EQ(status_of(request("/a%00.txt")), 400U);
    EXPECT_EQ(status_of(request("/a%zz.txt")), 400U);
    EXPECT_EQ(status_of(request("/none")), 404U);
    EXPECT_EQ(status_of(request("/a.txt/none")), 404U);
    EXPECT_EQ(status_of(request("/" + std::string(300, 'x'))), 404U);
}

TEST_F(StaticFilesTest, LinksInsideWorkAndLinksOutsideDoNot) {
    fs::create_symlink("a.txt", root_ / "inside");
    fs::create_symlink("../a.txt", root_ / "dir" / "up-inside");
    fs::create_directory_symlink("dir", root_ / "dir-link");
    EXPECT_EQ(content_of(request("/inside")), "0123456789");
    EXPECT_EQ(content_of(request("/dir/up-inside")), "0123456789");
    EXPECT_EQ(content_of(request("/dir-link/deep/b.css")), "p{}");
    EXPECT_EQ(field_of(request("/dir-link"), "Location"), "/dir-link/");
    fs::create_symlink("../secret.txt", root_ / "outside");
    fs::create_symlink(root_ / "a.txt", root_ / "absolute");
    fs::create_directory_symlink("..", root_ / "parent");
    fs::create_directory_symlink("/", root_ / "top");
    fs::create_symlink("loop", root_ / "loop");
    fs::create_symlink("nowhere", root_ / "dangling");
    for (const std::string_view target : {"/outside", "/absolute", "/parent/secret.txt", "/parent/",
                                          "/top/etc/passwd", "/loop", "/dangling"}) {
        const std::string received = request(target);
        EXPECT_EQ(status_of(received), 404U) << target;
        EXPECT_FALSE(received.contains("secret")) << target;
    }
}

TEST_F(StaticFilesTest, OnlyRegularFilesAreServed) {
    ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0644), 0);
    EXPECT_EQ(status_of(request("/pipe")), 404U);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_GE(socket, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (root_ / "socket").string();
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(status_of(request("/socket")), 404U);
    ::close(socket);
}

// Root may read everything, so another user asks in a child.
TEST_F(StaticFilesTest, WhatMayNotBeReadIsForbidden) {
    write("private.txt", "private");
    fs::permissions(root_ / "private.txt", fs::perms::none);
    fs::create_directories(root_ / "closed");
    write("closed/a.txt", "private");
    fs::permissions(root_ / "closed", fs::perms::none);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        constexpr uid_t nobody = 65534;
        if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) {
            ::_exit(9);
        }
        const bool readable = status_of(request("/a.txt")) == 200;
        const bool file = status_of(request("/private.txt")) == 403;
        const bool directory = status_of(request("/closed/a.txt")) == 403;
        ::_exit((readable ? 0 : 1) | (file ? 0 : 2) | (directory ? 0 : 4));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    fs::permissions(root_ / "closed", fs::perms::owner_all);
}

TEST_F(StaticFilesTest, WhatTheClientHasIsNotSentAgain) {
    const std::string tag = *field_of(request("/a.txt"), "ETag");
    const std::string expected = response("304 Not Modified", "ETag: " + tag + "\r\n");
    EXPECT_EQ(request("/a.txt", "If-None-Match: " + tag + "\r\n"), expected);
    EXPECT_EQ(request("/a.txt", "If-None-Match: W/" + tag + "\r\n"), expected);
    EXPECT_EQ(request("/a.txt", "If-Modified-Since: " + std::string(modified_date_) + "\r\n"),
              expected);
    EXPECT_EQ(request("/a.txt", "If-None-Match: " + tag + "\r\n", "HEAD"), expected);
    EXPECT_EQ(status_of(request("/a.txt", "If-None-Match: \"other\"\r\n")), 200U);
    EXPECT_EQ(status_of(request("/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n")),
              200U);
    EXPECT_EQ(status_of(request("/a.txt", "If-Match: \"other\"\r\n")), 412U);
    EXPECT_EQ(status_of(request("/a.txt", "If-Match: " + tag + "\r\n")), 200U);
}

TEST_F(StaticFilesTest, TheTagChangesWithTheFile) {
    const std::string first = *field_of(request("/a.txt"), "ETag");
    write("a.txt", "01234567890");
    set_time("a.txt", modified_);
    const std::string longer = *field_of(request("/a.txt"), "ETag");
    EXPECT_NE(first, longer);
    set_time("a.txt", modified_ + 1);
    const std::string newer = *field_of(request("/a.txt"), "ETag");
    EXPECT_NE(longer, newer);
    const std::array<timespec, 2> times{timespec{modified_ + 1, 124}, timespec{modified_ + 1, 124}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / "a.txt").c_str(), times.data(), 0), 0);
    EXPECT_NE(newer, *field_of(request("/a.txt"), "ETag"));
}

// RFC 9110 §8.8.2.1: a date that lies ahead must not be sent.
TEST_F(StaticFilesTest, AFileFromTheFutureWasModifiedNow) {
    set_time("a.txt", ::time(nullptr) + 100'000);
    const std::int64_t now = ::time(nullptr);
    const auto date = parse_date(field_of(request("/a.txt"), "Last-Modified").value_or(""), now);
    ASSERT_TRUE(date);
    EXPECT_LE(*date, ::time(nullptr));
    EXPECT_GE(*date, now - 1);
}

TEST_F(StaticFilesTest, GivesOneRange) {
    const std::string part = request("/a.txt", "Range: bytes=2-4\r\n");
    EXPECT_EQ(part, response("206 Partial Content",
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Range: bytes 2-4/10\r\n"
                             "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "ETag: \"2ebc98a1-7b-a\"\r\nAccept-Ranges: bytes\r\n"
                             "Content-Length: 3\r\n",
                             "234"));
    EXPECT_EQ(content_of(request("/a.txt", "Range: bytes=-3\r\n")), "789");
    EXPECT_EQ(content_of(request("/a.txt", "Range: bytes=8-\r\n")), "89");
    EXPECT_EQ(field_of(request("/a.txt", "Range: bytes=8-100\r\n"), "Content-Range"),
              "bytes 8-9/10");
    const std::string beyond = request("/a.txt", "Range: bytes=10-\r\n");
    EXPECT_EQ(status_of(beyond), 416U);
    EXPECT_EQ(field_of(beyond, "Content-Range"), "bytes */10");
    EXPECT_EQ(content_of(request("/a.txt", "Range: bytes=0-1,3-4\r\n")), "0123456789");
    EXPECT_EQ(content_of(request("/a.txt", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n")),
              "0123456789");
    EXPECT_EQ(content_of(request("/a.txt", "Range: bytes=0-1\r\nIf-Range: \"2ebc98a1-7b-a\"\r\n")),
              "01");
}

TEST_F(StaticFilesTest, HeadHasTheSameFieldsAndNoContent) {
    const std::string whole = request("/a.txt");
    EXPECT_EQ(request("/a.txt", "", "HEAD"), whole.substr(0, whole.size() - 10));
    write("large", std::string(100'000, 'x'));
    const std::string large = request("/large", "", "HEAD");
    EXPECT_EQ(field_of(large, "Content-Length"), "100000");
    EXPECT_EQ(content_of(large), "");
    EXPECT_EQ(field_of(request("/dir", "", "HEAD"), "Location"), "/dir/");
    EXPECT_EQ(content_of(request("/dir", "", "HEAD")), "");
    EXPECT_EQ(content_of(request("/none", "", "HEAD")), "");
    EXPECT_EQ(status_of(request("/a.txt", "", "POST")), 405U);
}

// Up to 64 KiB a file goes out with its head; beyond, the loop streams it.
TEST_F(StaticFilesTest, ALargeFileIsStreamed) {
    write("limit", std::string(65'536, 'x'));
    EXPECT_EQ(content_of(request("/limit")), std::string(65'536, 'x'));
    write("large", std::string(65'537, 'x'));
    EXPECT_EQ(content_of(request("/large")), "<file 0+65537>");
    EXPECT_EQ(field_of(request("/large"), "Content-Length"), "65537");
    const core::FilePiece& piece = connections_.back()->files.back();
    std::array<char, 10> bytes{};
    EXPECT_EQ(::pread(piece.descriptor, bytes.data(), bytes.size(), 65'530), 7)
        << "the file stays open as long as the piece";
    EXPECT_EQ(content_of(request("/large", "Range: bytes=1-65535\r\n")).size(), 65'535U);
    EXPECT_EQ(content_of(request("/large", "Range: bytes=-5\r\n")), "xxxxx");
    write("larger", std::string(200'000, 'x'));
    EXPECT_EQ(content_of(request("/larger", "Range: bytes=1000-150000\r\n")), "<file 1000+149001>");
}

TEST_F(StaticFilesTest, NoDescriptorIsLeftOpen) {
    write("large", std::string(100'000, 'x'));
    request("/none");  // now what was kept of other directories has gone
    connections_.clear();
    const std::size_t before = descriptors();
    for (const std::string_view target : {"/a.txt", "/large", "/dir", "/dir/", "/none", "/../x"}) {
        for (const std::string_view method : {"GET", "HEAD"}) {
            request(target, "", method);
            request(target, "Range: bytes=5000000-\r\n", method);
            request(target, "If-None-Match: *\r\n", method);
        }
    }
    connections_.clear();
    EXPECT_EQ(descriptors(), before + 1) << "the large file's, for the next who wants it";
    pass_time();
    EXPECT_EQ(descriptors(), before);
}

TEST_F(StaticFilesTest, ALargeFileStaysOpenForAWhile) {
    write("large", std::string(100'000, 'x'));
    request("/large");
    const int first = connections_.back()->files.back().descriptor;
    request("/large");
    EXPECT_EQ(connections_.back()->files.back().descriptor, first);
    EXPECT_EQ(content_of(request("/large", "Range: bytes=-5\r\n")), "xxxxx");
    pass_time();
    request("/large");
    pass_time();
    EXPECT_NE(::fcntl(first, F_GETFD), -1) << "who is still sent it keeps it open";
    fs::remove(root_ / "large");
    EXPECT_EQ(status_of(request("/large")), 404U);
}

// Each change is seen from the next request on, as with small files.
TEST_F(StaticFilesTest, WhatStaysOpenIsTheFileOfNow) {
    const auto modified = [this] { return field_of(request("/large", "", "HEAD"), "ETag"); };
    write("large", std::string(100'000, 'a'));
    set_time("large", modified_);
    request("/large");
    const auto tag = modified();
    write("large", std::string(100'001, 'b'));
    EXPECT_EQ(content_of(request("/large")), "<file 0+100001>");
    EXPECT_EQ(content_of(request("/large", "Range: bytes=0-2\r\n")), "bbb");
    EXPECT_NE(modified(), tag);
    write("new", std::string(100'001, 'c'));
    fs::rename(root_ / "new", root_ / "large");
    EXPECT_EQ(content_of(request("/large", "Range: bytes=0-2\r\n")), "ccc");
    fs::remove(root_ / "large");
    fs::create_symlink("../secret.txt", root_ / "large");
    EXPECT_EQ(status_of(request("/large")), 404U);
}

TEST_F(StaticFilesTest, OnlySoManyFilesStayOpen) {
    request("/none");
    connections_.clear();
    const std::size_t before = descriptors();
    const std::size_t files = FileCache::descriptors_max + 5;
    for (std::size_t i = 0; i < files; ++i) {
        const std::string name = "large" + std::to_string(i);
        write(name, std::string(70'000, 'x'));
        request("/" + name);
    }
    connections_.clear();
    EXPECT_EQ(descriptors(), before + FileCache::descriptors_max);
    pass_time();
    EXPECT_EQ(descriptors(), before);
}

// Descriptors that are only kept in case go first when they are scarce.
TEST_F(StaticFilesTest, WhatStaysOpenMakesRoomForOthers) {
    write("large", std::string(100'000, 'x'));
    request("/large");
    connections_.clear();
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    std::vector<std::unique_ptr<OpenFile>> others;
    rlimit low = limit;
    low.rlim_cur = std::min<rlim_t>(limit.rlim_cur, 256);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    int descriptor = 0;
    while ((descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        others.push_back(std::make_unique<OpenFile>(descriptor));
    }
    EXPECT_EQ(content_of(request("/a.txt")), "0123456789");
    others.push_back(std::make_unique<OpenFile>(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    EXPECT_EQ(status_of(request("/dir/deep/b.css")), 503U) << "there is none left to give";
    others.clear();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(content_of(request("/dir/deep/b.css")), "p{}");
}

// A file is kept once it has been left alone for a while; every change is seen from the next
// request on all the same.
TEST_F(StaticFilesTest, WhatIsKeptIsNeverOlderThanTheFile) {
    write("big", std::string(30'000, 'a'));
    write("replaced", "old");
    settle();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(content_of(request("/a.txt")), "0123456789");
        EXPECT_TRUE(content_of(request("/big")) == std::string(30'000, 'a'));
        EXPECT_EQ(content_of(request("/replaced")), "old");
        EXPECT_EQ(content_of(request("/big", "Range: bytes=1-3\r\n")), "aaa");
        EXPECT_EQ(content_of(request("/a.txt", "", "HEAD")), "");
        EXPECT_EQ(field_of(request("/a.txt"), "ETag"), "\"2ebc98a1-7b-a\"");
        EXPECT_EQ(status_of(request("/a.txt", "If-None-Match: \"2ebc98a1-7b-a\"\r\n")), 304U);
        EXPECT_EQ(status_of(request("/a.txt", "Range: bytes=10-\r\n")), 416U);
    }
    // The same size, and the time set back to what it was.
    write("a.txt", "9876543210");
    set_time("a.txt", modified_);
    EXPECT_EQ(content_of(request("/a.txt")), "9876543210");
    write("big", std::string(30'000, 'b'));
    EXPECT_TRUE(content_of(request("/big")) == std::string(30'000, 'b'));
    write("new", "new");
    fs::rename(root_ / "new", root_ / "replaced");
    EXPECT_EQ(content_of(request("/replaced")), "new");
    fs::remove(root_ / "a.txt");
    EXPECT_EQ(status_of(request("/a.txt")), 404U);
    fs::create_symlink("../secret.txt", root_ / "a.txt");
    EXPECT_EQ(status_of(request("/a.txt")), 404U);
}

TEST_F(StaticFilesTest, SmallFilesAreKept) {
    write("kept", "kept");
    settle();
    request("/kept");
    const std::uint64_t before = reads();
    const std::uint64_t counting = reads() - before;
    ASSERT_GT(counting, 0U);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(content_of(request("/kept")), "kept");
    }
    EXPECT_EQ(reads() - before, 2 * counting) << "nothing was read";
}

// What several handlers of one thread keep is not mixed up, though the paths are the same.
TEST_F(StaticFilesTest, EachDirectoryKeepsItsOwn) {
    write("same", "root");
    write("dir/same", "dir");
    auto files = StaticFiles::open((root_ / "dir").string());
    ASSERT_TRUE(files);
    router_.get("/other/{path...}", std::move(*files));
    settle();
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(content_of(request("/same")), "root");
        EXPECT_EQ(content_of(request("/other/same")), "dir");
    }
}

// No content is read of a file that is kept, nor for an answer that has none.
TEST_F(StaticFilesTest, WhatIsNotSentIsNotRead) {
    write("whole", "0123456789");
    settle();
    const std::string tag = field_of(request("/whole", "", "HEAD"), "ETag").value_or("");
    const std::uint64_t before = reads();
    const std::uint64_t counting = reads() - before;
    request("/whole", "", "HEAD");
    EXPECT_EQ(status_of(request("/whole", "If-None-Match: " + tag + "\r\n")), 304U);
    EXPECT_EQ(status_of(request("/whole", "If-Match: \"x\"\r\n")), 412U);
    EXPECT_EQ(reads() - before, 2 * counting);
}

// The directory stays the one that was opened, whatever becomes of its name.
TEST_F(StaticFilesTest, TheRootMayBeMoved) {
    fs::rename(root_, outside_ / "moved");
    EXPECT_EQ(content_of(request("/a.txt")), "0123456789");
    fs::rename(outside_ / "moved", root_);
}

TEST_F(StaticFilesTest, ARootThatIsNoneIsSaid) {
    for (const fs::path& path : {root_ / "none", root_ / "a.txt"}) {
        const auto files = StaticFiles::open(path.string());
        ASSERT_FALSE(files);
        EXPECT_TRUE(files.error().text().contains(path.string())) << files.error().text();
        EXPECT_TRUE(files.error().text().contains("name a directory that exists"))
            << files.error().text();
    }
}

// A file may become shorter between fstat(2) and the read: the client must not be told a length
// that never comes. An attribute of sysfs is like that always: it says 4096 and gives a few bytes.
TEST_F(StaticFilesTest, AFileThatIsShorterThanItSaysIsAnError) {
    auto files = StaticFiles::open("/sys/kernel");
    ASSERT_TRUE(files);
    router_.get("/sys/{path...}", *files);
    EXPECT_EQ(request("/sys/uevent_seqnum"), error("500 Internal Server Error"));
}

}  // namespace
}  // namespace enduring::http
