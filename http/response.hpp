// A response as a handler makes it. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/check.hpp"
#include "core/send_queue.hpp"
#include "http/request.hpp"
#include "http/status.hpp"

namespace enduring::http {

/// Up to a fixed number of fields, on the stack; only those that are used are touched.
class FieldList {
  public:
    static constexpr std::size_t fields_max = 32;

    FieldList() noexcept {}
    FieldList(const FieldList& other) noexcept { *this = other; }
    FieldList& operator=(const FieldList& other) noexcept {
        count_ = other.count_;
        std::copy_n(other.fields_, count_, fields_);
        return *this;
    }
    void add(Field field) {
        ENDURING_CHECK(count_ < fields_max, "a response has too many fields");
        fields_[count_++] = field;
    }
    [[nodiscard]] std::span<const Field> all() const noexcept { return {fields_, count_}; }

  private:
    static_assert(std::is_trivially_copyable_v<Field> && std::is_trivially_destructible_v<Field>);
    std::size_t count_ = 0;
    union {
        Field fields_[fields_max];
    };
};

/// Status, fields and content, put together on the stack. Texts given as views must live until the
/// response is sent. Date, Server, Content-Length and Connection are the server's: do not set them.
/// Control characters in a field's value are sent as spaces, so that no value can begin a new line
/// (RFC 9110 §5.5).
class Response {
  public:
    explicit Response(Status status = Status::ok) noexcept : status_(status) {}

    /// A field's name must be a token; at most FieldList::fields_max fields.
    Response& field(std::string_view name, std::string_view value) {
        ENDURING_CHECK(is_token(name), "the name of a response's field is no token");
        fields_.add({name, value});
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
    [[nodiscard]] std::span<const Field> fields() const noexcept { return fields_.all(); }
    [[nodiscard]] std::string_view content_type() const noexcept { return content_type_; }
    [[nodiscard]] std::uint64_t content_size() const noexcept { return size_; }
    [[nodiscard]] bool closes() const noexcept { return close_; }

    using Content = std::variant<std::string_view, std::string, core::SharedPiece, core::FilePiece>;
    [[nodiscard]] const Content& content() const noexcept { return content_; }
    /// The content itself, for the writer, which takes it over.
    [[nodiscard]] Content& take_content() noexcept { return content_; }

  private:
    Status status_;
    bool close_ = false;
    std::uint64_t size_ = 0;
    std::string_view content_type_;
    Content content_;
    FieldList fields_;
};

}  // namespace enduring::http
