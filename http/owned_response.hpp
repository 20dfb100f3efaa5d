// A response that owns its texts, to be sent later or from another thread. Pure.
#pragma once

#include <memory>

#include "http/response.hpp"

namespace enduring::http {

/// Can be moved to another thread. Contents that were given over or are shared are not copied.
class OwnedResponse {
  public:
    explicit OwnedResponse(Response&& response);

    /// The response, whose views point into this object.
    [[nodiscard]] Response&& take() noexcept { return std::move(response_); }

  private:
    std::unique_ptr<char[]> texts_;
    Response response_;
};

}  // namespace enduring::http
