// Configuration files: what is a setting, and what is said about everything else.
#include "http/configuration_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace enduring::http {

bool operator==(const Setting& a, const Setting& b) {
    return a.line == b.line && a.key == b.key && a.value == b.value;
}
std::ostream& operator<<(std::ostream& out, const Setting& setting) {
    return out << setting.line << ": '" << setting.key << "' = '" << setting.value << "'";
}

namespace {

using Settings = std::vector<Setting>;

Settings settings_of(std::string_view text) {
    const auto parsed = parse_configuration(text, "server.conf");
    EXPECT_TRUE(parsed.has_value()) << parsed.error().text();
    return parsed.value_or(Settings());
}

/// The error that a text leads to.
core::Error error_of(std::string_view text) {
    const auto parsed = parse_configuration(text, "server.conf");
    EXPECT_FALSE(parsed.has_value()) << text;
    return parsed.has_value() ? core::Error() : parsed.error();
}

TEST(ConfigurationFileTest, EachLineIsASetting) {
    EXPECT_EQ(
        settings_of("keepalive-timeout=20s\nmax-body = 2m\n\tpin\t=\ttrue \t\n"),
        (Settings{{1, "keepalive-timeout", "20s"}, {2, "max-body", "2m"}, {3, "pin", "true"}}));
    EXPECT_EQ(settings_of("a=b"), (Settings{{1, "a", "b"}}));
    EXPECT_EQ(settings_of(""), Settings());
}

TEST(ConfigurationFileTest, EmptyLinesAndCommentsSayNothing) {
    EXPECT_EQ(settings_of("\n \t\n# a = b\n  # [c]\n#\nx=1\n\n"), (Settings{{6, "x", "1"}}));
}

TEST(ConfigurationFileTest, LinesEndWithLfOrCrlf) {
    EXPECT_EQ(settings_of("a=1\r\n\r\n# b\r\nc=2\n"), (Settings{{1, "a", "1"}, {4, "c", "2"}}));
}

TEST(ConfigurationFileTest, AValueMayStandInQuotationMarks) {
    EXPECT_EQ(settings_of("a = \"20s\"\nb='it is \"so\"' \n"),
              (Settings{{1, "a", "20s"}, {2, "b", "it is \"so\""}}));
}

// A value is everything up to the line's end.
TEST(ConfigurationFileTest, AValueIsTakenAsItIs) {
    EXPECT_EQ(settings_of("admin = [::1]:9090\nlisten=80, 81\nx==#=\ny=a \"b\" # c\nz=\xc3\xa4\n"),
              (Settings{{1, "admin", "[::1]:9090"},
                        {2, "listen", "80, 81"},
                        {3, "x", "=#="},
                        {4, "y", "a \"b\" # c"},
                        {5, "z", "\xc3\xa4"}}));
}

TEST(ConfigurationFileTest, AKeyMayComeAgain) {
    EXPECT_EQ(settings_of("listen=80\nlisten=81\n"),
              (Settings{{1, "listen", "80"}, {2, "listen", "81"}}));
}

TEST(ConfigurationFileTest, EverythingElseIsAnErrorWithItsLineAndRemedy) {
    struct Case {
        std::string_view line;
        std::string_view what;
        std::string_view remedy;
    };
    const Case cases[] = {
        {"workers", "'workers' sets nothing", "like keepalive-timeout = 20s"},
        {"workers 4", "'workers 4' sets nothing", "like keepalive-timeout = 20s"},
        {"x", "'x' sets nothing", "like keepalive-timeout = 20s"},
        {"=", "no key stands before '='", "like keepalive-timeout = 20s"},
        {" = 20s", "no key stands before '=20s'", "like keepalive-timeout = 20s"},
        {"workers=", "'workers' has no value", "remove the line"},
        {"workers = \t", "'workers' has no value", "remove the line"},
        {"[server]", "'[server]' begins a section", "there are no sections"},
        {"[a]=1", "'[a]=1' begins a section", "there are no sections"},
        {"; a = 1", "'; a' is no key", "a comment begins with #"},
        {"max body = 1", "'max body' is no key", "letters, digits and hyphens"},
        {"\xef\xbb\xbfpin = true", "is no key", "letters, digits and hyphens"},
        {"max_body=1", "'max_body' is no key", "letters, digits and hyphens"},
        {"pin=\"true", "the value \"true of 'pin' has a quotation mark", "one at each end"},
        {"pin='true\"", "the value 'true\" of 'pin' has a quotation mark", "one at each end"},
        {"pin='tr'ue'", "the value 'tr'ue' of 'pin' has a quotation mark", "one at each end"},
        {"pin='", "the value ' of 'pin' has a quotation mark", "one at each end"},
        {"pin=\"\"", "the value \"\" of 'pin' has a quotation mark too many, or is empty",
         "one at each end"},
    };
    for (const Case& c : cases) {
        for (const std::string_view end : {"", "\n", "\r\n", "\na=1\n"}) {
            const core::Error error =
                error_of("# first\na=1\n" + std::string(c.line) + std::string(end));
            EXPECT_TRUE(error.what.starts_with("server.conf, line 3: ")) << error.what;
            EXPECT_TRUE(error.what.contains(c.what)) << error.what;
            EXPECT_TRUE(error.remedy.contains(c.remedy)) << c.line << ": " << error.remedy;
        }
    }
}

TEST(ConfigurationFileTest, AControlCharacterIsAnErrorWhereverItStands) {
    for (int code = 0; code < 0x80; ++code) {
        const char c = static_cast<char>(code);
        if ((code >= 0x20 && code != 0x7f) || c == '\t' || c == '\n') {
            continue;
        }
        for (const std::string& line :
             {c + std::string("a=1"), std::string("a") + c + "=1", std::string("a=") + c + "1",
              std::string("a=1") + c + " ", std::string("# ") + c + " "}) {
            const core::Error error = error_of("x=1\n" + line + "\ny=1\n");
            EXPECT_EQ(error.what, "server.conf, line 2 has a control character") << code;
            EXPECT_TRUE(error.remedy.contains("plain text")) << error.remedy;
        }
    }
    EXPECT_TRUE(error_of("a=1\r").what.contains("control character")) << "an end without its LF";
}

class ConfigurationFileOnDiskTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string path =
            (std::filesystem::temp_directory_path() / "configuration_file_test.XXXXXX").string();
        ASSERT_NE(::mkdtemp(path.data()), nullptr);
        directory_ = path;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string file_with(std::string_view text) const {
        const std::filesystem::path path = directory_ / "server.conf";
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    /// The error that reading a file leads to.
    static core::Error error_of(const std::string& path) {
        const auto read = read_configuration_file(path);
        EXPECT_FALSE(read.has_value()) << path;
        return read.has_value() ? core::Error() : read.error();
    }

    std::filesystem::path directory_;
};

TEST_F(ConfigurationFileOnDiskTest, AFileIsReadWhole) {
    std::string text;
    for (int i = 0; i < 2000; ++i) {
        text += "key = value\n";
    }
    const auto read = read_configuration_file(file_with(text));
    ASSERT_TRUE(read.has_value()) << read.error().text();
    ASSERT_EQ(read->size(), 2000U);
    EXPECT_EQ(read->back(), (Setting{2000, "key", "value"}));
}

TEST_F(ConfigurationFileOnDiskTest, AnErrorNamesTheFile) {
    const std::string path = file_with("a=1\nb\n");
    EXPECT_EQ(error_of(path).what, path + ", line 2: 'b' sets nothing");
}

TEST_F(ConfigurationFileOnDiskTest, WhatCannotBeReadIsAnError) {
    const std::string none = (directory_ / "none.conf").string();
    EXPECT_EQ(error_of(none).what,
              "cannot read the configuration file '" + none + "': No such file or directory");
    EXPECT_EQ(error_of(directory_).what,
              "cannot read the configuration file '" + directory_.string() + "': Is a directory");
    EXPECT_EQ(error_of("").what, "the name of the configuration file is empty");
    for (const std::string& path : {none, directory_.string(), std::string()}) {
        EXPECT_TRUE(error_of(path).remedy.contains("name a file that this user may read"));
    }
}

TEST_F(ConfigurationFileOnDiskTest, AFileWithoutEndIsAnError) {
    EXPECT_EQ(error_of("/dev/zero").what,
              "the configuration file '/dev/zero' has more than 1048576 bytes");
    const std::string most(configuration_bytes_max, '\n');
    EXPECT_TRUE(read_configuration_file(file_with(most)).has_value());
    EXPECT_FALSE(read_configuration_file(file_with(most + "\n")).has_value());
}

// As a shell makes one of <(command).
TEST_F(ConfigurationFileOnDiskTest, APipeMayTakeTheFilesPlace) {
    const std::string path = (directory_ / "pipe").string();
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(path) << "a = 1\n" << std::flush << "b = 2\n"; });
    const auto read = read_configuration_file(path);
    writer.join();
    ASSERT_TRUE(read.has_value()) << read.error().text();
    EXPECT_EQ(*read, (Settings{{1, "a", "1"}, {2, "b", "2"}}));
}

}  // namespace
}  // namespace enduring::http
