// What responses with one status have in common for a while, made once: status line, Server, Date,
// and the type of the content, which most often is that of the last response. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/status.hpp"

namespace enduring::http {

/// The beginning of heads with one status. Not thread-safe.
class Preamble {
  public:
    /// The number of the date that it was made with; 0: it was not made yet.
    [[nodiscard]] std::uint64_t date_number() const noexcept { return date_number_; }
    /// Makes it, without a type. date_field: "Date: …" CRLF, or nothing.
    void renew(Status status, std::string_view date_field, std::uint64_t date_number);

    /// After renew(): with a Content-Type, if the type is not empty. Valid until the next call.
    [[nodiscard]] std::string_view with_type(std::string_view type) {
        if (type != std::string_view(text_).substr(type_begin_, type_bytes_)) [[unlikely]] {
            replace_type(type);
        }
        return text_;
    }

  private:
    void replace_type(std::string_view type);

    std::string text_;
    std::uint64_t date_number_ = 0;
    std::size_t common_bytes_ = 0;  // without the Content-Type
    std::size_t type_begin_ = 0;    // of its value
    std::size_t type_bytes_ = 0;
};

}  // namespace enduring::http
