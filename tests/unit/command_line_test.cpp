// The flags of a server: from the command line, the environment and a file; good and bad.
#include "http/command_line.hpp"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/token.hpp"

namespace enduring::http {
namespace {

/// What a parse gave.
struct Parsed {
    std::optional<int> exit;
    Options options;
    bool check_only = false;
    std::string out;
    std::string err;
};

Parsed parse(const std::vector<std::string>& arguments) {
    std::vector<const char*> pointers{"enduring"};
    for (const std::string& argument : arguments) {
        pointers.push_back(argument.c_str());
    }
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    CommandLine line("enduring", "Serves files.");
    Parsed parsed;
    parsed.exit = line.parse(static_cast<int>(pointers.size()), pointers.data());
    parsed.options = line.options();
    parsed.check_only = line.check_only();
    parsed.out = testing::internal::GetCapturedStdout();
    parsed.err = testing::internal::GetCapturedStderr();
    return parsed;
}

/// A variable of the environment, for the life of this object.
class Variable {
  public:
    Variable(std::string name, const std::string& value) : name_(std::move(name)) {
        ::setenv(name_.c_str(), value.c_str(), 1);
    }
    ~Variable() { ::unsetenv(name_.c_str()); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

  private:
    std::string name_;
};

class CommandLineTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string path =
            (std::filesystem::temp_directory_path() / "command_line_test.XXXXXX").string();
        ASSERT_NE(::mkdtemp(path.data()), nullptr);
        directory_ = path;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string file_with(std::string_view text) const {
        const std::filesystem::path path = directory_ / "server.conf";
        std::ofstream(path) << text;
        return path.string();
    }

    std::filesystem::path directory_;
};

using Get = std::function<std::uint64_t(const Options&)>;

/// A flag with one value.
struct Flag {
    std::string name;
    std::uint64_t by_default;
    Get get;
    std::vector<std::pair<std::string, std::uint64_t>> good;
    std::vector<std::string> bad;
    std::string allowed;  ///< a part of what is said about a bad value
};

Flag duration(std::string name, std::uint64_t by_default, Get get) {
    return {
        std::move(name),
        by_default,
        std::move(get),
        {{"500ms", 500}, {"7s", 7000}, {"7", 7000}, {"2m", 120'000}, {"1.5h", 5'400'000}, {"0", 0}},
        {"-1s", "7d", "s", "ten", "7 s", "9000h", ""},
        "a duration like 500ms, 10s, 5m or 1h"};
}

const std::vector<Flag>& flags() {
    static const std::vector<Flag> all{
        duration("keepalive-timeout", 75'000,
                 [](const Options& o) { return o.times.keepalive_timeout_ms; }),
        duration("header-timeout", 10'000,
                 [](const Options& o) { return o.times.header_timeout_ms; }),
        duration("body-timeout", 30'000, [](const Options& o) { return o.times.body_timeout_ms; }),
        duration("handler-timeout", 0, [](const Options& o) { return o.times.handler_timeout_ms; }),
        duration("write-timeout", 60'000,
                 [](const Options& o) { return o.times.write_timeout_ms; }),
        duration("linger-timeout", 2'000,
                 [](const Options& o) { return o.times.linger_timeout_ms; }),
        duration("linger-max", 30'000, [](const Options& o) { return o.times.linger_max_ms; }),
        duration("drain-timeout", 30'000, [](const Options& o) { return o.drain_timeout_ms; }),
        duration("connection-max-age", 3'600'000,
                 [](const Options& o) { return o.times.connection_max_age_ms; }),
        duration("drain-delay", 0, [](const Options& o) { return o.drain_delay_ms; }),
        {"body-min-rate",
         240,
         [](const Options& o) { return o.times.body_bytes_per_s_min; },
         {{"0", 0}, {"1000", 1000}, {"64k", 65536}},
         {"-1", "1025g", "fast"},
         "a size from 0 to 1024g"},
        {"write-min-rate",
         0,
         [](const Options& o) { return o.times.write_bytes_per_s_min; },
         {{"1", 1}, {"1k", 1024}},
         {"-1", "240B", "x"},
         "a size from 0 to 1024g"},
        {"max-connections-per-ip",
         0,
         [](const Options& o) { return o.connections_per_ip_max; },
         {{"0", 0}, {"1", 1}, {"16777216", core::slot_limit}},
         {"16777217", "-1", "auto"},
         "a number from 0 to 16777216"},
        {"keepalive-requests",
         1000,
         [](const Options& o) { return o.http.requests_max; },
         {{"0", 0}, {"1", 1}, {"4294967295", 4294967295}},
         {"-1", "4294967296", "1k", "off", "1.5", "", " 1"},
         "a number from 0 to 4294967295"},
        {"backlog",
         4096,
         [](const Options& o) { return o.backlog; },
         {{"1", 1}, {"65535", 65535}},
         {"0", "65536", "x"},
         "a number from 1 to 65535"},
        {"workers",
         0,
         [](const Options& o) { return o.workers; },
         {{"1", 1}, {"256", 256}, {"auto", 0}},
         {"0", "257", "Auto", "all"},
         "a number from 1 to 256, or auto"},
        {"recv-buffers",
         512,
         [](const Options& o) { return o.receive_buffers; },
         {{"8", 8}, {"32768", 32768}},
         {"4", "65536", "9", "1000", "0", "1k"},
         "a power of two from 8 to 32768"},
        {"recv-buffer-size",
         16'384,
         [](const Options& o) { return o.receive_buffer_bytes; },
         {{"256", 256}, {"16k", 16384}, {"1m", 1048576}},
         {"255", "1025k", "-1", "1kb"},
         "a size from 256 to 1m"},
        {"ring-entries",
         4096,
         [](const Options& o) { return o.ring_entries; },
         {{"64", 64}, {"32768", 32768}},
         {"32", "65536", "100"},
         "a power of two from 64 to 32768"},
        {"max-connections",
         0,
         [](const Options& o) { return o.connections_max; },
         {{"1", 1}, {"16777216", core::slot_limit}, {"auto", 0}},
         {"0", "16777217", "many"},
         "a number from 1 to 16777216, or auto"},
        {"max-head",
         16384,
         [](const Options& o) { return o.http.head.head_bytes_max; },
         {{"256", 256}, {"1m", 1048576}},
         {"255", "1048577", "x"},
         "a size from 256 to 1m"},
        {"max-target",
         8192,
         [](const Options& o) { return o.http.head.target_bytes_max; },
         {{"16", 16}, {"4K", 4096}},
         {"15", "2m"},
         "a size from 16 to 1m"},
        {"max-headers",
         100,
         [](const Options& o) { return o.http.head.fields_max; },
         {{"1", 1}, {"10000", 10000}},
         {"0", "10001"},
         "a number from 1 to 10000"},
        {"max-body",
         1048576,
         [](const Options& o) { return o.http.content_bytes_max; },
         {{"0", 0}, {"2g", 2147483648}, {"1024g", 1099511627776}},
         {"1025g", "-1", "1t", ""},
         "a size from 0 to 1024g"},
        {"discard-max",
         65536,
         [](const Options& o) { return o.http.discard_bytes_max; },
         {{"0", 0}, {"1k", 1024}},
         {"1025g", "x"},
         "a size from 0 to 1024g"},
        {"max-pipelined",
         64,
         [](const Options& o) { return o.http.pipelined_max; },
         {{"1", 1}, {"65535", 65535}},
         {"0", "65536"},
         "a number from 1 to 65535"},
    };
    return all;
}

std::string variable_of(std::string flag) {
    std::ranges::replace(flag, '-', '_');
    std::ranges::transform(flag, flag.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    });
    return "ENDURING_" + flag;
}

TEST_F(CommandLineTest, WithoutArgumentsTheDefaultsHold) {
    const Parsed parsed = parse({});
    EXPECT_EQ(parsed.exit, std::nullopt);
    EXPECT_FALSE(parsed.check_only);
    EXPECT_FALSE(parsed.options.pin);
    EXPECT_TRUE(parsed.options.listen.empty());
    for (const Flag& flag : flags()) {
        EXPECT_EQ(flag.get(parsed.options), flag.by_default) << flag.name;
    }
    EXPECT_EQ(parsed.out + parsed.err, "");
}

TEST_F(CommandLineTest, EachFlagTakesItsValuesFromAllThreePlaces) {
    for (const Flag& flag : flags()) {
        for (const auto& [value, expected] : flag.good) {
            for (const Parsed& parsed :
                 {parse({"--" + flag.name, value}), parse({"--" + flag.name + "=" + value})}) {
                EXPECT_EQ(parsed.exit, std::nullopt) << flag.name << ' ' << value << parsed.err;
                EXPECT_EQ(flag.get(parsed.options), expected) << flag.name << ' ' << value;
            }
            {
                const Variable variable(variable_of(flag.name), value);
                const Parsed parsed = parse({});
                EXPECT_EQ(parsed.exit, std::nullopt) << flag.name << ' ' << value << parsed.err;
                EXPECT_EQ(flag.get(parsed.options), expected) << flag.name << ' ' << value;
            }
            const Parsed parsed = parse({"--config", file_with(flag.name + "=" + value + "\n")});
            EXPECT_EQ(parsed.exit, std::nullopt) << flag.name << ' ' << value << parsed.err;
            EXPECT_EQ(flag.get(parsed.options), expected) << flag.name << ' ' << value;
            // Nothing else has changed.
            for (const Flag& other : flags()) {
                if (other.name != flag.name) {
                    EXPECT_EQ(other.get(parsed.options), other.by_default)
                        << other.name << " by " << flag.name;
                }
            }
        }
    }
}

TEST_F(CommandLineTest, TheAdminAddressIsOneOfAllThreePlaces) {
    EXPECT_EQ(parse({}).options.admin, std::nullopt);
    const auto text = [](const Parsed& parsed) {
        EXPECT_EQ(parsed.exit, std::nullopt) << parsed.err;
        return parsed.options.admin ? parsed.options.admin->text() : "none";
    };
    EXPECT_EQ(text(parse({"--admin", "127.0.0.1:9090"})), "127.0.0.1:9090");
    EXPECT_EQ(text(parse({"--admin", "unix:/run/admin"})), "unix:/run/admin");
    EXPECT_EQ(text(parse({"--config", file_with("admin=[::1]:9090\n")})), "[::1]:9090");
    const Parsed listening = parse({"--config", file_with("listen=[::1]:8081\nlisten=8082\n")});
    ASSERT_EQ(listening.options.listen.size(), 2U) << listening.err;
    EXPECT_EQ(listening.options.listen.front().text(), "[::1]:8081");
    {
        const Variable variable("ENDURING_ADMIN", "127.0.0.1:9091");
        EXPECT_EQ(text(parse({})), "127.0.0.1:9091");
        EXPECT_EQ(text(parse({"--admin", "127.0.0.1:9090"})), "127.0.0.1:9090");
    }
    const Parsed bad = parse({"--admin", "here"});
    EXPECT_EQ(bad.exit, 2);
    EXPECT_TRUE(bad.err.contains("--admin")) << bad.err;
}

TEST_F(CommandLineTest, TheKeepAliveFieldIsAskedFor) {
    EXPECT_FALSE(parse({}).options.http.keepalive_field);
    EXPECT_TRUE(parse({"--keepalive-header"}).options.http.keepalive_field);
    EXPECT_TRUE(
        parse({"--config", file_with("keepalive-header=true\n")}).options.http.keepalive_field);
    const Variable variable("ENDURING_KEEPALIVE_HEADER", "true");
    EXPECT_TRUE(parse({}).options.http.keepalive_field);
}

TEST_F(CommandLineTest, HelpNamesEachFlagWithItsVariable) {
    const std::string help = parse({"--help"}).out;
    for (const Flag& flag : flags()) {
        EXPECT_TRUE(help.contains("--" + flag.name + " ")) << flag.name;
        EXPECT_TRUE(help.contains("(Env:" + variable_of(flag.name) + ")")) << flag.name;
    }
    for (const char* name : {"nginx keepalive_timeout", "HAProxy timeout http-request",
                             "Node keepAliveTimeout", "Apache MaxKeepAliveRequests"}) {
        EXPECT_TRUE(help.contains(name)) << name;
    }
}

TEST_F(CommandLineTest, ABadValueIsSaidWithItsFlagAndWhatIsAllowed) {
    const auto expect_refusal = [](const Parsed& parsed, const Flag& flag,
                                   const std::string& value) {
        EXPECT_EQ(parsed.exit, 2) << flag.name << ' ' << value;
        EXPECT_TRUE(parsed.err.contains("--" + flag.name)) << value << ": " << parsed.err;
        EXPECT_TRUE(parsed.err.contains("'" + value + "'")) << value << ": " << parsed.err;
        EXPECT_TRUE(parsed.err.contains(flag.allowed)) << value << ": " << parsed.err;
        EXPECT_EQ(parsed.out, "");
    };
    for (const Flag& flag : flags()) {
        for (const std::string& value : flag.bad) {
            if (!value.empty()) {
                expect_refusal(parse({"--" + flag.name + "=" + value}), flag, value);
                const Variable variable(variable_of(flag.name), value);
                expect_refusal(parse({}), flag, value);
            } else {
                EXPECT_EQ(parse({"--" + flag.name + "="}).exit, 2) << flag.name;
            }
        }
        const Parsed parsed =
            parse({"--config", file_with(flag.name + "=" + flag.bad.front() + "\n")});
        expect_refusal(parsed, flag, flag.bad.front());
        EXPECT_EQ(parse({"--" + flag.name}).exit, 2) << flag.name << " without a value";
    }
}

TEST_F(CommandLineTest, TheCommandLineWinsOverTheEnvironmentAndThatOverTheFile) {
    const std::string file =
        file_with("keepalive-timeout=1s\nheader-timeout=1s\nbody-timeout=1s\n");
    const Variable first("ENDURING_KEEPALIVE_TIMEOUT", "2s");
    const Variable second("ENDURING_HEADER_TIMEOUT", "2s");
    const Parsed parsed = parse({"--keepalive-timeout", "3s", "--config", file});
    EXPECT_EQ(parsed.exit, std::nullopt) << parsed.err;
    EXPECT_EQ(parsed.options.times.keepalive_timeout_ms, 3000U);
    EXPECT_EQ(parsed.options.times.header_timeout_ms, 2000U);
    EXPECT_EQ(parsed.options.times.body_timeout_ms, 1000U);
    EXPECT_EQ(parsed.options.times.write_timeout_ms, 60'000U);
}

TEST_F(CommandLineTest, TheFileMayBeNamedInTheEnvironment) {
    const Variable variable("ENDURING_CONFIG",
                            file_with("# a comment\n\nmax-body = 2m\npin=true\n"));
    const Parsed parsed = parse({});
    EXPECT_EQ(parsed.exit, std::nullopt) << parsed.err;
    EXPECT_EQ(parsed.options.http.content_bytes_max, 2U * 1024 * 1024);
    EXPECT_TRUE(parsed.options.pin);
}

TEST_F(CommandLineTest, AProbeOfNobodyFails) {
    const std::string nobody = "unix:" + (directory_ / "nobody").string();
    const Parsed parsed = parse({"--probe", nobody});
    EXPECT_EQ(parsed.exit, 1);
    EXPECT_EQ(parsed.err, "enduring: " + nobody + " gives no answer: No such file or directory\n");
    const Parsed mistaken = parse({"--probe", "127.0.0.1:80"});
    EXPECT_EQ(mistaken.exit, 2);
    EXPECT_TRUE(mistaken.err.contains("'127.0.0.1:80' is no URL to probe")) << mistaken.err;
}

TEST_F(CommandLineTest, AFileWithAnUnknownKeyIsAMistake) {
    // All but the first are flags, but none that sets anything.
    for (const std::string key :
         {"keepalive-timeot", "help", "version", "check", "config", "probe"}) {
        const std::string file = file_with("# first\n" + key + "=true\n");
        const Parsed parsed = parse({"--config", file});
        EXPECT_EQ(parsed.exit, 2) << key;
        EXPECT_TRUE(parsed.err.contains(file + ", line 2: there is no key '" + key + "'"))
            << parsed.err;
        EXPECT_EQ(parsed.out, "");
    }
}

TEST_F(CommandLineTest, AFileThatIsNoneIsAMistake) {
    const std::string none = (directory_ / "none.conf").string();
    struct Case {
        std::vector<std::string> arguments;
        std::string error;
    };
    const Case cases[] = {
        {{"--config", none}, none + "': No such file or directory"},
        {{"--config=" + none}, none + "': No such file or directory"},
        {{"--config", directory_.string()}, directory_.string() + "': Is a directory"},
        {{"--config", ""}, "the name of the configuration file is empty"},
        {{"--config="}, "the name of the configuration file is empty"},
        {{"--config=", file_with("")}, "the name of the configuration file is empty"},
        {{"--config"}, "--config: "},
        {{"--pin", "--config"}, "--config: "},
    };
    for (const Case& c : cases) {
        const Parsed parsed = parse(c.arguments);
        EXPECT_EQ(parsed.exit, 2) << c.arguments.front();
        EXPECT_TRUE(parsed.err.contains(c.error)) << c.error << " in " << parsed.err;
        EXPECT_TRUE(parsed.err.contains("--help shows all flags")) << parsed.err;
    }
    {
        const Variable variable("ENDURING_CONFIG", none);
        EXPECT_TRUE(parse({}).err.contains(none + "': No such file or directory"));
    }
    // Like every variable that is empty.
    const Variable variable("ENDURING_CONFIG", "");
    EXPECT_EQ(parse({}).exit, std::nullopt);
}

TEST_F(CommandLineTest, AMistakeInTheFileIsSaidWithItsLine) {
    struct Case {
        std::string text;
        std::string error;
    };
    const Case cases[] = {
        {"pin=true\nworkers\n", ", line 2: 'workers' sets nothing; write a setting"},
        {"\nworkers=\n", ", line 2: 'workers' has no value; give it one"},
        {"max-body=\x01"
         "2m\npin=true\n",
         ", line 1 has a control character; "},
        {"[server]\npin=true\n", ", line 1: '[server]' begins a section; "},
        {"pin=true\nbacklog=1\npin=false\n", ", line 3: line 1 has set 'pin' already; remove one"},
        {"pin=true\nbacklog=0\n", ", line 2: --backlog: '0' is not allowed: a number from 1"},
        {"max-connections-per-ip=3\nmax-connections=none\n",
         ", line 2: --max-connections: 'none' is not allowed"},
        {"max-connections=3\nmax-connections-per-ip=none\n",
         ", line 2: --max-connections-per-ip: 'none' is not allowed"},
        {"backlog=7\npin=maybe\n", ", line 2: "},
        {"listen=80\nlisten=here\nlisten=81\n", ", line 2: --listen: 'here' is no address"},
    };
    for (const Case& c : cases) {
        const std::string file = file_with(c.text);
        const Parsed parsed = parse({"--config", file});
        EXPECT_EQ(parsed.exit, 2) << c.text;
        EXPECT_TRUE(parsed.err.contains(file + c.error)) << c.error << " in " << parsed.err;
    }
    // A mistake elsewhere is not the file's.
    const std::string file = file_with("backlog=7\n");
    EXPECT_FALSE(parse({"--config", file, "--workers=0"}).err.contains(file));
    EXPECT_FALSE(parse({"--config", file, "--backlog=0"}).err.contains(file));
}

TEST_F(CommandLineTest, AFlagDoesNotTakeTheNextWordForItsValue) {
    const Parsed parsed = parse({"--workers=", "4"});
    EXPECT_EQ(parsed.exit, 2);
    EXPECT_TRUE(parsed.err.contains("--workers has no value; write --workers=VALUE")) << parsed.err;
    const Parsed file = parse({"--config", file_with("workers=\n"), "--backlog", "7"});
    EXPECT_EQ(file.exit, 2);
    EXPECT_TRUE(file.err.contains("'workers' has no value")) << file.err;
}

TEST_F(CommandLineTest, AnEmptyVariableDoesNotHideTheFile) {
    const Variable variable("ENDURING_WORKERS", "");
    EXPECT_EQ(parse({"--config", file_with("workers=4\n")}).options.workers, 4U);
}

// What stands behind "--" is the program's.
TEST_F(CommandLineTest, BehindTwoHyphensThereIsNoFlag) {
    CommandLine line("program", "Does something.");
    std::vector<std::string> rest;
    line.app().add_option("rest", rest, "What is left");
    const std::string file = file_with("backlog=7\n");
    const char* const arguments[] = {"program",  "--config",  file.c_str(), "--",
                                     "--config", "--backlog", "--backlog="};
    EXPECT_EQ(line.parse(7, arguments), std::nullopt);
    EXPECT_EQ(line.options().backlog, 7U);
    EXPECT_EQ(rest, (std::vector<std::string>{"--config", "--backlog", "--backlog="}));
}

TEST_F(CommandLineTest, AnUnknownFlagOrArgumentIsAMistake) {
    for (const std::string argument : {"--keepalive-timeot=20s", "--unknown", "-x", "argument"}) {
        const Parsed parsed = parse({argument});
        EXPECT_EQ(parsed.exit, 2) << argument;
        EXPECT_TRUE(parsed.err.contains(argument.substr(0, argument.find('=')))) << parsed.err;
        EXPECT_TRUE(parsed.err.contains("--help shows all flags")) << parsed.err;
        EXPECT_TRUE(parsed.err.starts_with("enduring: ")) << parsed.err;
    }
}

TEST_F(CommandLineTest, ListensWhereItIsTold) {
    const auto texts = [](const Parsed& parsed) {
        std::vector<std::string> result;
        for (const core::Address& address : parsed.options.listen) {
            result.push_back(address.text());
        }
        return result;
    };
    using Texts = std::vector<std::string>;
    EXPECT_EQ(texts(parse({"--listen", "80"})), Texts{"*:80"});
    EXPECT_EQ(texts(parse({"--listen", "127.0.0.1:8080", "--listen", "[::1]:81"})),
              (Texts{"127.0.0.1:8080", "[::1]:81"}));
    EXPECT_EQ(texts(parse({"--listen= 80, 127.0.0.1:81"})), (Texts{"*:80", "127.0.0.1:81"}));
    EXPECT_EQ(texts(parse({"--listen=80,81", "--listen", "unix:/run/x"})),
              (Texts{"*:80", "*:81", "unix:/run/x"}));
    {
        const Variable variable("ENDURING_LISTEN", "80,localhost:81");
        EXPECT_EQ(texts(parse({})), (Texts{"*:80", "localhost:81"}));
        EXPECT_EQ(texts(parse({"--listen", "90"})), Texts{"*:90"});
    }
    for (const std::string bad : {"x", "70000", "::1:80", "localhost:x", "unix:", "-1"}) {
        const Parsed parsed = parse({"--listen=" + bad});
        EXPECT_EQ(parsed.exit, 2) << bad;
        EXPECT_TRUE(parsed.err.contains("--listen")) << parsed.err;
        EXPECT_TRUE(parsed.err.contains("'" + bad + "'")) << parsed.err;
        EXPECT_TRUE(parsed.err.contains("PORT, HOST:PORT")) << parsed.err;
    }
}

TEST_F(CommandLineTest, SwitchesAreOffUntilTheyAreGiven) {
    EXPECT_TRUE(parse({"--pin"}).options.pin);
    EXPECT_TRUE(parse({"--check"}).check_only);
    EXPECT_FALSE(parse({"--check"}).options.pin);
    const Variable variable("ENDURING_PIN", "true");
    EXPECT_TRUE(parse({}).options.pin);
}

TEST_F(CommandLineTest, HelpShowsEveryFlagWithItsDefault) {
    const Parsed parsed = parse({"--help"});
    EXPECT_EQ(parsed.exit, 0);
    EXPECT_EQ(parsed.err, "");
    EXPECT_TRUE(parsed.out.contains("Serves files."));
    for (const Flag& flag : flags()) {
        EXPECT_TRUE(parsed.out.contains("--" + flag.name + " ")) << flag.name;
        EXPECT_TRUE(parsed.out.contains(variable_of(flag.name))) << flag.name;
    }
    // CLI11 2.4 and older write TYPE=DEFAULT, newer ones TYPE [DEFAULT].
    const auto shows = [&](const std::string& flag, const std::string& value) {
        return parsed.out.contains(flag + "=" + value + " ") ||
               parsed.out.contains(flag + " [" + value + "] ");
    };
    EXPECT_TRUE(shows("--listen ADDRESS", "8080")) << parsed.out;
    EXPECT_TRUE(shows("--keepalive-timeout DURATION", "75s")) << parsed.out;
    EXPECT_TRUE(shows("--max-head SIZE", "16k")) << parsed.out;
    EXPECT_TRUE(shows("--workers NUMBER|auto", "auto")) << parsed.out;
    EXPECT_TRUE(shows("--keepalive-requests NUMBER", "1000")) << parsed.out;
    for (const std::string_view part : {"--pin ", "--config ", "--check ", "--version "}) {
        EXPECT_TRUE(parsed.out.contains(part)) << part << " in\n" << parsed.out;
    }
}

TEST_F(CommandLineTest, TheVersionIsSaid) {
    const Parsed parsed = parse({"--version"});
    EXPECT_EQ(parsed.exit, 0);
    EXPECT_EQ(parsed.out, "enduring " ENDURING_VERSION "\n");
}

// A program's own arguments take part like the server's.
TEST_F(CommandLineTest, AProgramMayAddItsOwn) {
    CommandLine line("program", "Does something.");
    std::string root;
    line.app().add_option("root", root, "What to serve");
    const char* const arguments[] = {"program", "--backlog", "7", "/srv"};
    EXPECT_EQ(line.parse(4, arguments), std::nullopt);
    EXPECT_EQ(line.options().backlog, 7U);
    EXPECT_EQ(root, "/srv");
}

}  // namespace
}  // namespace enduring::http
