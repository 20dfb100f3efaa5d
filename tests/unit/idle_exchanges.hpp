// The part of a service that tests of responders and routes do not look at.
#pragma once

#include <memory>
#include <optional>

#include "http/responder.hpp"

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
    [[nodiscard]] std::optional<core::Address> peer(core::ConnectionId /*connection*/) override {
        return std::nullopt;
    }
    [[nodiscard]] Timers& timers() noexcept override { return timers_; }
    [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept override {
        return mailbox_;
    }

  private:
    Timers timers_;
    std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(Mailbox::Wake());
};

}  // namespace enduring::http
