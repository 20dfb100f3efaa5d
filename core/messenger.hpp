// Tells workers something from outside their threads, through IORING_OP_MSG_RING.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "core/result.hpp"
#include "core/ring.hpp"
#include "core/token.hpp"

namespace enduring::core {

/// Thread-safe. Its ring is opened at the start, so that it needs no descriptor later.
class Messenger {
  public:
    static Result<std::unique_ptr<Messenger>> open();

    /// Posts a completion with this token and result to the ring. While the kernel is short of
    /// memory it is tried again, for a second; false if that did not help. Then nothing was posted.
    bool post(int ring_descriptor, Token token, std::int32_t result);

  private:
    explicit Messenger(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

    std::mutex mutex_;
    std::unique_ptr<Ring> ring_;
};

}  // namespace enduring::core
