// What the simulated server serves: contents of a number and size that the request names, in every
// way that a handler can give them.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/coroutine.hpp"
#include "http/responder.hpp"
#include "http/router.hpp"

namespace enduring::simulation {

/// What handlers need of the run that they belong to.
class Site {
  public:
    virtual void answer_later(http::Responder responder, std::string_view content,
                              std::uint64_t delay_ms) = 0;
    /// The same for a coroutine.
    virtual void complete_later(http::Completion<std::string_view> completion,
                                std::string_view content, std::uint64_t delay_ms) = 0;
    virtual int open_file(std::uint32_t pattern, std::uint64_t size) = 0;
    virtual void close_file(int descriptor) = 0;

  protected:
    ~Site() = default;
};

/// The run whose handlers are called from now on.
void set_site(Site* site) noexcept;

/// Made once: the routes are the same for all runs.
[[nodiscard]] const http::Router& routes();

}  // namespace enduring::simulation
