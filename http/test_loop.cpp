#include "http/test_loop.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace enduring::http::test {

using core::Need;

Loop::~Loop() {
    for (const auto& connection : connections_) {
        close(*connection);
    }
    if (service_ != nullptr) {
        service_->end();
    }
}

Service& Loop::start(const Router& router, const Limits& limits, Service::WallClock wall_clock,
                     std::shared_ptr<Mailbox> mailbox) {
    service_ = std::make_unique<Service>(router, limits, wall_clock, std::move(mailbox));
    service_->attach(this);
    begin_turn();
    return *service_;
}

void Loop::begin_turn() { service_->begin_turn(clock_ms_ * 1'000); }

void Loop::pump() {
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& connection : connections_) {
            changed = pump_one(*connection) || changed;
        }
    }
    service_->end_turn(clock_ms_ * 1'000);
}

bool Loop::pump_one(LoopConnection& connection) {
    if (connection.closed) {
        return false;
    }
    bool changed = receive(connection);
    if (std::exchange(connection.woken, false) && !connection.ended()) {
        take(connection, service_->resume(connection.session, connection.output));
        changed = true;
    }
    if (!connection.blocked && !connection.output.empty()) {
        send(connection, unlimited);
        changed = true;
    }
    return changed;
}

// ---- the client's side -------------------------------------------------------------------------

LoopConnection& Loop::connect() {
    connections_.push_back(std::make_unique<LoopConnection>());
    LoopConnection& connection = *connections_.back();
    connection.id = {static_cast<std::uint32_t>(connections_.size() - 1), 1};
    service_->open(connection.session, connection.id);
    return connection;
}

void Loop::give(LoopConnection& connection, std::string_view bytes) {
    if (connection.ended()) {
        return;
    }
    connection.unreceived += bytes;
    receive(connection);
    pump();
}

void Loop::finish_input(LoopConnection& connection) {
    connection.finishing = true;
    receive(connection);
    pump();
}

void Loop::time_out(LoopConnection& connection) {
    if (!connection.ended()) {
        take(connection, service_->time_out(connection.session, connection.output));
        pump();
    }
}

void Loop::read(LoopConnection& connection, std::size_t bytes_max) {
    send(connection, bytes_max);
    pump();
}

void Loop::close(LoopConnection& connection) {
    if (!connection.closed) {
        service_->close(connection.session);
        connection.output.clear(pool_);
        connection.closed = true;
    }
}

// ---- the loop's side ---------------------------------------------------------------------------

Loop::Access Loop::find(core::ConnectionId id) {
    if (id.slot >= connections_.size()) {
        return {};
    }
    LoopConnection& connection = *connections_[id.slot];
    if (connection.closed || connection.ended() || connection.id != id) {
        return {};
    }
    return {&connection.session, &connection.output};
}

std::optional<core::Address> Loop::peer(core::ConnectionId id) {
    std::optional<core::Address> address = options_.peer;
    if (address) {
        address->port = static_cast<std::uint16_t>(address->port + id.slot);
    }
    return address;
}

void Loop::take(LoopConnection& connection, core::Progress progress) {
    connection.progress = progress;
    connection.messages += progress.new_message ? 1 : 0;
    if (options_.on_progress) {
        options_.on_progress(connection);
    }
    if (progress.broken) {
        cut(connection);
    }
}

// Nothing more is sent, not even what waits.
void Loop::cut(LoopConnection& connection) {
    connection.cut = true;
    connection.output.clear(pool_);
}

// True: something came.
bool Loop::receive(LoopConnection& connection) {
    bool changed = false;
    while (!connection.ended() && !connection.unreceived.empty() &&
           !connection.progress.hold_input) {
        // Not more than was allocated may be read, and nothing later.
        const std::size_t size = std::min(connection.unreceived.size(), options_.receive_bytes_max);
        const auto buffer = std::make_unique_for_overwrite<char[]>(size);
        connection.unreceived.copy(buffer.get(), size);
        connection.unreceived.erase(0, size);
        take(connection,
             service_->receive(connection.session, connection.output, {buffer.get(), size}));
        changed = true;
    }
    if (connection.ended()) {
        connection.unreceived.clear();
        connection.finishing = false;
    }
    if (connection.unreceived.empty() && std::exchange(connection.finishing, false)) {
        take(connection, service_->finish_input(connection.session, connection.output));
        changed = true;
    }
    return changed;
}

void Loop::send(LoopConnection& connection, std::size_t bytes_max) {
    std::size_t sent = 0;
    while (!connection.output.empty() && sent < bytes_max) {
        const std::size_t size = connection.output.front_file() != nullptr
                                     ? send_file(connection, bytes_max - sent)
                                     : send_bytes(connection, bytes_max - sent);
        sent += size;
        if (size == 0) {
            connection.output.clear(pool_);
        }
    }
    if (sent > 0 && connection.progress.need == Need::room) {
        take(connection, service_->resume(connection.session, connection.output));
    }
}

std::size_t Loop::send_file(LoopConnection& connection, std::size_t bytes_max) {
    core::FilePiece piece = *connection.output.front_file();
    piece.size = std::min<std::uint64_t>(piece.size, bytes_max);
    std::optional<std::string> bytes;
    if (options_.read_file) {
        bytes = options_.read_file(piece);
    }
    if (!bytes) {
        connection.progress = {
            .need = Need::nothing, .broken = true, .reason = core::Reason::content_failed};
        cut(connection);
        return 0;
    }
    connection.received += *bytes;
    connection.output.consume(piece.size, pool_);
    const auto size = static_cast<std::size_t>(piece.size);
    connection.files.push_back(std::move(piece));
    return size;
}

std::size_t Loop::send_bytes(LoopConnection& connection, std::size_t bytes_max) {
    std::array<core::Slice, 16> slices;
    const std::size_t count = connection.output.gather(slices);
    std::size_t size = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t part = std::min(slices[i].size, bytes_max - size);
        connection.received.append(slices[i].data, part);
        size += part;
    }
    if (size > 0) {
        connection.output.consume(size, pool_);
    }
    return size;
}

}  // namespace enduring::http::test
