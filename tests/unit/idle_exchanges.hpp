// The part of a service that tests of responders and routes do not look at.
#pragma once

#include <memory>
#include <optional>

#include "http/coroutines.hpp"
#include "http/responder.hpp"
#include "http/thread_mailbox.hpp"

namespace enduring::http {

/// Nobody waits for its answers, until a test says otherwise.
class IdleExchanges : public Exchanges {
  public:
    void answer(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                Response&& /*response*/) override {}
    [[nodiscard]] bool is_waiting(core::ConnectionId /*connection*/,
                                  std::uint32_t /*number*/) const noexcept override {
        return false;
    }
    [[nodiscard]] bool should_end(core::ConnectionId /*connection*/,
                                  std::uint32_t /*number*/) const noexcept override {
        return true;
    }
    void begin(core::ConnectionId /*connection*/, std::uint32_t /*number*/, Response&& /*head*/,
               std::optional<std::uint64_t> /*size*/) override {}
    bool write(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
               std::string_view /*bytes*/) override {
        return true;
    }
    void finish(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                bool /*whole*/) override {}
    void on_content(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                    ContentFunction /*function*/) override {}
    void on_room(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                 EventFunction /*function*/) override {}
    void on_gone(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                 EventFunction /*function*/) override {}
    void pause(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
               bool /*pauses*/) override {}
    void serve_by(core::ConnectionId /*connection*/, std::uint32_t /*number*/,
                  std::uint64_t /*coroutine*/) override {}
    [[nodiscard]] std::optional<core::Address> peer(core::ConnectionId /*connection*/) override {
        return std::nullopt;
    }
    [[nodiscard]] Timers& timers() noexcept override { return timers_; }
    [[nodiscard]] Coroutines& coroutines() noexcept override { return coroutines_; }
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept override {
        return mailbox_;
    }

  private:
    Timers timers_;
    std::shared_ptr<Mailbox> mailbox_ = std::make_shared<ThreadMailbox>(ThreadMailbox::Wake());
    Coroutines coroutines_{timers_, mailbox_, 1024 * 1024};
};

}  // namespace enduring::http
