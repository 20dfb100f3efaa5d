// The floor: the least that the kernel asks for HTTP traffic over io_uring. It parses nothing and
// sends one fixed answer for each CRLFCRLF that comes in, so the CPU time it takes per request is
// what remains when a server's own work is taken away. It is a measure and no server: whoever
// sends requests without reading the answers gets them garbled, since nothing here waits for a
// send to end before the next one is queued.
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "head_counter.hpp"
#include "options.hpp"

namespace {

constexpr std::string_view usage =
    "usage: floor [options]\n"
    "  --port N          listen on 127.0.0.1:N (8080)\n"
    "  --buffers N       receive buffers, a power of two (4096)\n"
    "  --buffer-size N   bytes of each (4096)\n"
    "  --cpu N           pin to this CPU (as started)\n"
    "  --close           answer once per connection, say 'Connection: close' and close\n"
    "  --content N       each request has so many bytes of content, which are received first (0)\n"
    "  --single-shot     arm a new recv for each read\n"
    "  --poll-first      do not try the first recv of a connection before polling it\n"
    "  --direct          use direct descriptors\n";

struct Options {
    std::uint16_t port = 8080;
    std::uint32_t buffers = 4096;
    std::uint32_t buffer_size = 4096;
    std::uint32_t cpu = CPU_SETSIZE;
    std::uint32_t content = 0;
    bool close = false;
    bool single_shot = false;
    bool poll_first = false;
    bool direct = false;
};

Options parse(int argc, char** argv) {
    Options options;
    bench::Arguments arguments(argc, argv, usage);
    while (arguments.next()) {
        if (arguments.is("--port")) {
            options.port = arguments.number<std::uint16_t>(1);
        } else if (arguments.is("--buffers")) {
            options.buffers = arguments.number<std::uint32_t>(1, 32768);
            if (!std::has_single_bit(options.buffers)) {
                bench::fail("--buffers wants a power of two");
            }
        } else if (arguments.is("--buffer-size")) {
            options.buffer_size = arguments.number<std::uint32_t>(64, 1 << 20);
        } else if (arguments.is("--cpu")) {
            options.cpu = arguments.number<std::uint32_t>(0, CPU_SETSIZE - 1);
        } else if (arguments.is("--content")) {
            options.content = arguments.number<std::uint32_t>(0);
        } else if (arguments.is("--close")) {
            options.close = true;
        } else if (arguments.is("--single-shot")) {
            options.single_shot = true;
        } else if (arguments.is("--poll-first")) {
            options.poll_first = true;
        } else if (arguments.is("--direct")) {
            options.direct = true;
        } else {
            arguments.unknown();
        }
    }
    // A multishot recv holds the file, and close() would not send FIN before it is cancelled.
    options.single_shot |= options.close;
    return options;
}

[[noreturn]] void fail_with(const char* what, int error) {
    bench::fail(std::string("floor: ") + what + ": " + std::strerror(error));
}

std::string fixed_answer(bool close) {
    char date[64];
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return std::string("HTTP/1.1 200 OK\r\nServer: f\r\nContent-Type: text/plain\r\n") +
           (close ? "Connection: close\r\n" : "") + "Content-Length: 2\r\nDate: " + date +
           "\r\n\r\nok";
}

class Floor {
  public:
    explicit Floor(const Options& options)
        : options_(options),
          answer_(fixed_answer(options.close)),
          windows_(descriptor_limit()),
          content_left_(options.content > 0 ? windows_.size() : 0) {
        // Four bytes at least make a head, and three may lie in the buffer before.
        std::size_t copies = options_.buffer_size / 4 + 1;
        answers_.reserve(copies * answer_.size());
        for (std::size_t i = 0; i < copies; ++i) {
            answers_ += answer_;
        }
        listen_on_port();
        set_up_ring();
        set_up_buffers();
    }

    [[noreturn]] void run() {
        submit_accept();
        for (;;) {
            int result = io_uring_submit_and_wait(&ring_, 1);
            if (result < 0 && result != -EINTR && result != -EBUSY) {
                fail_with("submit_and_wait", -result);
            }
            unsigned seen = 0;
            unsigned head = 0;
            io_uring_cqe* cqe = nullptr;
            io_uring_for_each_cqe(&ring_, head, cqe) {
                ++seen;
                on_cqe(*cqe);
            }
            if (returned_ != 0) {
                io_uring_buf_ring_advance(buffer_ring_, std::exchange(returned_, 0));
            }
            io_uring_cq_advance(&ring_, seen);
        }
    }

  private:
    enum Operation : std::uint8_t { accept_op, recv_op, send_op, close_op };

    // The descriptor table bounds the descriptors, and so the connections.
    static std::size_t descriptor_limit() {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
    }

    void listen_on_port() {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener_ < 0) {
            fail_with("cannot make a socket", errno);
        }
        int on = 1;
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(options_.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 4096) != 0) {
            fail_with("cannot listen", errno);
        }
    }

    void set_up_ring() {
        io_uring_params params{};
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_NO_SQARRAY;
        params.cq_entries = 16384;
        int result = io_uring_queue_init_params(4096, &ring_, &params);
        if (result == -EINVAL) {  // NO_SQARRAY came with Linux 6.6.
            params.flags &= ~IORING_SETUP_NO_SQARRAY;
            result = io_uring_queue_init_params(4096, &ring_, &params);
        }
        if (result < 0) {
            fail_with("io_uring (Linux 6.1 or newer is needed)", -result);
        }
        io_uring_register_ring_fd(&ring_);
        if (options_.direct) {
            result = io_uring_register_files_sparse(&ring_, static_cast<unsigned>(windows_.size()));
            if (result < 0) {
                fail_with("direct descriptors", -result);
            }
        }
    }

    void set_up_buffers() {
        int error = 0;
        buffer_ring_ = io_uring_setup_buf_ring(&ring_, options_.buffers, 0, 0, &error);
        if (buffer_ring_ == nullptr) {
            fail_with("buffer ring", -error);
        }
        std::size_t bytes = std::size_t{options_.buffers} * options_.buffer_size;
        void* memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            fail_with("buffers", errno);
        }
        buffers_ = static_cast<unsigned char*>(memory);
        mask_ = io_uring_buf_ring_mask(options_.buffers);
        for (std::uint32_t i = 0; i < options_.buffers; ++i) {
            return_buffer(i);
        }
        io_uring_buf_ring_advance(buffer_ring_, std::exchange(returned_, 0));
    }

    unsigned char* buffer(std::uint32_t id) {
        return buffers_ + std::size_t{id} * options_.buffer_size;
    }

    // The kernel sees the buffers that a turn gave back all at once, at its end.
    void return_buffer(std::uint32_t id) {
        io_uring_buf_ring_add(buffer_ring_, buffer(id), options_.buffer_size,
                              static_cast<unsigned short>(id), mask_, returned_++);
    }

    io_uring_sqe* next_sqe(Operation operation, std::uint32_t descriptor) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) {
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        sqe->user_data = std::uint64_t{descriptor} << 8 | operation;
        return sqe;
    }

    void submit_accept() {
        io_uring_sqe* sqe = next_sqe(accept_op, 0);
        if (options_.direct) {
            io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
        } else {
            io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        }
    }

    void submit_recv(std::uint32_t descriptor, bool first) {
        io_uring_sqe* sqe = next_sqe(recv_op, descriptor);
        if (options_.single_shot) {
            io_uring_prep_recv(sqe, static_cast<int>(descriptor), nullptr, 0, 0);
        } else {
            io_uring_prep_recv_multishot(sqe, static_cast<int>(descriptor), nullptr, 0, 0);
        }
        sqe->flags = IOSQE_BUFFER_SELECT;
        if (first && options_.poll_first) {
            sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
        }
        use_direct(sqe);
    }

    void submit_send(std::uint32_t descriptor, unsigned count) {
        io_uring_sqe* sqe = next_sqe(send_op, descriptor);
        io_uring_prep_send(sqe, static_cast<int>(descriptor), answers_.data(),
                           count * answer_.size(), MSG_NOSIGNAL | MSG_WAITALL);
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        use_direct(sqe);
    }

    void submit_close(std::uint32_t descriptor) {
        io_uring_sqe* sqe = next_sqe(close_op, descriptor);
        if (options_.direct) {
            io_uring_prep_close_direct(sqe, descriptor);
        } else {
            io_uring_prep_close(sqe, static_cast<int>(descriptor));
        }
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    }

    void use_direct(io_uring_sqe* sqe) {
        if (options_.direct) {
            sqe->flags = static_cast<std::uint8_t>(sqe->flags | IOSQE_FIXED_FILE);
        }
    }

    void on_cqe(const io_uring_cqe& cqe) {
        auto descriptor = static_cast<std::uint32_t>(cqe.user_data >> 8);
        switch (static_cast<Operation>(cqe.user_data & 0xff)) {
            case recv_op:
                on_recv(cqe, descriptor);
                break;
            case accept_op:
                on_accept(cqe);
                break;
            case send_op:  // Only failures are told, and the recv tells of them, too.
            case close_op:
                break;
        }
    }

    void on_accept(const io_uring_cqe& cqe) {
        if (cqe.res >= 0) {
            windows_[static_cast<std::size_t>(cqe.res)] = 0;
            if (options_.content > 0) {
                content_left_[static_cast<std::size_t>(cqe.res)] = 0;
            }
            submit_recv(static_cast<std::uint32_t>(cqe.res), true);
        } else if (cqe.res != -ECONNABORTED) {
            // A floor that refuses connections would measure something else.
            fail_with("accept", -cqe.res);
        }
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
            submit_accept();
        }
    }

    void on_recv(const io_uring_cqe& cqe, std::uint32_t descriptor) {
        if (cqe.res <= 0 && cqe.res != -ENOBUFS) {
            submit_close(descriptor);
            return;
        }
        if (cqe.res > 0) {
            std::uint32_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
            const auto size = static_cast<std::size_t>(cqe.res);
            unsigned heads = options_.content > 0
                                 ? count_contents(descriptor, buffer(id), size)
                                 : counter_.count(windows_[descriptor], buffer(id), size);
            return_buffer(id);
            if (heads != 0) {
                submit_send(descriptor, options_.close ? 1 : heads);
                if (options_.close) {
                    submit_close(descriptor);
                    return;
                }
            }
        }
        // When the buffers had run out, those that this turn gives back serve the new recv.
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
            submit_recv(descriptor, false);
        }
    }

    // How many requests are complete with their contents. A content has no empty line in it, and
    // what comes in one buffer with a head's end is the beginning of its content.
    unsigned count_contents(std::uint32_t descriptor, const unsigned char* bytes,
                            std::size_t size) {
        std::uint32_t& left = content_left_[descriptor];
        unsigned complete = 0;
        while (size > 0) {
            if (left == 0) {
                std::size_t end =
                    bench::HeadCounter::find_end(windows_[descriptor], bytes, 0, size);
                if (end == 0) {
                    break;
                }
                left = options_.content;
                bytes += end;
                size -= end;
                continue;
            }
            std::size_t taken = size < left ? size : left;
            left -= static_cast<std::uint32_t>(taken);
            bytes += taken;
            size -= taken;
            complete += left == 0 ? 1 : 0;
        }
        return complete;
    }

    Options options_;
    std::string answer_;
    std::string answers_;
    std::vector<std::uint32_t> windows_;       // Indexed by descriptor.
    std::vector<std::uint32_t> content_left_;  // So is this; empty without contents.
    bench::HeadCounter counter_;
    io_uring ring_{};
    io_uring_buf_ring* buffer_ring_ = nullptr;
    unsigned char* buffers_ = nullptr;
    int mask_ = 0;
    int returned_ = 0;
    int listener_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
    Options options = parse(argc, argv);
    if (options.cpu < CPU_SETSIZE) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(options.cpu, &cpus);
        if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
            fail_with("cannot pin to the CPU", errno);
        }
    }
    Floor(options).run();
}
