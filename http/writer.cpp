#include "http/writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "http/text.hpp"

namespace enduring::http {

namespace {

constexpr std::string_view close_field = "Connection: close\r\n";
constexpr std::string_view keep_alive_field = "Connection: keep-alive\r\n";
constexpr std::string_view keep_alive_name = "Keep-Alive: ";
constexpr std::string_view timeout_name = "timeout=";
constexpr std::string_view max_name = "max=";
constexpr std::string_view length_name = "Content-Length: ";
constexpr std::string_view chunked_field = "Transfer-Encoding: chunked\r\n";
constexpr std::size_t length_digits_max = 20;
static_assert(chunked_field.size() <= length_name.size() + length_digits_max);

// A string that was given to us is copied up to this size: a copy is cheaper than an owner.
constexpr std::size_t copied_bytes_max = 16 * 1024;

// Writes forward; the room was reserved before.
class Cursor {
  public:
    explicit Cursor(char* at) noexcept : at_(at) {}

    void put(std::string_view text) noexcept {
        // Not memcpy(): the data of an empty view may be null.
        at_ = std::copy_n(text.data(), text.size(), at_);
    }
    // A value that a handler made.
    void put_value(std::string_view text) noexcept {
        char* const start = at_;
        put(text);
        replace_controls({start, at_});
    }
    void put_number(std::uint64_t number) noexcept {
        at_ = std::to_chars(at_, at_ + length_digits_max, number).ptr;
    }
    [[nodiscard]] char* at() const noexcept { return at_; }

  private:
    char* at_;
};

std::string_view connection_field(WriteContext::Connection connection) noexcept {
    switch (connection) {
        case WriteContext::Connection::close:
            return close_field;
        case WriteContext::Connection::keep_alive:
            return keep_alive_field;
        case WriteContext::Connection::unsaid:
            break;
    }
    return {};
}

// RFC 2068 §19.7.1.1, as Apache and Node write it. The Connection field that names it is there.
void put_keep_alive(Cursor& cursor, const WriteContext& context) noexcept {
    if (context.keepalive_timeout_s == 0 && context.requests_left == 0) {
        return;
    }
    cursor.put(keep_alive_name);
    if (context.keepalive_timeout_s != 0) {
        cursor.put(timeout_name);
        cursor.put_number(context.keepalive_timeout_s);
        cursor.put(context.requests_left != 0 ? ", " : "");
    }
    if (context.requests_left != 0) {
        cursor.put(max_name);
        cursor.put_number(context.requests_left);
    }
    cursor.put("\r\n");
}

// The longest that put_keep_alive() writes.
constexpr std::size_t keep_alive_bytes_max =
    keep_alive_name.size() + timeout_name.size() + max_name.size() + 2 * length_digits_max + 4;

std::size_t head_bytes_bound(const Response& response, const WriteContext& context) noexcept {
    std::size_t bytes = context.preamble.size() + keep_alive_field.size() + keep_alive_bytes_max +
                        length_name.size() + length_digits_max + 2 * 2;
    for (const Field& field : response.fields()) {
        bytes += field.name.size() + field.value.size() + 4;
    }
    return bytes;
}

char* write_head(char* at, const Response& response, const WriteContext& context) noexcept {
    Cursor cursor(at);
    cursor.put(context.preamble);
    if (context.connection != WriteContext::Connection::unsaid) [[unlikely]] {
        cursor.put(connection_field(context.connection));
        put_keep_alive(cursor, context);
    }
    for (const Field& field : response.fields()) {
        cursor.put(field.name);
        cursor.put(": ");
        cursor.put_value(field.value);
        cursor.put("\r\n");
    }
    if (forbids_content(response.status()) || context.without_length) {
        // Its end is known without a field.
    } else if (context.chunked) {
        cursor.put(chunked_field);
    } else {
        cursor.put(length_name);
        cursor.put_number(response.content_size());
        cursor.put("\r\n");
    }
    cursor.put("\r\n");
    return cursor.at();
}

// A text that was taken over, for as long as it waits to be sent.
class TakenText {
  public:
    TakenText(std::string&& text, core::BlockPool& blocks) noexcept
        : text_(std::move(text)), blocks_(blocks) {
        blocks_.charge(text_.capacity());
    }
    ~TakenText() { blocks_.discharge(text_.capacity()); }
    TakenText(const TakenText&) = delete;
    TakenText& operator=(const TakenText&) = delete;

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
    core::BlockPool& blocks_;
};

// Queues what is sent from where it is.
void append_piece(core::SendQueue& output, core::BlockPool& blocks, Response::Content& content) {
    if (auto* text = std::get_if<std::string>(&content)) {
        const auto owner = std::make_shared<const TakenText>(std::move(*text), blocks);
        output.append(core::SharedPiece{owner->text().data(), owner->text().size(), owner}, blocks);
    } else if (auto* shared = std::get_if<core::SharedPiece>(&content)) {
        output.append(std::move(*shared), blocks);
    } else if (auto* file = std::get_if<core::FilePiece>(&content)) {
        output.append(std::move(*file), blocks);
    }
}

// Writes a head that does not fit into a block together with what is copied.
void write_in_parts(core::SendQueue& output, core::BlockPool& blocks, const Response& response,
                    const WriteContext& context, std::size_t bound, std::string_view copied) {
    if (bound <= core::Block::payload_bytes) {
        char* const start = output.reserve(bound, blocks).data();
        output.commit(static_cast<std::size_t>(write_head(start, response, context) - start));
    } else {
        std::string head(bound, '\0');
        head.resize(
            static_cast<std::size_t>(write_head(head.data(), response, context) - head.data()));
        output.append(head, blocks);
    }
    output.append(copied, blocks);
}

}  // namespace

bool takes_much_memory(const Response& response, bool head_only) noexcept {
    return response.content_size() > copied_bytes_max &&
           (std::holds_alternative<std::string_view>(response.content()) ||
            std::holds_alternative<std::string>(response.content())) &&
           !head_only && !forbids_content(response.status());
}

void write_response(core::SendQueue& output, core::BlockPool& blocks, Response&& response,
                    const WriteContext& context) {
    const bool has_content = !context.head_only && !forbids_content(response.status());
    Response::Content& content = response.take_content();
    std::string_view copied;
    bool is_piece = false;
    if (has_content) {
        if (const auto* view = std::get_if<std::string_view>(&content)) {
            copied = *view;
        } else if (const auto* text = std::get_if<std::string>(&content);
                   text != nullptr && text->size() <= copied_bytes_max) {
            copied = *text;
        } else {
            is_piece = true;
        }
    }
    const std::size_t bound = head_bytes_bound(response, context);
    if (bound + copied.size() <= core::Block::payload_bytes) [[likely]] {
        char* const start = output.reserve(bound + copied.size(), blocks).data();
        Cursor cursor(write_head(start, response, context));
        cursor.put(copied);
        output.commit(static_cast<std::size_t>(cursor.at() - start));
    } else {
        write_in_parts(output, blocks, response, context, bound, copied);
    }
    if (is_piece) [[unlikely]] {
        append_piece(output, blocks, content);
    }
}

void write_chunk(core::SendQueue& output, core::BlockPool& blocks, std::string_view bytes) {
    if (bytes.empty()) {
        return;
    }
    std::array<char, 2 * sizeof(std::size_t) + 2> line;
    char* const end =
        std::to_chars(line.data(), line.data() + line.size() - 2, bytes.size(), 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    output.append(std::string_view(line.data(), end + 2), blocks);
    output.append(bytes, blocks);
    output.append("\r\n", blocks);
}

void write_last_chunk(core::SendQueue& output, core::BlockPool& blocks) {
    output.append("0\r\n\r\n", blocks);
}

void write_continue(core::SendQueue& output, core::BlockPool& blocks) {
    output.append("HTTP/1.1 100 Continue\r\n\r\n", blocks);
}

}  // namespace enduring::http
