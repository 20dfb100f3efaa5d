#include "http/probe.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace enduring::http {
namespace {

using namespace std::chrono_literals;

TEST(ProbeUrl, IsReadAsAUserWritesIt) {
    const auto read = [](std::string_view text) { return parse_probe_url(text).value(); };
    EXPECT_EQ(read("http://127.0.0.1:8080/a?b"),
              (ProbeUrl{"127.0.0.1", "8080", "", "127.0.0.1:8080", "/a?b"}));
    EXPECT_EQ(read("http://localhost"), (ProbeUrl{"localhost", "80", "", "localhost", "/"}));
    EXPECT_EQ(read("http://a:81?b"), (ProbeUrl{"a", "81", "", "a:81", "/?b"}));
    EXPECT_EQ(read("http://[::1]:8080/"), (ProbeUrl{"::1", "8080", "", "[::1]:8080", "/"}));
    EXPECT_EQ(read("http://[::1]/x"), (ProbeUrl{"::1", "80", "", "[::1]", "/x"}));
    EXPECT_EQ(read("unix:/run/a"), (ProbeUrl{"", "", "/run/a", "localhost", "/"}));
    EXPECT_EQ(read("unix:/run/a:/readyz"), (ProbeUrl{"", "", "/run/a", "localhost", "/readyz"}));
}

TEST(ProbeUrl, OfAnotherKindIsRefusedWithWhatIsAllowed) {
    for (const char* text :
         {"", "http://", "http:///x", "http://:80/", "https://a/", "a:80", "http://a:x/",
          "http://a:99999/", "http://a/b c", "http://a/b\r\nc: d", "http://a/#b", "http://a b/",
          "unix:", "unix:/a:/b c", "http://u@a/", "http://a\r\nb: c/"}) {
        const auto url = parse_probe_url(text);
        ASSERT_FALSE(url.has_value()) << text;
        EXPECT_NE(url.error().remedy.find("http://HOST:PORT/TARGET"), std::string::npos);
    }
    EXPECT_FALSE(parse_probe_url("unix:/" + std::string(200, 'a')).has_value());
}

/// Takes one connection, and answers it in a thread of its own.
class Answerer {
  public:
    using Answer = std::function<void(int socket, const std::string& request)>;

    explicit Answerer(Answer answer) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size), 0);
        EXPECT_EQ(::listen(listener_, 8), 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
        port_ = ntohs(name.sin_port);
        thread_ = std::thread([this, answer = std::move(answer)] {
            const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            std::string request;
            std::array<char, 1024> bytes{};
            while (!request.ends_with("\r\n\r\n")) {
                const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), 0);
                if (got <= 0) {
                    break;
                }
                request.append(bytes.data(), static_cast<std::size_t>(got));
            }
            answer(socket, request);
            ::close(socket);
        });
    }
    ~Answerer() {
        thread_.join();
        ::close(listener_);
    }
    Answerer(const Answerer&) = delete;
    Answerer& operator=(const Answerer&) = delete;

    [[nodiscard]] ProbeUrl url() const {
        return parse_probe_url("http://127.0.0.1:" + std::to_string(port_) + "/well").value();
    }

  private:
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

void say(int socket, std::string_view bytes) {
    EXPECT_EQ(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
}

TEST(Probe, GivesTheStatusOfTheAnswer) {
    std::string asked;
    {
        const Answerer answerer([&](int socket, const std::string& request) {
            asked = request;
            say(socket, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        });
        EXPECT_EQ(probe(answerer.url(), 10s), 503U);
    }
    EXPECT_TRUE(asked.starts_with("GET /well HTTP/1.1\r\nHost: 127.0.0.1:")) << asked;
    EXPECT_NE(asked.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(Probe, TakesAnAnswerInPiecesAndAfterAnother) {
    const Answerer answerer([](int socket, const std::string&) {
        for (const char byte : std::string_view("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
                                                "HTTP/1.1 204 No Content\r\nB: c\r\n\r\n")) {
            say(socket, {&byte, 1});
            std::this_thread::sleep_for(1ms);
        }
    });
    EXPECT_EQ(probe(answerer.url(), 10s), 204U);
}

TEST(Probe, SaysWhyThereIsNoAnswer) {
    const auto said = [](const ProbeUrl& url, std::chrono::milliseconds patience) {
        const auto status = probe(url, patience);
        return status ? "status " + std::to_string(*status) : status.error().what;
    };
    {
        const Answerer answerer([](int, const std::string&) {});
        EXPECT_TRUE(said(answerer.url(), 10s).ends_with("it closes the connection"));
    }
    {
        const Answerer answerer([](int socket, const std::string&) { say(socket, "SSH-2.0-x\n"); });
        EXPECT_TRUE(said(answerer.url(), 10s).ends_with("what it says is no HTTP"));
    }
    {
        const Answerer answerer([](int socket, const std::string&) {
            std::string lines = "HTTP/1.1 200 OK\r\n";
            for (int i = 0; i < 20'000; ++i) {
                lines += "Field: value\r\n";
            }
            ::send(socket, lines.data(), lines.size(), MSG_NOSIGNAL);
        });
        EXPECT_TRUE(said(answerer.url(), 10s).ends_with("what it says is no HTTP"));
    }
    {
        const Answerer answerer(
            [](int, const std::string&) { std::this_thread::sleep_for(200ms); });
        EXPECT_TRUE(said(answerer.url(), 50ms).ends_with("Connection timed out"));
    }
    ProbeUrl nobody;
    {
        const Answerer answerer([](int, const std::string&) {});
        nobody = answerer.url();
        (void)probe(nobody, 10s);
    }
    EXPECT_TRUE(said(nobody, 10s).ends_with("Connection refused"));
    EXPECT_EQ(said(parse_probe_url("unix:/none/at/all").value(), 10s),
              "unix:/none/at/all gives no answer: No such file or directory");
}

TEST(Probe, WellIsWhatAnswersForItself) {
    EXPECT_TRUE(is_well(200));
    EXPECT_TRUE(is_well(304));
    EXPECT_TRUE(is_well(404)) << "of a site without an index";
    EXPECT_FALSE(is_well(500));
    EXPECT_FALSE(is_well(503));
}

}  // namespace
}  // namespace enduring::http
