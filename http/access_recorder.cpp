#include "http/access_recorder.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "http/text.hpp"

namespace enduring::http {

namespace {

// What the texts of a record may keep while it is spare.
constexpr std::size_t kept_bytes_max = 1024;

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
        places_[slot].knows_peer = false;
        return;
    }
    try {
        places_.resize(std::max<std::size_t>(slot + 1, 2 * places_.size()));
    } catch (const std::bad_alloc&) {
        // Its lines will be dropped.
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
        sink_.drop();
        return;
    }
    try {
        note(slot, head, base);
    } catch (const std::bad_alloc&) {
        sink_.drop();
        places_[slot].record.reset();
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
    LogEntry entry;
    entry.peer = slot < places_.size() ? std::string_view(places_[slot].peer) : std::string_view();
    entry.begun_ms = clocks_.wall_ms();
    entry.status = code_of(status);
    entry.bytes = bytes;
    write_line(entry);
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

void AccessRecorder::finished(std::uint32_t slot) noexcept {
    if (record_of(slot) != nullptr) {
        write(slot, true);
    }
}

void AccessRecorder::closed(std::uint32_t slot) noexcept {
    if (record_of(slot) != nullptr) {
        write(slot, false);
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
            // It is made anew when it is wanted.
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
