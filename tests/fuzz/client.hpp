// One client of a service, without a loop and without sockets: it sends pieces, takes answers, and
// does for the session what core::Loop does. No time passes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/block_pool.hpp"
#include "core/host.hpp"
#include "core/lifecycle.hpp"
#include "core/send_queue.hpp"
#include "http/method.hpp"
#include "http/responder.hpp"
#include "http/service.hpp"
#include "http/session.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace enduring::http {

class Client final : private core::Host<Session> {
  public:
    /// reads_late: takes answers only when the session receives nothing more, or at the end.
    Client(const Router& router, const Limits& limits, bool reads_late)
        : service_(router, limits, [] { return std::int64_t{784111777} * 1000; }),
          reads_late_(reads_late) {
        service_.attach(this);
        service_.begin_turn(1'000'000);
        service_.open(session_, id_);
    }

    void send(std::string_view piece) {
        if (ended()) {
            return;
        }
        if (progress_.hold_input) {
            take_answers();
        }
        FUZZ_EXPECT(!progress_.hold_input, piece);
        if (!ended()) {
            const fuzz::Copy bytes(piece);
            note(service_.receive(session_, output_, bytes.view()));
        }
        if (!reads_late_) {
            take_answers();
        }
    }
    void finish(bool finishes_input) {
        take_answers();
        if (finishes_input && !ended()) {
            note(service_.finish_input(session_, output_));
            take_answers();
        }
        const bool idle = progress_.need == core::Need::request || ended();
        FUZZ_EXPECT(!idle || service_.inputs().lent() == 0, "an idle connection holds memory");
    }
    /// Everything must have been given back then.
    void close() {
        closed_ = true;
        service_.close(session_);
        output_.clear(pool_);
        held_.reset();
        FUZZ_EXPECT(service_.inputs().lent() == 0, "an input buffer was not given back");
        FUZZ_EXPECT(pool_.lent() == 0, "a block was not given back");
    }

    /// Answers the request later.
    void hold(Responder&& responder) {
        FUZZ_EXPECT(!held_.has_value(), "a second request while the first has no answer");
        held_.emplace(std::move(responder));
    }

    [[nodiscard]] bool ended() const noexcept { return progress_.need == core::Need::nothing; }
    [[nodiscard]] const core::Progress& progress() const noexcept { return progress_; }
    [[nodiscard]] const std::string& received() const noexcept { return received_; }
    /// For handlers, to write down what they were given: the methods, and all of it.
    [[nodiscard]] std::vector<Method>& methods() noexcept { return methods_; }
    [[nodiscard]] std::string& calls() noexcept { return calls_; }

  private:
    Access find(core::ConnectionId id) override {
        return closed_ || ended() || id != id_ ? Access{} : Access{&session_, &output_};
    }
    void wake(core::ConnectionId) override { woken_ = true; }
    std::optional<core::Address> peer(core::ConnectionId) override { return std::nullopt; }
    core::BlockPool& blocks() override { return pool_; }
    [[nodiscard]] std::uint64_t now_ms() const override { return 1000; }

    void note(core::Progress progress) {
        FUZZ_EXPECT(
            (progress.need == core::Need::nothing) == (progress.reason != core::Reason::none),
            "the end has a reason, and nothing else has");
        progress_ = progress;
    }

    // Until nothing more happens.
    void take_answers() {
        for (bool changed = true; changed;) {
            changed = false;
            if (held_) {
                Responder responder = std::move(*held_);
                held_.reset();
                responder.send(Status::ok, "text/plain", "=later");
                changed = true;
            }
            if (std::exchange(woken_, false) && !ended()) {
                note(service_.resume(session_, output_));
                changed = true;
            }
            if (!output_.empty()) {
                take_output();
                if (progress_.need == core::Need::room) {
                    note(service_.resume(session_, output_));
                }
                changed = true;
            }
        }
    }

    // In uneven portions.
    void take_output() {
        while (!output_.empty()) {
            std::array<core::Slice, 2> slices;
            const std::size_t count = output_.gather(slices);
            FUZZ_EXPECT(count > 0, "output that cannot be sent");
            const std::size_t size = slices[0].size - slices[0].size / 3;
            received_.append(slices[0].data, size);
            output_.consume(size, pool_);
        }
    }

    static constexpr core::ConnectionId id_{3, 7};

    core::BlockPool pool_;
    Service service_;
    Session session_;
    core::SendQueue output_;
    core::Progress progress_;
    std::optional<Responder> held_;
    std::string received_;
    std::string calls_;
    std::vector<Method> methods_;
    bool reads_late_;
    bool woken_ = false;
    bool closed_ = false;
};

}  // namespace enduring::http
