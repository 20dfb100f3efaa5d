// What the libraries are optimised for: a server and its clients do what servers and clients do
// most, in about the proportions in which it matters how fast that is, and the compiler's counters
// see it. Where no server can run, as while an image is built, it is the sessions alone that run.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/file_cache.hpp"
#include "http/server.hpp"
#include "http/static_files.hpp"
#include "http/testing.hpp"

namespace {

using namespace enduring::http;

constexpr std::string_view text = "text/plain";
constexpr std::string_view path_of_small = "/files/small.html";

// ---- the server --------------------------------------------------------------------------------

void answer_later(const Request&, Responder responder) {
    Timers& timers = responder.timers();
    timers.after(std::chrono::milliseconds(1), [responder = std::move(responder)]() mutable {
        responder.send(Status::ok, text, "late");
    });
}

void answer_in_pieces(const Request&, Responder responder) {
    Response head;
    head.content_type(text);
    ResponseStream stream = std::move(responder).begin(std::move(head));
    stream.write("one piece, and ");
    stream.write("another one");
    stream.finish();
}

void answer_upload(const Request&, Responder responder) {
    const RequestContent content = responder.content();
    content.on_piece([responder = std::move(responder)](std::string_view, bool last) mutable {
        if (last) {
            responder.send(Status::ok, text, "taken");
        }
    });
}

void answer_content(const Request& request, Responder responder) {
    Response response;
    response.content_type(text).field("Cache-Control", "no-store");
    response.content(std::string(request.content()));
    responder.send(std::move(response));
}

Router make_router(const std::string& directory) {
    Router router;
    router.get("/small",
               [](const Request&, Responder responder) { responder.send(Status::ok, text, "ok"); });
    router.get("/user/{name}", [](const Request& request, Responder responder) {
        responder.send(Status::ok, "application/json",
                       "{\"name\": \"" + std::string(request.parameter("name")) + "\"}");
    });
    router.get("/late", answer_later);
    router.get("/pieces", answer_in_pieces);
    router.post("/content", answer_content);
    router.on(Method::post, "/upload", answer_upload, ContentMode::streamed);
    auto files = StaticFiles::open(directory);
    if (!files) {
        throw std::runtime_error(files.error().what);
    }
    router.get("/files/{path...}", std::move(*files));
    return router;
}

/// Files in a directory of their own, which goes at the end.
class Files {
  public:
    Files() : directory_(std::filesystem::temp_directory_path() / "enduring-train-XXXXXX") {
        std::string name = directory_;
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("cannot make a directory like " + name);
        }
        directory_ = name;
        write("small.html", 4 * 1024);
        write("script.js", 16 * 1024);
        write("picture.png", 100 * 1024);
        write("archive.zip", 2 * 1024 * 1024);
        // What has just changed is not kept in memory, and nobody can set when a file changed.
        std::this_thread::sleep_for(std::chrono::seconds(FileCache::settled_after_seconds + 1));
    }
    ~Files() {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

  private:
    void write(const std::string& name, std::size_t size) const {
        std::ofstream(directory_ + "/" + name) << std::string(size, 'x');
    }
    std::string directory_;
};

// ---- what is asked -----------------------------------------------------------------------------

std::string get(std::string_view target, std::string_view fields = {}) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost:8080\r\n" +
           std::string(fields) + "\r\n";
}

std::string post(std::string_view target, std::size_t size) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: " + std::to_string(size) +
           "\r\n\r\n" + std::string(size, 'x');
}

// A head like a browser's, each another one.
std::string get_as_browser(unsigned number) {
    return get("/user/" + std::to_string(number),
               "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
               "\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
               "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
               "Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document"
               "\r\nSec-Fetch-Mode: navigate\r\nCookie: session=" +
                   std::to_string(number * 2'654'435'761U) + "\r\n");
}

/// Some requests of a kind: how many at once on a connection, and how often.
struct Kind {
    std::string request;
    unsigned at_once = 1;
    unsigned times = 1;
};

std::vector<Kind> what_is_asked() {
    std::vector<Kind> kinds{
        {get("/small"), 1, 2'000},
        {get("/small"), 16, 100},
        {get(path_of_small), 1, 300},
        {get("/files/script.js"), 1, 100},
        {get("/files/picture.png"), 1, 50},
        {get("/files/archive.zip"), 1, 2},
        {get(path_of_small, "Range: bytes=100-199\r\n"), 1, 5},
        {post("/content", 100), 1, 100},
        {post("/content", 20'000), 1, 5},
        {post("/upload", 1'000'000), 1, 2},
        {"POST /content HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
         1, 50},
        {get("/pieces"), 1, 20},
        {get("/late"), 1, 10},
        {get("/nowhere"), 1, 20},
    };
    for (unsigned number = 0; number < 200; ++number) {
        kinds.push_back({get_as_browser(number), 1, 2});
    }
    return kinds;
}

// ---- over the network --------------------------------------------------------------------------

/// A client's socket. What goes wrong throws.
class Client {
  public:
    explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
            throw std::runtime_error("cannot connect to the server");
        }
    }
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                throw std::runtime_error("the server does not take a request");
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// Reads so many bytes, or to the end; gives how many came.
    std::size_t read(std::size_t most) {
        std::size_t size = 0;
        while (size < most) {
            const ssize_t got =
                ::recv(socket_, buffer_->data(), std::min(buffer_->size(), most - size), 0);
            if (got < 0) {
                throw std::runtime_error("the server does not answer");
            }
            if (got == 0) {
                break;
            }
            size += static_cast<std::size_t>(got);
        }
        return size;
    }

  private:
    int socket_;
    std::unique_ptr<std::array<char, 65536>> buffer_ = std::make_unique<std::array<char, 65536>>();
};

std::string closing(std::string request) {
    return request.insert(request.find("\r\n") + 2, "Connection: close\r\n");
}

// The size of an answer on a connection that stays, which says nothing of that.
std::size_t size_of_answer(std::uint16_t port, const std::string& request) {
    Client client(port);
    client.send(closing(request));
    return client.read(~std::size_t{0}) - std::string_view("Connection: close\r\n").size();
}

void ask_server(std::uint16_t port) {
    std::vector<std::unique_ptr<Client>> clients;
    for (unsigned i = 0; i < 16; ++i) {
        clients.push_back(std::make_unique<Client>(port));
    }
    for (const Kind& kind : what_is_asked()) {
        const std::size_t size = size_of_answer(port, kind.request);
        std::string requests;
        for (unsigned i = 0; i < kind.at_once; ++i) {
            requests += kind.request;
        }
        for (unsigned time = 0; time < kind.times; ++time) {
            for (const auto& client : clients) {
                client->send(requests);
            }
            for (const auto& client : clients) {
                if (client->read(kind.at_once * size) != kind.at_once * size) {
                    throw std::runtime_error("the server closed a connection");
                }
            }
        }
    }
    const std::string request = get("/small");
    const std::size_t size = size_of_answer(port, request);
    for (unsigned i = 0; i < 500; ++i) {
        Client few(port);
        for (unsigned number = 0; number < 10; ++number) {
            few.send(request);
            few.read(size);
        }
        Client one(port);
        one.send(closing(request));
        one.read(~std::size_t{0});
    }
    for (unsigned i = 0; i < 20; ++i) {
        Client split(port);
        split.send(std::string_view(request).substr(0, 20));
        // When another one that asked later has its answer, the server has seen this beginning.
        clients.front()->send(request);
        clients.front()->read(size);
        split.send(std::string_view(request).substr(20));
        split.read(size);
        Client bad(port);
        bad.send("GET / HTTP/1.1\r\n\r\n");
        bad.read(~std::size_t{0});
    }
}

// ---- without it --------------------------------------------------------------------------------

void train_sessions(Router router) {
    test::Client client(std::move(router));
    for (const Kind& kind : what_is_asked()) {
        for (unsigned time = 0; time < kind.times / 8 + 1; ++time) {
            test::Connection& connection = client.connect();
            for (unsigned i = 0; i < kind.at_once; ++i) {
                connection.write(kind.request);
            }
            client.advance(std::chrono::milliseconds(2));
            connection.disconnect();
        }
    }
}

void train_server(const std::string& directory) {
    Options options;
    options.workers = 1;
    options.http.requests_max = 0;
    options.listen = {{.kind = enduring::core::Address::Kind::host, .host = "127.0.0.1"}};
    auto server = Server::create(options, make_router(directory));
    if (!server) {
        throw std::runtime_error(server.error().what);
    }
    if (const auto started = (*server)->start(); !started) {
        throw std::runtime_error(started.error().what);
    }
    ask_server((*server)->addresses().front().port);
    (*server)->drain();
    (*server)->wait();
}

void train() {
    const Files files;
    try {
        train_server(files.directory());
    } catch (const std::exception& error) {
        std::cerr << "train: " << error.what()
                  << ": what is built now will be a little slower than where a server can run\n";
        train_sessions(make_router(files.directory()));
    }
}

}  // namespace

int main() {
    try {
        train();
    } catch (const std::exception& error) {
        std::cerr << "train: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
