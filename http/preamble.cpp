#include "http/preamble.hpp"

#include "http/text.hpp"

namespace enduring::http {

namespace {

constexpr std::string_view server_field = "Server: enduring\r\n";
constexpr std::string_view type_name = "Content-Type: ";

}  // namespace

// In both, nothing is changed before there is memory for all.

void Preamble::renew(Status status, std::string_view date_field, std::uint64_t date_number) {
    const std::string_view line = status_line(status);
    text_.reserve(line.size() + server_field.size() + date_field.size());
    text_.assign(line).append(server_field).append(date_field);
    common_bytes_ = text_.size();
    type_begin_ = common_bytes_;
    type_bytes_ = 0;
    date_number_ = date_number;
}

void Preamble::replace_type(std::string_view type) {
    text_.reserve(common_bytes_ + type_name.size() + type.size() + 2);
    text_.resize(common_bytes_);
    type_begin_ = common_bytes_;
    type_bytes_ = type.size();
    if (type.empty()) {
        return;
    }
    type_begin_ += type_name.size();
    text_.append(type_name).append(type);
    replace_controls({text_.data() + type_begin_, type_bytes_});
    text_.append("\r\n");
}

}  // namespace enduring::http
