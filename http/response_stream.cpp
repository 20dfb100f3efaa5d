#include "http/response_stream.hpp"

#include "core/check.hpp"
#include "http/responder.hpp"

namespace enduring::http {

ResponseStream& ResponseStream::operator=(ResponseStream&& other) noexcept {
    if (this != &other) {
        const ResponseStream dropped(std::move(*this));
        exchanges_ = std::exchange(other.exchanges_, nullptr);
        connection_ = other.connection_;
        number_ = other.number_;
    }
    return *this;
}

ResponseStream::~ResponseStream() {
    if (exchanges_ != nullptr) {
        exchanges_->finish(connection_, number_, false);
    }
}

bool ResponseStream::write(std::string_view bytes) {
    ENDURING_CHECK(exchanges_ != nullptr, "a response was continued after its end");
    return exchanges_->write(connection_, number_, bytes);
}

void ResponseStream::on_room(EventFunction function) {
    ENDURING_CHECK(exchanges_ != nullptr, "a response was continued after its end");
    exchanges_->on_room(connection_, number_, std::move(function));
}

void ResponseStream::on_gone(EventFunction function) {
    ENDURING_CHECK(exchanges_ != nullptr, "a response was continued after its end");
    exchanges_->on_gone(connection_, number_, std::move(function));
}

void ResponseStream::finish() {
    ENDURING_CHECK(exchanges_ != nullptr, "a response was finished twice");
    std::exchange(exchanges_, nullptr)->finish(connection_, number_, true);
}

bool ResponseStream::alive() const noexcept {
    return exchanges_ != nullptr && exchanges_->is_waiting(connection_, number_);
}

bool ResponseStream::should_end() const noexcept {
    return exchanges_ == nullptr || exchanges_->should_end(connection_, number_);
}

}  // namespace enduring::http
