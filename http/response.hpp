// A response as a handler makes it. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/check.hpp"
#include "core/send_queue.hpp"
#include "http/request.hpp"
#include "http/status.hpp"

namespace enduring::http {

/// Status, fields and content, put together on the stack. Texts given as views must live until the
/// response is sent. Date, Server, Content-Length and Connection are the server's: do not set them.
/// Control characters in a field's value are sent as spaces, so that no value can begin a new line
/// (RFC 9110 §5.5).
class Response {
  public:
    static constexpr std::size_t fields_max = 32;

    explicit Response(Status status = Status::ok) noexcept : status_(status) {}

    /// A field's name must be a token; at most fields_max fields.
    Response& field(std::string_view name, std::string_view value) {
        ENDURING_CHECK(field_count_ < fields_max, "a response has too many fields");
        ENDURING_CHECK(is_token(name), "the name of a response's field is no token");
        fields_[field_count_++] = {name, value};
        return *this;
    }
    Response& content_type(std::string_view type) noexcept {
        content_type_ = type;
        return *this;
    }
    /// Copied when the response is sent.
    Response& content(std::string_view bytes) noexcept {
        content_ = bytes;
        size_ = bytes.size();
        return *this;
    }
    Response& content(const char* text) noexcept { return content(std::string_view(text)); }
    /// Taken over; when it is large it is sent from where it is.
    Response& content(std::string&& bytes) noexcept {
        size_ = bytes.size();
        content_ = std::move(bytes);
        return *this;
    }
    /// Sent from where it is; the owner keeps it alive and unchanged until then.
    Response& content(core::SharedPiece piece) noexcept {
        size_ = piece.size;
        content_ = std::move(piece);
        return *this;
    }
    /// A range of an open regular file, streamed in bounded memory. If the file becomes shorter
    /// while it is sent, the connection is cut, so that the client can tell.
    Response& content(core::FilePiece piece) noexcept {
        size_ = piece.size;
        content_ = std::move(piece);
        return *this;
    }
    /// For a response to HEAD: the size that the content of GET would have.
    Response& content_size(std::uint64_t bytes) noexcept {
        content_ = std::string_view();
        size_ = bytes;
        return *this;
    }
    /// Close the connection after this response.
    Response& close() noexcept {
        close_ = true;
        return *this;
    }

    [[nodiscard]] Status status() const noexcept { return status_; }
    [[nodiscard]] std::span<const Field> fields() const noexcept {
        return std::span(fields_).first(field_count_);
    }
    [[nodiscard]] std::string_view content_type() const noexcept { return content_type_; }
    [[nodiscard]] std::uint64_t content_size() const noexcept { return size_; }
    [[nodiscard]] bool closes() const noexcept { return close_; }

    using Content = std::variant<std::string_view, std::string, core::SharedPiece, core::FilePiece>;
    /// The content itself, for the writer, which takes it over.
    [[nodiscard]] Content& take_content() noexcept { return content_; }

  private:
    Status status_;
    bool close_ = false;
    std::uint32_t field_count_ = 0;
    std::uint64_t size_ = 0;
    std::string_view content_type_;
    Content content_;
    std::array<Field, fields_max> fields_;
};

}  // namespace enduring::http
