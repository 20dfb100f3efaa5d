#include "simulation/network.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "simulation/report.hpp"

namespace enduring::simulation {

// ---- the client's side -------------------------------------------------------------------------

std::uint32_t Network::make_socket(std::uint32_t client) {
    sockets_.emplace_back();
    sockets_.back().client = client;
    return static_cast<std::uint32_t>(sockets_.size() - 1);
}

bool Network::connect(std::uint32_t socket, std::uint32_t listener) {
    Listener& queue = listeners_[listener];
    if (!queue.open || queue.waiting.size() > queue.backlog) {
        return false;
    }
    queue.waiting.push_back(socket);
    ++queue.wakes;
    return true;
}

std::size_t Network::write(std::uint32_t socket, std::string_view bytes) {
    Socket& end = sockets_[socket];
    if (end.reset_by_server || end.reset_by_client) {
        return bytes.size();
    }
    if (end.accepted && !end.open) {
        // Nobody is there any more: the answer is a reset.
        end.reset_by_server = true;
        if (faults_.draw(Fault::lost_output)) {
            end.output.clear();
        }
        tell_client(socket);
        return bytes.size();
    }
    const std::size_t count = std::min(bytes.size(), end.input_room());
    end.writer_waits = count < bytes.size();
    if (count > 0) {
        end.input.append(bytes.substr(0, count));
        mark_ready(socket);
    }
    return count;
}

void Network::finish(std::uint32_t socket) {
    sockets_[socket].client_finished = true;
    mark_ready(socket);
}

void Network::reset(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    end.client_gone = true;
    end.client_finished = true;
    if (!end.reset_by_server) {
        end.reset_by_client = true;
        end.output.clear();
        if (faults_.random().chance(500)) {
            end.input.clear();
        }
    }
    mark_ready(socket);
}

void Network::leave(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    if (!end.output.empty()) {
        reset(socket);
        return;
    }
    end.client_gone = true;
    finish(socket);
}

void Network::on_read(std::uint32_t socket) { mark_ready(socket); }

// ---- the server's side -------------------------------------------------------------------------

int Network::open(Descriptor descriptor) {
    ++open_;
    for (std::size_t i = 0; i < descriptors_.size(); ++i) {
        if (descriptors_[i].kind == Descriptor::Kind::none) {
            descriptors_[i] = descriptor;
            return first_descriptor + static_cast<int>(i);
        }
    }
    descriptors_.push_back(descriptor);
    return first_descriptor + static_cast<int>(descriptors_.size() - 1);
}

const Descriptor& Network::at(int descriptor) const noexcept {
    static constexpr Descriptor none{};
    const int index = descriptor - first_descriptor;
    return index < 0 || static_cast<std::size_t>(index) >= descriptors_.size()
               ? none
               : descriptors_[static_cast<std::size_t>(index)];
}

int Network::add_listener(std::uint32_t backlog) {
    listeners_.push_back(Listener{.backlog = backlog, .waiting = {}});
    return open({Descriptor::Kind::listener, listeners() - 1});
}

int Network::open_file(std::string_view content) {
    files_.push_back({content});
    return open({Descriptor::Kind::file, static_cast<std::uint32_t>(files_.size() - 1)});
}

void Network::close_file(int descriptor) {
    if (at(descriptor).kind != Descriptor::Kind::file) {
        fail("a descriptor was closed as a file and is none");
    }
    close(descriptor);
}

bool Network::is_file(int descriptor) const {
    struct stat status{};
    return descriptor < first_descriptor
               ? ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)
               : at(descriptor).kind == Descriptor::Kind::file;
}

std::uint64_t Network::file_size(int descriptor) const {
    if (descriptor >= first_descriptor) {
        return files_[at(descriptor).index].content.size();
    }
    struct stat status{};
    return ::fstat(descriptor, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::int32_t Network::read_file(int descriptor, char* data, std::size_t size,
                                std::uint64_t offset) const {
    if (descriptor < first_descriptor) {
        const ssize_t count = ::pread(descriptor, data, size, static_cast<off_t>(offset));
        return static_cast<std::int32_t>(count < 0 ? -errno : count);
    }
    const std::string_view content = files_[at(descriptor).index].content;
    const std::string_view bytes =
        content.substr(std::min<std::uint64_t>(offset, content.size()), size);
    std::memcpy(data, bytes.data(), bytes.size());
    return static_cast<std::int32_t>(bytes.size());
}

int Network::accept(std::uint32_t listener) {
    Listener& queue = listeners_[listener];
    const std::uint32_t socket = queue.waiting.front();
    queue.waiting.pop_front();
    sockets_[socket].accepted = true;
    sockets_[socket].open = true;
    return open({Descriptor::Kind::socket, socket});
}

void Network::abort_waiting(std::uint32_t listener) {
    Listener& queue = listeners_[listener];
    const std::uint32_t socket = queue.waiting.front();
    queue.waiting.pop_front();
    sockets_[socket].aborted = true;
    sockets_[socket].reset_by_server = true;
    tell_client(socket);
}

void Network::close(int descriptor) {
    const Descriptor what = at(descriptor);
    if (what.kind == Descriptor::Kind::none) {
        fail("a descriptor was closed that is not open", core::formatted("{}", descriptor));
    }
    descriptors_[static_cast<std::size_t>(descriptor - first_descriptor)] = {};
    --open_;
    if (what.kind == Descriptor::Kind::listener) {
        Listener& queue = listeners_[what.index];
        queue.open = false;
        for (const std::uint32_t socket : queue.waiting) {
            sockets_[socket].reset_by_server = true;
            end(socket);
            tell_client(socket);
        }
        queue.waiting.clear();
        return;
    }
    if (what.kind != Descriptor::Kind::socket) {
        return;
    }
    Socket& end_of = sockets_[what.index];
    end_of.open = false;
    end(what.index);
    // Input that nobody has read makes the kernel answer with a reset; so does the option.
    if (!end_of.reset_by_client && (end_of.reset_on_close || !end_of.input.empty())) {
        end_of.reset_by_server = true;
        if (end_of.reset_on_close || faults_.draw(Fault::lost_output)) {
            end_of.output.clear();
        }
    }
    end_of.write_shut = true;
    tell_client(what.index);
    if (end_of.writer_waits) {
        on_received(what.index);
    }
}

void Network::send(std::uint32_t socket, std::string_view bytes) {
    Socket& end = sockets_[socket];
    end.output_total += bytes.size();
    end.last_sent_us = timeline_.now_us();
    end.last_sent_run_us = timeline_.run_us();
    if (end.client_gone) {
        end.reset_by_client = true;
        mark_ready(socket);
        return;
    }
    end.output.append(bytes);
    tell_client(socket);
}

void Network::shutdown_write(std::uint32_t socket) {
    sockets_[socket].write_shut = true;
    end(socket);
    tell_client(socket);
}

void Network::on_received(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    if (end.writer_waits) {
        end.writer_waits = false;
        timeline_.schedule(timeline_.now_us(), Happening::client_acts, end.client, ~0U);
    }
}

void Network::mark_ready(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    if (!end.ready && end.open) {
        end.ready = true;
        ready.push_back(socket);
    }
}

void Network::tell_client(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    if (!end.read_scheduled && !end.client_gone) {
        end.read_scheduled = true;
        timeline_.schedule(timeline_.now_us() + end.read_delay_us, Happening::client_reads,
                           end.client);
    }
}

void Network::end(std::uint32_t socket) {
    Socket& end = sockets_[socket];
    if (!end.ended) {
        end.ended = true;
        end.ended_us = timeline_.now_us();
        end.ended_run_us = timeline_.run_us();
    }
}

}  // namespace enduring::simulation
