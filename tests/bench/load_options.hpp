// What the load generator is told to send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "options.hpp"

namespace bench {

inline constexpr std::string_view load_usage =
    "usage: load [options]\n"
    "  --port N                     of 127.0.0.1 (8080)\n"
    "  --path TARGET                what to get (/)\n"
    "  --header 'NAME: VALUE'       one more field; may be repeated\n"
    "  --content N                  POST with so many bytes of content (0: GET)\n"
    "  --digits                     the content is a number: zeros\n"
    "  --heads N                    so many heads, each with ten fields and about 500 bytes like "
    "a\n"
    "                               browser's, in turn; 0: one short head (0)\n"
    "  --connections N              (64)\n"
    "  --in-flight N                requests under way at most; the connections take turns; 0: "
    "one\n"
    "                               batch on each (0)\n"
    "  --rate N                     requests a second, at even times, whatever the server does; "
    "the\n"
    "                               latency then runs from the time that was meant (0: no rate)\n"
    "  --seconds N                  (2)\n"
    "  --pipeline N                 requests sent at once, the next when all are answered (1)\n"
    "  --requests-per-connection N  then the client closes and connects anew; 0: never (0)\n"
    "  --close                      the last request of a connection says 'Connection: close' and\n"
    "                               the server must close; alone it means one request for each\n"
    "  --timeout N                  seconds to wait for a response, or the server's close (5)\n"
    "  --wait                       connect, say 'ready' and begin when a line comes in; after "
    "the\n"
    "                               report keep the connections until another line, or the end\n"
    "With --in-flight or --rate a connection that ends early is an error, also an idle one.\n"
    "Prints one line of JSON. Latency runs from handing the request to the kernel to the last "
    "byte\n"
    "of the response.\n";

struct LoadOptions {
    std::uint16_t port = 8080;
    std::string path = "/";
    std::string fields;
    std::uint32_t content = 0;
    std::uint32_t heads = 0;
    std::uint32_t connections = 64;
    std::uint32_t in_flight = 0;
    std::uint32_t rate = 0;
    std::uint32_t seconds = 2;
    std::uint32_t pipeline = 1;
    std::uint64_t requests_per_connection = 0;
    std::uint32_t timeout_s = 5;
    bool close = false;
    bool digits = false;
    bool wait = false;

    // Connections wait for their turn.
    bool paced() const { return in_flight != 0 || rate != 0; }
};

inline LoadOptions parse_load_options(int argc, char** argv) {
    LoadOptions options;
    Arguments arguments(argc, argv, load_usage);
    while (arguments.next()) {
        if (arguments.is("--port")) {
            options.port = arguments.number<std::uint16_t>(1);
        } else if (arguments.is("--path")) {
            options.path = arguments.text();
        } else if (arguments.is("--header")) {
            options.fields += arguments.text();
            options.fields += "\r\n";
        } else if (arguments.is("--content")) {
            options.content = arguments.number<std::uint32_t>(0, 1 << 30);
        } else if (arguments.is("--digits")) {
            options.digits = true;
        } else if (arguments.is("--wait")) {
            options.wait = true;
        } else if (arguments.is("--heads")) {
            options.heads = arguments.number<std::uint32_t>(0, 65536);
        } else if (arguments.is("--connections")) {
            options.connections = arguments.number<std::uint32_t>(1, 60000);
        } else if (arguments.is("--in-flight")) {
            options.in_flight = arguments.number<std::uint32_t>(0);
        } else if (arguments.is("--rate")) {
            options.rate = arguments.number<std::uint32_t>(0, 10'000'000);
        } else if (arguments.is("--seconds")) {
            options.seconds = arguments.number<std::uint32_t>(1, 86400);
        } else if (arguments.is("--pipeline")) {
            options.pipeline = arguments.number<std::uint32_t>(1, 1024);
        } else if (arguments.is("--requests-per-connection")) {
            options.requests_per_connection = arguments.number<std::uint64_t>(0);
        } else if (arguments.is("--timeout")) {
            options.timeout_s = arguments.number<std::uint32_t>(1, 3600);
        } else if (arguments.is("--close")) {
            options.close = true;
        } else {
            arguments.unknown();
        }
    }
    if (options.close && options.requests_per_connection == 0) {
        options.requests_per_connection = 1;
    }
    if (options.paced() && (options.requests_per_connection != 0 || options.pipeline != 1)) {
        fail("--in-flight and --rate are for connections that stay, with one request at once");
    }
    if (options.wait && !options.paced()) {
        fail("--wait needs --in-flight or --rate");
    }
    if (options.heads != 0 && options.pipeline != 1) {
        fail("--heads sends one request at once");
    }
    return options;
}

// Every batch that is ever sent lies in one of two strings: a batch of n is the first n requests of
// the one, or, when its last request asks for the close, the last n requests of the other. Requests
// with heads that differ lie one after the other.
class LoadRequests {
  public:
    explicit LoadRequests(const LoadOptions& options) : heads_(options.heads) {
        std::string content(options.content, options.digits ? '0' : 'x');
        std::string start = (options.content > 0 ? "POST " : "GET ") + options.path +
                            " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) +
                            "\r\n" + options.fields;
        if (options.content > 0) {
            start += "Content-Length: " + std::to_string(options.content) + "\r\n";
        }
        if (heads_ > 0) {
            for (std::uint32_t i = 0; i < heads_; ++i) {
                append(plain_, start + browser_fields(i), content);
            }
            size_ = plain_.size() / heads_;
            closing_ = start + browser_fields(0) + "Connection: close\r\n\r\n" + content;
            return;
        }
        for (std::uint32_t i = 0; i < options.pipeline; ++i) {
            append(plain_, start, content);
        }
        size_ = plain_.size() / options.pipeline;
        closing_ = plain_.substr(size_) + start + "Connection: close\r\n\r\n" + content;
    }

    std::string_view plain(std::size_t count) {
        if (heads_ == 0) {
            return std::string_view(plain_).substr(0, count * size_);
        }
        next_ = next_ + 1 == heads_ ? 0 : next_ + 1;
        return std::string_view(plain_).substr(next_ * size_, size_);
    }

    std::string_view closing(std::size_t count) const {
        std::size_t first = heads_ > 0 ? 0 : plain_.size() - count * size_;
        return std::string_view(closing_).substr(first);
    }

  private:
    static void append(std::string& text, const std::string& start, const std::string& content) {
        text.append(start).append("\r\n").append(content);
    }

    // As long for each number; with Host there are ten.
    static std::string browser_fields(std::uint32_t number) {
        std::string digits = std::to_string(100000 + number);
        return "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
               "\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
               "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br\r\n"
               "Referer: http://127.0.0.1/catalogue/page/" +
               digits + "\r\nCookie: session=4f9d0c7be1a2" + digits +
               "; theme=light\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Mode: navigate\r\n"
               "Priority: u=0, i\r\n";
    }

    std::uint32_t heads_;
    std::size_t size_ = 0;
    std::size_t next_ = 0;
    std::string plain_;
    std::string closing_;
};

}  // namespace bench
