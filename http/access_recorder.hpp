// One worker's part of the access log: notes each request when its head is complete, and hands its
// line over when its answer is written, or given up. Pure: it is given
// its clocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/log_line.hpp"
#include "http/log_sink.hpp"
#include "http/request_head.hpp"
#include "http/status.hpp"

namespace enduring::http {

/// Connections are named by their slots; each has one exchange at a time.
class AccessRecorder {
  public:
    struct Clocks {
        std::int64_t (*wall_ms)();        ///< since 1970
        std::uint64_t (*monotonic_us)();  ///< since whenever
    };

    AccessRecorder(LogFormat format, LogSink& sink, Clocks clocks)
        : line_(format), sink_(sink), clocks_(clocks) {}

    /// A connection begins in this slot.
    void opened(std::uint32_t slot) noexcept;
    [[nodiscard]] bool knows_peer(std::uint32_t slot) const noexcept {
        return slot < places_.size() && places_[slot].knows_peer;
    }
    /// As text, without a port; empty: nobody can tell.
    void set_peer(std::uint32_t slot, std::string peer) noexcept;

    /// A head is complete. base: where it lies.
    void begin(std::uint32_t slot, const RequestHead& head, const char* base) noexcept;
    /// What came is no request: its first bytes, for the line of the answer that follows.
    void refuse(std::uint32_t slot, std::string_view bytes) noexcept;
    /// An answer was written as a whole: to the request that was noted, or to what was no request.
    void answered(std::uint32_t slot, Status status, std::uint64_t bytes) noexcept;
    /// An answer that comes in pieces: its head, some of its content, its end.
    void head_written(std::uint32_t slot, Status status) noexcept;
    void piece_written(std::uint32_t slot, std::uint64_t bytes) noexcept;
    void finished(std::uint32_t slot) noexcept;
    /// The connection is over. A request that was noted has not been answered wholly.
    void closed(std::uint32_t slot) noexcept;

  private:
    struct Record {
        std::string method;
        std::string target;
        std::string referer;
        std::string user_agent;
        std::int64_t begun_ms = 0;
        std::uint64_t begun_us = 0;
        std::uint64_t bytes = 0;
        unsigned minor_version = 1;
        unsigned status = LogEntry::status_unanswered;
    };
    struct Place {
        std::unique_ptr<Record> record;  // of the running exchange
        std::string peer;
        std::string refused;  // the first line of what is no request
        bool knows_peer = false;
        bool unnoted = false;  // there is a request, and there was no memory to note it
    };

    [[nodiscard]] Record* record_of(std::uint32_t slot) noexcept {
        return slot < places_.size() ? places_[slot].record.get() : nullptr;
    }
    void note(std::uint32_t slot, const RequestHead& head, const char* base);
    void end(std::uint32_t slot, bool complete) noexcept;
    bool drop_unnoted(std::uint32_t slot) noexcept;
    void write(std::uint32_t slot, bool complete) noexcept;
    void write_line(const LogEntry& entry) noexcept;

    LogLine line_;
    LogSink& sink_;
    Clocks clocks_;
    std::vector<Place> places_;                   // by slot
    std::vector<std::unique_ptr<Record>> spare_;  // whose texts keep their memory
    std::string text_;
};

}  // namespace enduring::http
