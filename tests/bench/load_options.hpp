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
    "  --connections N              (64)\n"
    "  --seconds N                  (2)\n"
    "  --pipeline N                 requests sent at once, the next when all are answered (1)\n"
    "  --requests-per-connection N  then the client closes and connects anew; 0: never (0)\n"
    "  --close                      the last request of a connection says 'Connection: close' and\n"
    "                               the server must close; alone it means one request for each\n"
    "  --timeout N                  seconds to wait for a response, or the server's close (5)\n"
    "Prints one line of JSON. Latency runs from handing the request to the kernel to the last "
    "byte\n"
    "of the response.\n";

struct LoadOptions {
    std::uint16_t port = 8080;
    std::string path = "/";
    std::string fields;
    std::uint32_t connections = 64;
    std::uint32_t seconds = 2;
    std::uint32_t pipeline = 1;
    std::uint64_t requests_per_connection = 0;
    std::uint32_t timeout_s = 5;
    bool close = false;
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
        } else if (arguments.is("--connections")) {
            options.connections = arguments.number<std::uint32_t>(1, 60000);
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
    return options;
}

// Every batch that is ever sent lies in one of two strings: a batch of n is the first n requests of
// the one, or, when its last request asks for the close, the last n requests of the other.
class LoadRequests {
  public:
    explicit LoadRequests(const LoadOptions& options) {
        std::string request = "GET " + options.path +
                              " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) +
                              "\r\n" + options.fields;
        size_ = request.size() + 2;
        for (std::uint32_t i = 0; i < options.pipeline; ++i) {
            plain_ += request + "\r\n";
        }
        closing_ = plain_.substr(size_) + request + "Connection: close\r\n\r\n";
    }

    std::string_view plain(std::size_t count) const {
        return std::string_view(plain_).substr(0, count * size_);
    }

    std::string_view closing(std::size_t count) const {
        return std::string_view(closing_).substr(plain_.size() - count * size_);
    }

  private:
    std::size_t size_;
    std::string plain_;
    std::string closing_;
};

}  // namespace bench
