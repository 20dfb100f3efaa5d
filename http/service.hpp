// What all sessions of a worker share: limits, routes, the current date, memory to borrow. Pure. It
// is the protocol that the loop drives. Not thread-safe; one per worker.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.hpp"
#include "core/counter.hpp"
#include "core/host.hpp"
#include "http/access_recorder.hpp"
#include "http/coroutines.hpp"
#include "http/exchange_meter.hpp"
#include "http/head_memory.hpp"
#include "http/input_buffer.hpp"
#include "http/limits.hpp"
#include "http/mailbox.hpp"
#include "http/parser.hpp"
#include "http/preamble.hpp"
#include "http/responder.hpp"
#include "http/router.hpp"
#include "http/session.hpp"
#include "http/timers.hpp"

namespace enduring::http {

/// "404 Not Found" as text, for answers that no handler gives.
[[nodiscard]] Response error_response(Status status);

class Service final : public Exchanges {
  public:
    using Session = http::Session;
    /// Wall-clock time in milliseconds since 1970.
    using WallClock = std::int64_t (*)();

    /// The router must outlive the service and not change. mailbox: null where there are no other
    /// threads.
    Service(const Router& router, const Limits& limits, WallClock wall_clock,
            std::shared_ptr<Mailbox> mailbox = nullptr);
    ~Service() { end(); }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Each exchange is to be noted; before the first connection.
    void record_with(std::unique_ptr<AccessRecorder> recorder) noexcept {
        recorder_ = std::move(recorder);
    }

    // core::Protocol
    void attach(core::Host<Session>* host) noexcept { host_ = host; }
    void begin_turn(std::uint64_t now_us) {
        const std::uint64_t now_ms = now_us / 1'000;
        meter_.begin_turn(now_us);
        if (now_ms >= date_until_ms_) {
            renew_date(now_ms);
        }
        handlers_threw_ += timers_.run(now_ms);
        if (mailbox_ != nullptr && mailbox_->has_mail()) [[unlikely]] {
            run_posted();
        }
    }
    [[nodiscard]] bool measures_turn() const noexcept { return meter_.measures(); }
    void end_turn(std::uint64_t now_us) noexcept { meter_.end_turn(now_us); }
    [[nodiscard]] std::uint64_t next_ms() const noexcept { return timers_.next_ms(); }
    void run_posted() { handlers_threw_ += mailbox_->run(); }
    void end() noexcept {
        if (mailbox_ != nullptr) {
            mailbox_->close();
        }
        coroutines_.clear();
        timers_.clear();
    }
    void open(Session& session, core::ConnectionId id) {
        record([id](AccessRecorder& recorder) { recorder.opened(id.slot); });
        session.open(id);
    }
    core::Progress receive(Session& session, core::SendQueue& output, std::span<const char> bytes) {
        return guard(session,
                     [&] { return session.receive(*this, output, {bytes.data(), bytes.size()}); });
    }
    core::Progress resume(Session& session, core::SendQueue& output) {
        return guard(session, [&] { return session.resume(*this, output); });
    }
    core::Progress finish_input(Session& session, core::SendQueue& output) {
        return guard(session, [&] { return session.finish_input(*this, output); });
    }
    core::Progress time_out(Session& session, core::SendQueue& output) {
        return guard(session, [&] { return session.time_out(*this, output); });
    }
    void retire(Session& session, core::Reason reason) noexcept { session.retire(reason); }
    void close(Session& session) { session.close(*this); }

    // Exchanges
    void answer(core::ConnectionId connection, std::uint32_t number, Response&& response) override;
    [[nodiscard]] bool is_waiting(core::ConnectionId connection,
                                  std::uint32_t number) const noexcept override;
    [[nodiscard]] bool should_end(core::ConnectionId connection,
                                  std::uint32_t number) const noexcept override;
    void begin(core::ConnectionId connection, std::uint32_t number, Response&& head,
               std::optional<std::uint64_t> size) override;
    bool write(core::ConnectionId connection, std::uint32_t number,
               std::string_view bytes) override;
    void finish(core::ConnectionId connection, std::uint32_t number, bool whole) override;
    void on_content(core::ConnectionId connection, std::uint32_t number,
                    ContentFunction function) override;
    void on_room(core::ConnectionId connection, std::uint32_t number,
                 EventFunction function) override;
    void on_gone(core::ConnectionId connection, std::uint32_t number,
                 EventFunction function) override;
    void pause(core::ConnectionId connection, std::uint32_t number, bool pauses) override;
    void serve_by(core::ConnectionId connection, std::uint32_t number,
                  std::uint64_t coroutine) override;
    [[nodiscard]] std::optional<core::Address> peer(core::ConnectionId connection) override {
        return host_->peer(connection);
    }
    [[nodiscard]] Timers& timers() noexcept override { return timers_; }
    [[nodiscard]] Coroutines& coroutines() noexcept override { return coroutines_; }
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept override {
        return mailbox_;
    }

    // For sessions
    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
    [[nodiscard]] const Router& router() const noexcept { return router_; }
    [[nodiscard]] core::BlockPool& blocks() noexcept { return host_->blocks(); }
    [[nodiscard]] InputBufferPool& inputs() noexcept { return inputs_; }
    /// The beginning of the response's head. Valid until the next call.
    [[nodiscard]] std::string_view preamble(const Response& response) {
        const Status status = response.status();
        ENDURING_CHECK(code_of(status) >= 100 && code_of(status) < 600,
                       "a status code is from 100 to 599");
        Preamble& preamble = preambles_[code_of(status) - 100];
        if (preamble.date_number() != date_number_) [[unlikely]] {
            preamble.renew(status, date_field_, date_number_);
        }
        return preamble.with_type(response.content_type());
    }
    /// For heads that are parsed where they arrived.
    [[nodiscard]] HeadMemory& heads() noexcept { return heads_; }
    [[nodiscard]] HeadParser& parser() noexcept { return parser_; }
    [[nodiscard]] Router::Match& match() noexcept { return match_; }
    [[nodiscard]] ExchangeMeter& meter() noexcept { return meter_; }
    /// Calls function(AccessRecorder&) if there is an access log.
    template <class Function>
    void record(Function&& function) noexcept {
        if (recorder_ != nullptr) [[unlikely]] {
            function(*recorder_);
        }
    }
    /// Tells the access log where a connection comes from, if it does not know.
    void name_peer(core::ConnectionId connection) noexcept;
    void on_handler_threw() noexcept { ++handlers_threw_; }

    /// What has been counted and measured. From any thread; a moment old.
    [[nodiscard]] const ExchangeCounts& exchanges() const noexcept { return meter_.counts(); }
    /// Handlers, and functions called later for them, that ended with an exception. From any
    /// thread.
    [[nodiscard]] std::uint64_t handlers_threw() const noexcept { return handlers_threw_; }

  private:
    void renew_date(std::uint64_t now_ms) noexcept;

    // Runs what is to be done to an exchange that is waited for; true of it: the session goes on.
    template <class Act>
    void act(core::ConnectionId connection, std::uint32_t number, Act&& act);

    // No exception crosses the loop: a connection for which memory runs out is cut.
    template <class Run>
    core::Progress guard(Session& session, Run&& run) noexcept {
        try {
            return run();
        } catch (const std::bad_alloc&) {
            return session.break_off(*this);
        }
    }

    const Router& router_;
    Limits limits_;
    WallClock wall_clock_;
    core::Host<Session>* host_ = nullptr;
    Timers timers_;
    std::shared_ptr<Mailbox> mailbox_;
    Coroutines coroutines_;
    InputBufferPool inputs_;
    HeadMemory heads_;
    HeadParser parser_;
    Router::Match match_;
    ExchangeMeter meter_;
    std::string date_field_;
    std::uint64_t date_number_ = 1;        // changes with date_field_, never 0
    std::array<Preamble, 500> preambles_;  // by status code, from 100
    std::uint64_t date_until_ms_ = 0;
    core::Counter handlers_threw_;
    std::unique_ptr<AccessRecorder> recorder_;  // null: there is no access log
};

template <class Function>
bool Session::call(Service& service, Function&& function) noexcept {
    bool returned = true;
    in_handler_ = true;
    try {
        function();
    } catch (...) {
        service.on_handler_threw();
        returned = false;
    }
    in_handler_ = false;
    return returned;
}

}  // namespace enduring::http
