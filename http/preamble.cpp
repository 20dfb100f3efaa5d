#include "http/preamble.hpp"

#include "http/text.hpp"

namespace enduring::http {

namespace {

constexpr std::string_view server_field = "Server: enduring\r\n";
constexpr std::string_view type_name = "Content-Type: ";

}  // namespace

void Preamble::renew(Status status, std::string_view date_field, std::uint64_t date) {
    const std::string_view line = status_line(status);
    text_.reserve(line.size() + server_field.size() + date_field.size());
    text_.assign(line).append(server_field).append(date_field);
    common_bytes_ = text_.size();
    type_offset_ = 0;
    type_bytes_ = 0;
    date_ = date;
}

void Preamble::replace_type(std::string_view type) {
    // Nothing is changed before there is memory for all.
    text_.reserve(common_bytes_ + type_name.size() + type.size() + 2);
    text_.resize(common_bytes_);
    type_offset_ = 0;
    type_bytes_ = type.size();
    if (type.empty()) {
        return;
    }
    type_offset_ = type_name.size();
    text_.append(type_name).append(type);
    replace_controls({text_.data() + common_bytes_ + type_offset_, type_bytes_});
    text_.append("\r\n");
}

}  // namespace enduring::http
