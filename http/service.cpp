#include "http/service.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "http/date.hpp"

namespace enduring::http {

Response error_response(Status status) {
    // "404 Not Found" LF for each code, from the status line without its version and line's end.
    static const auto texts = [] {
        std::array<std::string, 200> made;
        for (unsigned code = 400; code < 600; ++code) {
            std::string_view line = status_line(static_cast<Status>(code));
            line.remove_prefix(std::string_view("HTTP/1.1 ").size());
            line.remove_suffix(2);
            made[code - 400] = std::string(line) + "\n";
        }
        return made;
    }();
    Response response(status);
    response.content_type("text/plain").content(std::string_view(texts.at(code_of(status) - 400)));
    return response;
}

Service::Service(const Router& router, const Limits& limits, WallClock wall_clock,
                 std::shared_ptr<Mailbox> mailbox)
    : router_(router),
      limits_(limits),
      wall_clock_(wall_clock),
      mailbox_(std::move(mailbox)),
      coroutines_(timers_, mailbox_, limits.coroutine_bytes_max),
      heads_(limits.head.fields_max) {
    // A session counts them in so many bits.
    limits_.pipelined_max = std::min<std::uint32_t>(limits_.pipelined_max, 0xffff);
}

template <class Act>
void Service::act(core::ConnectionId connection, std::uint32_t number, Act&& act) {
    const auto access = host_->find(connection);
    if (access.session == nullptr || !access.session->is_waiting(number)) {
        return;
    }
    if (act(*access.session, *access.output)) {
        host_->wake(connection);
    }
}

void Service::answer(core::ConnectionId connection, std::uint32_t number, Response&& response) {
    act(connection, number, [&](Session& session, core::SendQueue& output) {
        return session.answer(*this, output, std::move(response));
    });
}

void Service::begin(core::ConnectionId connection, std::uint32_t number, Response&& head,
                    std::optional<std::uint64_t> size) {
    act(connection, number, [&](Session& session, core::SendQueue& output) {
        return session.begin(*this, output, std::move(head), size);
    });
}

bool Service::write(core::ConnectionId connection, std::uint32_t number, std::string_view bytes) {
    bool has_room = false;
    act(connection, number, [&](Session& session, core::SendQueue& output) {
        const bool goes_on = session.write_piece(*this, output, bytes);
        has_room = !session.is_full() && session.is_waiting(number);
        return goes_on;
    });
    return has_room;
}

void Service::finish(core::ConnectionId connection, std::uint32_t number, bool whole) {
    act(connection, number, [&](Session& session, core::SendQueue& output) {
        return session.finish(*this, output, whole);
    });
}

void Service::on_content(core::ConnectionId connection, std::uint32_t number,
                         ContentFunction function) {
    act(connection, number, [&](Session& session, core::SendQueue& output) {
        return session.take_pieces(*this, output, std::move(function));
    });
}

void Service::on_room(core::ConnectionId connection, std::uint32_t number, EventFunction function) {
    act(connection, number, [&](Session& session, core::SendQueue&) {
        Pieces& pieces = session.pieces(*this);
        pieces.on_room = std::move(function);
        pieces.on_room_set = true;
        return false;
    });
}

void Service::on_gone(core::ConnectionId connection, std::uint32_t number, EventFunction function) {
    act(connection, number, [&](Session& session, core::SendQueue&) {
        session.pieces(*this).on_gone = std::move(function);
        return false;
    });
}

void Service::pause(core::ConnectionId connection, std::uint32_t number, bool pauses) {
    act(connection, number,
        [&](Session& session, core::SendQueue&) { return session.pause(pauses); });
}

void Service::serve_by(core::ConnectionId connection, std::uint32_t number,
                       std::uint64_t coroutine) {
    act(connection, number, [&](Session& session, core::SendQueue&) {
        session.pieces(*this).coroutine = coroutine;
        return false;
    });
}

bool Service::is_waiting(core::ConnectionId connection, std::uint32_t number) const noexcept {
    const auto access = host_->find(connection);
    return access.session != nullptr && access.session->is_waiting(number);
}

bool Service::should_end(core::ConnectionId connection, std::uint32_t number) const noexcept {
    const auto access = host_->find(connection);
    return access.session == nullptr || !access.session->is_waiting(number) ||
           access.session->is_retired();
}

void Service::name_peer(core::ConnectionId connection) noexcept {
    if (recorder_->knows_peer(connection.slot)) {
        return;
    }
    try {
        const std::optional<core::Address> address = host_->peer(connection);
        recorder_->set_peer(connection.slot, address ? address->host : std::string());
    } catch (const std::bad_alloc&) {
        recorder_->set_peer(connection.slot, {});
    }
}

// The field is made once a second, at the first turn after the second has changed. The wall clock
// may be set: then the next second shows it.
void Service::renew_date(std::uint64_t now_ms) noexcept {
    const std::int64_t wall_ms = wall_clock_();
    try {
        date_field_ = "Date: " + format_date(wall_ms / 1000) + "\r\n";
        ++date_number_;
        date_until_ms_ = now_ms + static_cast<std::uint64_t>(1000 - wall_ms % 1000);
    } catch (const std::bad_alloc&) {
        date_until_ms_ = now_ms;  // the next turn tries again
    }
}

}  // namespace enduring::http
