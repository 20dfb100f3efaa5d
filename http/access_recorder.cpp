#include "http/access_recorder.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "http/text.hpp"

namespace enduring::http {

namespace {

// What the texts of a record may keep while it is spare.
constexpr std::size_t kept_bytes_max = 1024;
// What is told of bytes that are no request.
constexpr std::size_t refused_bytes_max = 256;

// The first field of this name; empty if there is none.
std::string_view find_field(const RequestHead& head, const char* base, std::string_view name) {
    for (const FieldSpan& field : head.fields) {
        if (field.name.size == name.size() && equals_ignoring_case(field.name.in(base), name)) {
            return trim(field.value.in(base));
        }
    }
    return {};
}

}  // namespace

void AccessRecorder::opened(std::uint32_t slot) noexcept {
    if (slot < places_.size()) {
        places_[slot].peer.clear();
        places_[slot].refused.clear();
        places_[slot].knows_peer = false;
        return;
    }
    try {
        places_.resize(std::max<std::size_t>(slot + 1, 2 * places_.size()));
    } catch (const std::bad_alloc&) {
        return;  // its lines will be dropped
    }
}

void AccessRecorder::set_peer(std::uint32_t slot, std::string peer) noexcept {
    if (slot < places_.size()) {
        places_[slot].peer = std::move(peer);
        places_[slot].knows_peer = true;
    }
}

void AccessRecorder::begin(std::uint32_t slot, const RequestHead& head, const char* base) noexcept {
    if (slot >= places_.size()) {
        return;  // its line will be dropped
    }
    try {
        note(slot, head, base);
        places_[slot].unnoted = false;
    } catch (const std::bad_alloc&) {
        places_[slot].record.reset();
        places_[slot].unnoted = true;
    }
}

void AccessRecorder::refuse(std::uint32_t slot, std::string_view bytes) noexcept {
    if (slot >= places_.size()) {
        return;
    }
    try {
        const std::string_view some = bytes.substr(0, refused_bytes_max);
        places_[slot].refused = some.substr(0, some.find_first_of("\r\n"));
    } catch (const std::bad_alloc&) {
        places_[slot].refused.clear();
    }
}

void AccessRecorder::note(std::uint32_t slot, const RequestHead& head, const char* base) {
    Place& place = places_[slot];
    if (place.record == nullptr) {
        if (spare_.empty()) {
            place.record = std::make_unique<Record>();
        } else {
            place.record = std::move(spare_.back());
            spare_.pop_back();
        }
    }
    Record& record = *place.record;
    record.method.assign(base, head.target.offset);
    record.method.resize(record.method.find_last_not_of(' ') + 1);
    record.target.assign(head.target.in(base));
    record.referer.assign(find_field(head, base, "Referer"));
    record.user_agent.assign(find_field(head, base, "User-Agent"));
    record.begun_ms = clocks_.wall_ms();
    record.begun_us = clocks_.monotonic_us();
    record.bytes = 0;
    record.minor_version = head.minor_version;
    record.status = LogEntry::status_unanswered;
}

void AccessRecorder::answered(std::uint32_t slot, Status status, std::uint64_t bytes) noexcept {
    if (Record* record = record_of(slot)) {
        record->status = code_of(status);
        record->bytes = bytes;
        write(slot, true);
        return;
    }
    if (slot >= places_.size()) {
        sink_.drop();
        return;
    }
    if (drop_unnoted(slot)) {
        return;
    }
    const std::string refused = std::exchange(places_[slot].refused, {});
    write_line({.peer = places_[slot].peer,
                .begun_ms = clocks_.wall_ms(),
                .refused = refused,
                .status = code_of(status),
                .bytes = bytes});
}

// Whether there is a request that could not be noted.
bool AccessRecorder::drop_unnoted(std::uint32_t slot) noexcept {
    if (!std::exchange(places_[slot].unnoted, false)) {
        return false;
    }
    sink_.drop();
    return true;
}

void AccessRecorder::head_written(std::uint32_t slot, Status status) noexcept {
    if (Record* record = record_of(slot)) {
        record->status = code_of(status);
    }
}

void AccessRecorder::piece_written(std::uint32_t slot, std::uint64_t bytes) noexcept {
    if (Record* record = record_of(slot)) {
        record->bytes += bytes;
    }
}

void AccessRecorder::finished(std::uint32_t slot) noexcept { end(slot, true); }
void AccessRecorder::closed(std::uint32_t slot) noexcept { end(slot, false); }

void AccessRecorder::end(std::uint32_t slot, bool complete) noexcept {
    if (record_of(slot) != nullptr) {
        write(slot, complete);
    } else if (slot < places_.size()) {
        drop_unnoted(slot);
    }
}

void AccessRecorder::write(std::uint32_t slot, bool complete) noexcept {
    Place& place = places_[slot];
    std::unique_ptr<Record> record = std::move(place.record);
    write_line(LogEntry{.peer = place.peer,
                        .begun_ms = record->begun_ms,
                        .took_us = clocks_.monotonic_us() - record->begun_us,
                        .method = record->method,
                        .target = record->target,
                        .minor_version = record->minor_version,
                        .status = record->status,
                        .bytes = record->bytes,
                        .complete = complete,
                        .referer = record->referer,
                        .user_agent = record->user_agent});
    const std::size_t kept_bytes = record->method.capacity() + record->target.capacity() +
                                   record->referer.capacity() + record->user_agent.capacity();
    if (kept_bytes <= kept_bytes_max) {
        try {
            spare_.push_back(std::move(record));
        } catch (const std::bad_alloc&) {
            record.reset();  // it is made anew when it is wanted
        }
    }
}

void AccessRecorder::write_line(const LogEntry& entry) noexcept {
    try {
        text_.clear();
        line_.append(text_, entry);
    } catch (...) {
        sink_.drop();
        return;
    }
    sink_.put(text_);
}

}  // namespace enduring::http
