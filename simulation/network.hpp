// The virtual network and the descriptors of the simulated process: listeners with their queues,
// sockets with a client at the other end, files. It knows no io_uring: the ring asks it, clients
// act on it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/faults.hpp"
#include "simulation/timeline.hpp"

namespace enduring::simulation {

/// Bytes on their way in one direction.
class Stream {
  public:
    void append(std::string_view bytes) {
        if (taken_ == bytes_.size()) {
            bytes_.clear();
            taken_ = 0;
        }
        bytes_.append(bytes);
    }
    [[nodiscard]] std::string_view waiting() const noexcept {
        return std::string_view(bytes_).substr(taken_);
    }
    void take(std::size_t count) noexcept { taken_ += count; }
    void clear() noexcept {
        bytes_.clear();
        taken_ = 0;
    }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - taken_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  private:
    std::string bytes_;
    std::size_t taken_ = 0;
};

/// A connection: the server's end of it, and what is on its way.
struct Socket {
    std::uint32_t client = 0;
    std::uint64_t peer = 0;
    Stream input;   // has arrived, not received
    Stream output;  // taken by the kernel, not by the client
    std::size_t input_capacity = 65536;
    std::size_t output_capacity = 65536;
    std::uint64_t read_delay_us = 0;          // until the client looks at what has come
    std::uint64_t output_total = 0;           // bytes sent
    std::uint64_t last_sent_us = 0;           // when the last of them was
    std::uint64_t deaf_us = Timeline::never;  // when the server cancelled its receive
    std::uint64_t ended_us = 0;               // when the server closed or shut its sending side
    std::uint64_t ended_run_us = 0;           // ... by the time that its process has run
    std::uint64_t last_sent_run_us = 0;
    bool ended = false;  // ... it has
    bool accepted = false;
    bool open = false;             // the server's descriptor is
    bool write_shut = false;       // the server has said that nothing more will come
    bool client_finished = false;  // the client has
    bool client_gone = false;      // nobody reads what is sent
    bool reset_by_client = false;
    bool reset_told = false;  // the server has been told of it
    bool reset_by_server = false;
    bool reset_on_close = false;
    bool aborted = false;         // broken by the network before it was accepted
    bool promise_broken = false;  // room was promised that is not there
    bool file_failed = false;     // a file that is sent could not be read
    bool writer_waits = false;    // the client waits for room
    bool read_scheduled = false;
    bool ready = false;  // listed in Network::ready
    int receive_operation = -1;
    int output_operation = -1;

    [[nodiscard]] std::size_t input_room() const noexcept {
        return input.size() < input_capacity ? input_capacity - input.size() : 0;
    }
    [[nodiscard]] std::size_t output_room() const noexcept {
        return output.size() < output_capacity ? output_capacity - output.size() : 0;
    }
};

struct Descriptor {
    enum class Kind : std::uint8_t { none, listener, socket, file };
    Kind kind = Kind::none;
    std::uint32_t index = 0;
};

struct Listener {
    bool open = true;
    std::uint32_t backlog = 0;
    std::deque<std::uint32_t> waiting;  // sockets, not accepted
    std::uint32_t wakes = 0;            // arrivals that no accept was told of
};

struct File {
    std::string_view content{};  // lasts as long as the run
};

/// Not thread-safe.
class Network {
  public:
    Network(Timeline& timeline, Faults& faults) : timeline_(timeline), faults_(faults) {}

    // The client's side. `socket` is a number that lasts.
    std::uint32_t make_socket(std::uint32_t client);
    /// False: nobody listens.
    bool connect(std::uint32_t socket, std::uint32_t listener);
    /// Gives how much has been taken.
    std::size_t write(std::uint32_t socket, std::string_view bytes);
    void finish(std::uint32_t socket);
    void reset(std::uint32_t socket);
    /// Closes the client's end.
    void leave(std::uint32_t socket);
    /// Has taken bytes from the socket's output.
    void on_read(std::uint32_t socket);

    // The server's side.
    int add_listener(std::uint32_t backlog);
    int open_file(std::string_view content);
    void close_file(int descriptor);
    /// The next waiting connection becomes a descriptor.
    int accept(std::uint32_t listener);
    /// The next waiting connection is broken before it is accepted.
    void abort_waiting(std::uint32_t listener);
    void close(int descriptor);
    void send(std::uint32_t socket, std::string_view bytes);
    void shutdown_write(std::uint32_t socket);
    /// Room has come into the socket's input.
    void on_received(std::uint32_t socket);

    [[nodiscard]] const Descriptor& at(int descriptor) const noexcept;
    [[nodiscard]] Socket& socket(std::uint32_t index) noexcept { return sockets_[index]; }
    [[nodiscard]] Listener& listener(std::uint32_t index) noexcept { return listeners_[index]; }

    // Files of this network, and those that the process has really opened, by their descriptors.
    [[nodiscard]] bool is_file(int descriptor) const;
    /// As it is now; 0 if the system does not tell.
    [[nodiscard]] std::uint64_t file_size(int descriptor) const;
    /// As pread(2): gives how much has been read, or a negative errno.
    [[nodiscard]] std::int32_t read_file(int descriptor, char* data, std::size_t size,
                                         std::uint64_t offset) const;

    [[nodiscard]] std::uint32_t listeners() const noexcept {
        return static_cast<std::uint32_t>(listeners_.size());
    }
    [[nodiscard]] std::uint32_t open_descriptors() const noexcept { return open_; }

    /// Sockets at which something has happened, for the ring to look at and clear.
    std::vector<std::uint32_t> ready;
    void mark_ready(std::uint32_t socket);

  private:
    // Above all that the process really has open.
    static constexpr int first_descriptor = 1 << 30;
    int open(Descriptor descriptor);
    void tell_client(std::uint32_t socket);
    void end(std::uint32_t socket);

    Timeline& timeline_;
    Faults& faults_;
    std::vector<Descriptor> descriptors_;
    std::deque<Socket> sockets_;
    std::vector<Listener> listeners_;
    std::vector<File> files_;
    std::uint32_t open_ = 0;
};

}  // namespace enduring::simulation
